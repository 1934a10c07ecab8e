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
   * Members of the largest chats whose messages the sending function itself brings to their connections; those of
   * larger ones go by the log's stream. 0: all go by the stream. Measured: docs/benchmarks.md, "Lanes".
   */
  readonly directLaneMembers: number;

  /**
   * Slots of a chat's log that a send may lose to others before its message is left to the chat's combined
   * append. 0: nothing is combined. Measured: docs/benchmarks.md, "Hot chats".
   */
  readonly combineAfter: number;

  /** Messages that a user may send at once, and a second after that: [SND6]. */
  readonly sendBurst: number;
  readonly sendsPerSec: number;

  /**
   * Changes of chats and messages, new chats and uploads that a user may make at once, and a second after that: [SND6]. At
   * once so many that an admin may fill a group.
   */
  readonly changeBurst: number;
  readonly changesPerSec: number;

  /**
   * Devices that a user may have at once: [CON6]. One that connects although there are as many is refused; lowering
   * the number takes no device away.
   */
  readonly devicesPerUser: number;

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
   * True where an attachment can be downloaded only when it has been scanned: [MED5]. The account's GuardDuty
   * Malware Protection for S3, or another scanner that writes the same tag, must be set up for the bucket, prefix
   * `attachments/`, with tagging; as long as it is not, nothing can be downloaded.
   * @default false
   */
  readonly scanAttachments?: boolean;

  /**
   * Days after which an attachment goes to S3's Standard-IA: half the price to keep, more to download, none below
   * 128 KB. A whole number of at least 30, S3's own limit.
   * @default - attachments stay in the class Standard
   */
  readonly mediaColdAfterDays?: number;

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

const sending = {
  directLaneMembers: 16,
  combineAfter: 2,
  sendBurst: 60,
  sendsPerSec: 10,
  changeBurst: 300,
  changesPerSec: 10,
};
const devicesPerUser = 5;

const stages: readonly StageConfig[] = [
  {
    stageName: "dev",
    protection: "disposable",
    logRetentionDays: RetentionDays.ONE_WEEK,
    lambdaMemoryMb: 512,
    ...sending,
    devicesPerUser,
    requestsPerSec: 2_000,
    requestBurst: 1_000,
    allowedOrigins: ["http://localhost:*", "http://127.0.0.1:*"],
  },
  {
    stageName: "prod",
    protection: "protected",
    logRetentionDays: RetentionDays.THREE_MONTHS,
    lambdaMemoryMb: 512,
    ...sending,
    devicesPerUser,
    requestsPerSec: 2_000,
    requestBurst: 1_000,
  },
];

/** What a deployment may set by context (`-c name=value`) without a stage of its own: numbers, and what is true or false. */
const settable = [
  "directLaneMembers",
  "combineAfter",
  "sendBurst",
  "sendsPerSec",
  "changeBurst",
  "changesPerSec",
  "devicesPerUser",
  "mediaColdAfterDays",
] as const;
const settableFlags = ["scanAttachments"] as const;

/** The stage with what the context sets. Throws with the name of a value that does not fit. */
export function withContext(stage: StageConfig, valueOf: (name: string) => unknown): StageConfig {
  const set = settable.flatMap((name) => {
    const value = valueOf(name);
    if (value === undefined) return [];
    // A number where cdk.json sets it, text where the command line does.
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (!/^\d{1,9}$/.test(text)) throw new Error(`context ${name} must be a whole number, not ${text}`);
    return [[name, Number(text)]];
  });
  const flags = settableFlags.flatMap((name) => {
    const value = valueOf(name);
    if (value === undefined) return [];
    // True where cdk.json sets it, text where the command line does.
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (text !== "true" && text !== "false")
      throw new Error(`context ${name} must be true or false, not ${text}`);
    return [[name, text === "true"]];
  });
  return { ...stage, ...Object.fromEntries([...set, ...flags]) };
}

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
