/** What differs between the stages. Everything else is the same in all of them, the local one included. */
import { RetentionDays } from "aws-cdk-lib/aws-logs";

/**
 * What happens to data when its stack, or its table alone, is deleted:
 * - `disposable`: it goes with the stack;
 * - `protected`: tables refuse deletion and can be restored to any second of the last 35 days; tables, bucket
 *   and logs stay when the stack goes.
 */
export type Protection = "disposable" | "protected";

/** The typed configuration of one stage. No account, region or resource name stands in it. */
export interface StageConfig {
  /** Lower-case letters and digits; part of the stack's name and the last part of the WebSocket URL. */
  readonly stageName: string;

  readonly protection: Protection;

  /** Days for which each function's log lines are kept. */
  readonly logRetentionDays: RetentionDays;

  /**
   * Days for which messages are kept, a whole number of at least 1.
   * @default - messages are kept for ever
   */
  readonly messageRetentionDays?: number;

  /** Memory of each function in MB; CPU comes in proportion to it (one full core at 1,769). */
  readonly lambdaMemoryMb: number;

  /**
   * Requests a second that each command takes of all clients together (`$connect` counts as one); what is over
   * it is answered `{"message":"Too Many Requests",…}` by the gateway, and the connection stays.
   *
   * API Gateway allows an account 10,000 requests a second in a region, and the posts by which messages are
   * pushed are taken from the same allowance (API Gateway quotas). A post that it refuses delays a message; a
   * refused request is sent again by its client. So each command takes a fifth at most: the two that come with
   * every message, `sendMessage` and `ack`, leave 6,000 a second to pushes however clients behave, and a loop in
   * one client's code starves nothing but its own command. An account with a raised quota raises this with it.
   */
  readonly requestsPerSec: number;

  /**
   * Requests of one command at once: how many may come together after a quiet moment. A fifth of the account's
   * burst of 5,000, for the same reason.
   */
  readonly requestBurst: number;

  /**
   * ARN of the SNS topic that alarms are sent to. It names an account, so it belongs to a deployment of your
   * own, not to the stages that this repository defines.
   * @default - alarms show in CloudWatch and call nobody
   */
  readonly alarmTopicArn?: string;

  /**
   * Origins of the web clients that may upload to and download from the media bucket, each as a browser sends
   * it (`https://chat.example.com`), with at most one `*`.
   * @default - no browser may; other clients are not concerned
   */
  readonly allowedOrigins?: readonly string[];

  /**
   * `iss` of the tokens that are accepted.
   * @default - the deployment must give the parameter TokenIssuer
   */
  readonly tokenIssuer?: string;

  /**
   * `aud` of the tokens that are accepted.
   * @default - the deployment must give the parameter TokenAudience
   */
  readonly tokenAudience?: string;

  /**
   * Where the keys of the token's issuer are published as a JWKS.
   * @default - the deployment must give the parameter TokenJwksUrl
   */
  readonly tokenJwksUrl?: string;
}

const stages: readonly StageConfig[] = [
  {
    stageName: "dev",
    protection: "disposable",
    logRetentionDays: RetentionDays.ONE_WEEK,
    lambdaMemoryMb: 512,
    requestsPerSec: 2_000,
    requestBurst: 1_000,
    allowedOrigins: ["http://localhost:*", "http://127.0.0.1:*"],
  },
  {
    stageName: "prod",
    protection: "protected",
    logRetentionDays: RetentionDays.THREE_MONTHS,
    lambdaMemoryMb: 512,
    requestsPerSec: 2_000,
    requestBurst: 1_000,
  },
];

/** The stage that is synthesized when none is named. */
export const defaultStageName = "dev";

/** The configuration of a stage. Throws with the names of the known stages when there is none of that name. */
export function stageConfig(stageName: string): StageConfig {
  const found = stages.find((stage) => stage.stageName === stageName);
  if (found === undefined) {
    const known = stages.map((stage) => stage.stageName).join(", ");
    throw new Error(
      `unknown stage "${stageName}": the stages are ${known} (cdk synth -c stage=${defaultStageName})`,
    );
  }
  return found;
}
