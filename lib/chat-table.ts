import { RemovalPolicy } from "aws-cdk-lib";
import { type Attribute, BillingMode, type StreamViewType, Table } from "aws-cdk-lib/aws-dynamodb";
import type { Construct } from "constructs";
import type { Protection, StageConfig } from "./config.ts";

export interface ChatTableProps {
  readonly stage: StageConfig;
  readonly partitionKey: Attribute;

  /** @default - one item a partition key */
  readonly sortKey?: Attribute;

  /** @default - no stream */
  readonly stream?: StreamViewType;

  /**
   * Attribute with the epoch second after which DynamoDB deletes an item, up to days late.
   * @default - items stay
   */
  readonly timeToLiveAttribute?: string;
}

/** What CloudFormation does with the state of a stage when it leaves the stack. */
export const removalPolicyOf = (protection: Protection): RemovalPolicy =>
  protection === "protected" ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;

/**
 * A table paid by the request, so idle costs nothing, protected as its stage asks. Encrypted with DynamoDB's
 * own key, which is always on and has no price a call.
 *
 * `Table` and not `TableV2`: that one makes an AWS::DynamoDB::GlobalTable, whose replicas nobody asked for and
 * which cannot be turned back into a plain table.
 */
export class ChatTable extends Table {
  constructor(scope: Construct, id: string, props: ChatTableProps) {
    const { stage, ...keys } = props;
    const isProtected = stage.protection === "protected";
    super(scope, id, {
      ...keys,
      billingMode: BillingMode.PAY_PER_REQUEST,
      deletionProtection: isProtected,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: isProtected },
      removalPolicy: removalPolicyOf(stage.protection),
    });
  }

  /** ARN of the table's stream. Throws when it has none. */
  get streamArn(): string {
    const arn = this.tableStreamArn;
    if (arn === undefined) throw new Error(`table ${this.node.path} has no stream`);
    return arn;
  }
}
