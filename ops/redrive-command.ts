/** `npm run redrive`: sends again all that lies in a deployment's dead-letter and failure queues. */
import { parseArgs } from "node:util";
import { SQSClient } from "@aws-sdk/client-sqs";
import { moveBack, type RedriveOptions } from "./dead-letters.ts";
import { type Connection, connectionTo, type Outputs, readOutputs, UsageError } from "./outputs.ts";
import { type QueueReport, tableOf } from "./report.ts";
import { sendFailuresAgain } from "./stream-failures.ts";
import { StreamsClient, streamsEndpoint } from "./streams-client.ts";

const usage = `usage: npm run redrive -- [options]
Sends again all that lies in the dead-letter and failure queues of a deployment.
  --outputs FILE   its outputs, as "npm start" or "cdk deploy --outputs-file" wrote them or
                   "aws cloudformation describe-stacks" printed them (default .local/outputs.json)
  --stack NAME     the stack, where FILE has several
  --queue NAME     this queue alone, by its output: DeliveryDeadLetterQueue
  --dry-run        only tell what lies there
  --help
Exit code 0: nothing is left in them; 1: something is, or a call failed; 2: wrong options or outputs.`;

export const exitCodes = { nothingLeft: 0, somethingLeft: 1, usage: 2 } as const;

/** Where the command writes; texts without a newline at their end. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
}

interface Arguments {
  readonly outputs: string;
  readonly stack: string | undefined;
  readonly queue: string | undefined;
  readonly dryRun: boolean;
  readonly help: boolean;
}

function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        outputs: { type: "string", default: ".local/outputs.json" },
        stack: { type: "string" },
        queue: { type: "string" },
        "dry-run": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const { outputs, stack, queue, help } = values;
    return { outputs, stack, queue, help, dryRun: values["dry-run"] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // The parser's second sentence is advice on positional arguments.
    throw new UsageError(`${message.split(". ")[0] ?? ""} (see npm run redrive -- --help)`);
  }
}

interface QueueToRedrive {
  /** The output's key without `Url`. */
  readonly name: string;
  readonly url: string;
  readonly kind: "dead letters" | "stream failures";
}

/** The queues among the outputs, known by the end of their names; in the order in which their messages travel. */
function queuesOf(outputs: Outputs, only: string | undefined): QueueToRedrive[] {
  const all = Object.entries(outputs).flatMap(([key, url]): QueueToRedrive[] => {
    const name = key.replace(/Url$/, "");
    if (name.endsWith("FailureQueue")) return [{ name, url, kind: "stream failures" }];
    return name.endsWith("DeadLetterQueue") ? [{ name, url, kind: "dead letters" }] : [];
  });
  const ordered = all.toSorted(
    (a, b) => Number(a.kind === "dead letters") - Number(b.kind === "dead letters"),
  );
  if (only === undefined) return ordered;
  const found = ordered.filter(({ name }) => name === only.replace(/Url$/, ""));
  if (found.length > 0) return found;
  const names = ordered.map(({ name }) => name).join(", ");
  throw new UsageError(`no queue ${only}: the queues are ${names}`);
}

/** Where entries of a log go that are to be told again. */
const retryQueueOf = (outputs: Outputs): string | undefined =>
  Object.entries(outputs).find(([key]) => /Retr(y|ies)QueueUrl$/.test(key))?.[1];

/** Runs the command; never rejects. Resolves with the exit code. */
export async function redrive(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const parsed = readArguments(args);
    if (parsed.help) {
      terminal.out(usage);
      return exitCodes.nothingLeft;
    }
    const outputs = readOutputs(parsed.outputs, parsed.stack);
    const queues = queuesOf(outputs, parsed.queue);
    if (queues.length === 0) throw new UsageError(`${parsed.outputs} names no dead-letter or failure queue`);
    const reports = await redriveAll(queues, outputs, connectionTo(outputs, parsed.outputs), {
      dryRun: parsed.dryRun,
      onProgress: (line) => terminal.error(line),
    });
    terminal.out(tableOf(reports));
    return reports.some(({ left }) => left !== 0) ? exitCodes.somethingLeft : exitCodes.nothingLeft;
  } catch (error) {
    terminal.error(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError ? exitCodes.usage : exitCodes.somethingLeft;
  }
}

async function redriveAll(
  queues: readonly QueueToRedrive[],
  outputs: Outputs,
  connection: Connection,
  options: RedriveOptions,
): Promise<QueueReport[]> {
  const sqs = new SQSClient(connection);
  const streams = new Map<string, StreamsClient>();
  const streamsOf = (streamArn: string): StreamsClient => {
    const endpoint = connection.endpoint ?? streamsEndpoint(streamArn);
    const known = streams.get(endpoint) ?? new StreamsClient({ ...connection, endpoint });
    streams.set(endpoint, known);
    return known;
  };
  const parts = {
    sqs,
    streamsOf,
    retryQueueUrl: retryQueueOf(outputs),
    attachmentQueueUrl: outputs["AttachmentJobsQueueUrl"],
  };
  const reports: QueueReport[] = [];
  try {
    for (const { name, url, kind } of queues) {
      try {
        reports.push(
          kind === "dead letters"
            ? await moveBack(sqs, name, url, options)
            : await sendFailuresAgain(parts, name, url, options),
        );
      } catch (error) {
        // One queue that cannot be worked on keeps none of the others.
        const note = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        reports.push({ queue: name, found: undefined, sentAgain: 0, left: undefined, note });
      }
    }
    return reports;
  } finally {
    for (const client of [sqs, ...streams.values()]) client.destroy();
  }
}
