/** What a stage costs in a month in which nobody chats, by its template. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { prices } from "./prices.ts";
import { fixed, type Section, table } from "./report.ts";

/**
 * SQS requests a month by which Lambda asks an empty queue: five long polls of 20 seconds at once, for 30 days.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
const pollsAMonth = (5 * 30 * 86_400) / 20;

/** A part of CloudFormation's template, as far as idling goes. */
export interface Template {
  readonly Resources: Readonly<
    Record<string, { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> }>
  >;
}

/** What idles: by how much of each a month is billed. */
export interface Idle {
  readonly standardQueues: number;
  readonly fifoQueues: number;
  readonly alarms: number;
}

/** Counts the queues that a mapping polls, and the alarms. Streams are read for nothing, tables are on demand. */
export function idleOf({ Resources }: Template): Idle {
  const of = (type: string) => Object.values(Resources).filter(({ Type }) => Type === type);
  const fifo = new Set(
    Object.entries(Resources)
      .filter(([, { Type, Properties }]) => Type === "AWS::SQS::Queue" && Properties?.["FifoQueue"] === true)
      .map(([id]) => id),
  );
  const polled = of("AWS::Lambda::EventSourceMapping")
    .map(({ Properties }) => queueIn(Properties?.["EventSourceArn"]))
    .filter((id) => id !== undefined && Resources[id]?.Type === "AWS::SQS::Queue");
  const fifoQueues = polled.filter((id) => id !== undefined && fifo.has(id)).length;
  return {
    standardQueues: polled.length - fifoQueues,
    fifoQueues,
    alarms: of("AWS::CloudWatch::Alarm").length,
  };
}

const queueIn = (arn: unknown): string | undefined => {
  if (typeof arn !== "object" || arn === null || !("Fn::GetAtt" in arn)) return undefined;
  const { "Fn::GetAtt": named } = arn;
  return Array.isArray(named) && typeof named[0] === "string" ? named[0] : undefined;
};

/** Dollars a month beyond the free tier. */
export const idleDollars = ({ standardQueues, fifoQueues, alarms }: Idle): number =>
  pollsAMonth * (standardQueues * prices.queueRequest + fifoQueues * prices.fifoQueueRequest) +
  alarms * prices.alarmMonth;

export function idleSection(assemblyDir: string): Section {
  const rows = readdirSync(assemblyDir)
    .filter((name) => name.endsWith(".template.json"))
    .map((name) => {
      const idle = idleOf(JSON.parse(readFileSync(join(assemblyDir, name), "utf8")) as Template);
      return [
        name.replace(".template.json", ""),
        String(idle.standardQueues),
        String(idle.fifoQueues),
        String(idle.alarms),
        fixed(idleDollars(idle), 2),
      ];
    });
  return {
    title: "Idle",
    parts: [
      `A month in which nobody chats. Lambda asks each queue ${pollsAMonth.toLocaleString("en")} times; streams are read for nothing; tables are billed by request. What is stored comes on top. An account's free tier takes a million of these requests and ten alarms.`,
      table(["stack", "queues polled", "FIFO queues polled", "alarms", "$ a month"], rows),
    ],
  };
}
