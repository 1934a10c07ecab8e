/** The process environment of a function: the template's variables and what Lambda itself sets. */
import type { FunctionSpec } from "../contracts.ts";
import type { Credentials } from "../front/principals.ts";
import type { DescribedFunction } from "../template/describe-functions.ts";

export interface EnvironmentOptions {
  readonly region: string;
  /** Where the function's AWS SDK finds all services. */
  readonly endpoint: string;
  readonly credentials: Credentials;
  /** Turns a cloud address in a value into the local one. */
  readonly localize: (text: string) => string;
}

/** What nodejs24.x sets (AWS Lambda developer guide, "Defined runtime environment variables"). */
const lambdaVariables = (of: DescribedFunction, options: EnvironmentOptions): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: options.credentials.accessKeyId,
  AWS_DEFAULT_REGION: options.region,
  AWS_ENDPOINT_URL: options.endpoint,
  AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(of.memoryMb),
  AWS_LAMBDA_FUNCTION_NAME: of.functionName,
  AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
  AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
  AWS_LAMBDA_LOG_FORMAT: of.logsJson ? "JSON" : "Text",
  AWS_LAMBDA_LOG_GROUP_NAME: of.logGroupName,
  AWS_LAMBDA_LOG_STREAM_NAME: "local",
  AWS_REGION: options.region,
  AWS_SECRET_ACCESS_KEY: options.credentials.secretAccessKey,
  AWS_SESSION_TOKEN: options.credentials.sessionToken,
  LAMBDA_TASK_ROOT: of.codeFolder,
  LANG: "en_US.UTF-8",
  TZ: ":UTC",
  _HANDLER: of.handler,
});

/**
 * The function as the runtime takes it.
 * Throws, as AWS refuses it, for a variable that Lambda sets itself.
 */
export const functionSpec = (of: DescribedFunction, options: EnvironmentOptions): FunctionSpec => {
  const own = lambdaVariables(of, options);
  const reserved = Object.keys(of.variables).find(
    (name) => Object.hasOwn(own, name) && name.startsWith("AWS_"),
  );
  if (reserved !== undefined) {
    throw new Error(
      `AWS::Lambda::Function (${of.logicalId}): ${reserved} is a variable that Lambda sets itself`,
    );
  }
  const variables = Object.entries(of.variables).map(([name, value]) => [name, options.localize(value)]);
  return {
    functionName: of.functionName,
    arn: of.arn,
    codeFolder: of.codeFolder,
    handler: of.handler,
    timeoutSec: of.timeoutSec,
    memoryMb: of.memoryMb,
    environment: { ...own, ...Object.fromEntries(variables) },
    ...(of.reservedConcurrency !== undefined && { reservedConcurrency: of.reservedConcurrency }),
  };
};
