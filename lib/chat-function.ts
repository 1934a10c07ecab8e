/* oxlint-disable no-new -- a construct adds itself to its scope */
import type { Duration } from "aws-cdk-lib";
import { Grant, type IGrantable, type IPrincipal, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, Function, LoggingFormat, RecursiveLoop, Runtime } from "aws-cdk-lib/aws-lambda";
import { type ILogGroup, LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { removalPolicyOf } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { handlerCode } from "./handler-code.ts";

export interface ChatFunctionProps {
  readonly stage: StageConfig;

  /** Name, without `.ts`, of a file in `lambdas/handlers/` that exports `handler`. */
  readonly handler: string;

  /** What it does, in a few words for operators. */
  readonly description: string;

  readonly timeout: Duration;

  /**
   * The whole of what the function is told; nothing is added to it.
   * @default - no variables
   */
  readonly environment?: Readonly<Record<string, string>>;

  /**
   * True where it leaves jobs in the queue that it works on, and by its own rules comes to an end with them. Otherwise
   * Lambda takes that for an endless loop and sets the jobs aside after some 16 rounds.
   * @default false
   * @see https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
   */
  readonly repeatsJobs?: boolean;
}

/**
 * The one way to make a Lambda function here: bundled whole into one ES module, with a log group of its own
 * and a role of its own that may write to that log group and nothing else. Grants are added by whoever owns
 * the resource's meaning, with the functions of `grants.ts`.
 */
export class ChatFunction extends Construct implements IGrantable {
  readonly function: Function;
  readonly logGroup: ILogGroup;
  readonly grantPrincipal: IPrincipal;

  constructor(scope: Construct, id: string, props: ChatFunctionProps) {
    super(scope, id);
    const { stage } = props;

    const logGroup = new LogGroup(this, "Logs", {
      retention: stage.logRetentionDays,
      removalPolicy: removalPolicyOf(stage.protection),
    });
    // A role of ours: the CDK's default brings AWSLambdaBasicExecutionRole, which may write to every log group
    // of the account.
    const role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    Grant.addToPrincipal({
      grantee: role,
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resourceArns: [logGroup.logGroupArn],
    }).assertSuccess();

    this.grantPrincipal = role;
    this.logGroup = logGroup;
    this.function = new Function(this, "Function", {
      code: handlerCode(props.handler),
      handler: "index.handler",
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: stage.lambdaMemoryMb,
      timeout: props.timeout,
      environment: { ...props.environment },
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      ...(props.repeatsJobs === true && { recursiveLoop: RecursiveLoop.ALLOW }),
    });
  }
}
