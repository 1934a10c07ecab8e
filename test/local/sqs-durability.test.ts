import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { InvokeResult, JsonObject, JsonValue, Mapping } from "../../local/contracts.ts";
import { startQueueMapping } from "../../local/mappings/queue-mapping.ts";
import type { Queues } from "../../local/sqs/queues.ts";
import { eventually } from "../support/eventually.ts";
import { ACCOUNT, arnOf, serveQueues, type Served } from "./sqs-support.ts";

let dataDir = "";
const open: Served[] = [];
const mappings: Mapping[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "queues-"));
});
afterEach(async () => {
  await Promise.all(mappings.splice(0).map(async (mapping) => await mapping.stop()));
  await Promise.all(open.splice(0).map(async (served) => await served.close()));
  await rm(dataDir, { recursive: true, force: true });
});

async function serve(withData = true): Promise<Served> {
  const served = await serveQueues(withData ? { dataDir } : {});
  open.push(served);
  return served;
}
async function close(served: Served): Promise<void> {
  open.splice(open.indexOf(served), 1);
  await served.close();
}

const urlOf = (name: string) => `http://any/${ACCOUNT}/${name}`;
const receive = async (queues: Queues, name: string, WaitTimeSeconds = 0) => {
  const input = { QueueUrl: urlOf(name), MaxNumberOfMessages: 10, WaitTimeSeconds, AttributeNames: ["All"] };
  const { Messages = [] } = (await queues.call("ReceiveMessage", input)) as { Messages?: JsonObject[] };
  return Messages;
};
const bodiesOf = (messages: readonly JsonObject[]) => messages.map((message) => message["Body"]);
const send = async (queues: Queues, name: string, MessageBody: string, input: JsonObject = {}) =>
  await queues.call("SendMessage", { QueueUrl: urlOf(name), MessageBody, ...input });
const createAll = (queues: Queues) => {
  queues.createQueue({ QueueName: "dead" });
  queues.createQueue({
    QueueName: "jobs",
    VisibilityTimeout: 1,
    RedrivePolicy: { deadLetterTargetArn: arnOf("dead"), maxReceiveCount: 1 },
  });
  queues.createQueue({ QueueName: "ordered.fifo", FifoQueue: true, ContentBasedDeduplication: true });
};

describe("queues on disk", () => {
  test("outlive a kill -9: waiting and in-flight messages, deletions, deduplication", async () => {
    const doomed = fork(join(import.meta.dirname, "sqs-doomed.ts"), [dataDir], { stdio: "inherit" });
    await once(doomed, "message");
    doomed.kill("SIGKILL");
    await once(doomed, "exit");

    const { queues } = await serve();
    createAll(queues);
    // Both were received once before: what was given back moves at the next receive, what was in flight when
    // its visibility timeout is over.
    expect(bodiesOf(await receive(queues, "jobs", 2))).toEqual([]);
    const dead = await receive(queues, "dead");
    expect(new Set(bodiesOf(dead))).toEqual(new Set(["in flight", "waiting 🎉"]));
    await send(queues, "ordered.fifo", "one", { MessageGroupId: "g" });
    expect(bodiesOf(await receive(queues, "ordered.fifo"))).toEqual(["one", "two"]);
  });

  test("a message that waited in flight over a restart is not handed out before its time", async () => {
    const first = await serve();
    first.queues.createQueue({ QueueName: "slow", VisibilityTimeout: 600 });
    await send(first.queues, "slow", "held");
    const [held] = await receive(first.queues, "slow");
    await send(first.queues, "slow", "free");
    await close(first);

    const { queues } = await serve();
    queues.createQueue({ QueueName: "slow", VisibilityTimeout: 600 });
    expect(bodiesOf(await receive(queues, "slow"))).toEqual(["free"]);
    // Its receiver may still delete it.
    await queues.call("DeleteMessage", {
      QueueUrl: urlOf("slow"),
      ReceiptHandle: held?.["ReceiptHandle"] ?? "",
    });
    const { Attributes } = await queues.call("GetQueueAttributes", {
      QueueUrl: urlOf("slow"),
      AttributeNames: ["ApproximateNumberOfMessagesNotVisible"],
    });
    expect(Attributes).toEqual({ ApproximateNumberOfMessagesNotVisible: "1" });
  });

  test("the journal does not grow with what has passed through, and is right after it was rewritten", async () => {
    const first = await serve();
    createAll(first.queues);
    first.queues.createQueue({ QueueName: "plain" });
    await send(first.queues, "plain", "kept");
    await send(first.queues, "ordered.fifo", "gone", { MessageGroupId: "g" });
    const [gone] = await receive(first.queues, "ordered.fifo");
    await first.queues.call("DeleteMessage", {
      QueueUrl: urlOf("ordered.fifo"),
      ReceiptHandle: gone?.["ReceiptHandle"] ?? "",
    });
    for (let index = 0; index < 40; index += 1) {
      await send(first.queues, "dead", "x".repeat(1_000_000));
      const [message] = await receive(first.queues, "dead");
      await first.queues.call("DeleteMessage", {
        QueueUrl: urlOf("dead"),
        ReceiptHandle: message?.["ReceiptHandle"] ?? "",
      });
    }
    const files = await readdir(join(dataDir, "sqs"));
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(dataDir, "sqs", file))).size));
    expect(Math.max(...sizes)).toBeLessThan(11_000_000);
    await close(first);

    const { queues } = await serve();
    createAll(queues);
    queues.createQueue({ QueueName: "plain" });
    await send(queues, "ordered.fifo", "gone", { MessageGroupId: "g" });
    expect(await receive(queues, "ordered.fifo")).toEqual([]);
    expect(bodiesOf(await receive(queues, "plain"))).toEqual(["kept"]);
    expect(await receive(queues, "dead")).toEqual([]);
  });

  test("dead letters outlive a restart in the queue they moved to", async () => {
    const first = await serve();
    createAll(first.queues);
    await send(first.queues, "jobs", "poison");
    await first.queues.call("ReceiveMessage", { QueueUrl: urlOf("jobs"), VisibilityTimeout: 0 });
    await eventually(async () => {
      expect(await receive(first.queues, "jobs")).toEqual([]);
      expect(await receive(first.queues, "dead")).toHaveLength(1);
    });
    await close(first);

    const { queues } = await serve();
    createAll(queues);
    const QueueUrl = urlOf("dead");
    const AttributeNames = ["ApproximateNumberOfMessagesNotVisible"];
    const { Attributes } = await queues.call("GetQueueAttributes", { QueueUrl, AttributeNames });
    expect(Attributes).toEqual({ ApproximateNumberOfMessagesNotVisible: "1" });
    expect(await receive(queues, "jobs")).toEqual([]);
  });

  test("two processes do not share a data folder", async () => {
    await serve();
    await expect(serve()).rejects.toThrow(/in use/);
  });
});

describe("queues under event source mappings", () => {
  const start = (
    queues: Queues,
    name: string,
    invoke: (bodies: string[]) => InvokeResult | Promise<InvokeResult>,
  ): Mapping => {
    const mapping = startQueueMapping(
      {
        id: name,
        functionName: "worker",
        queueArn: arnOf(name),
        batchSize: 10,
        windowSec: 0,
        filters: [],
        reportBatchItemFailures: true,
      },
      {
        queues: queues.access,
        invoke: async (_name, event: JsonValue) =>
          await invoke(
            (event as unknown as { Records: { body: string }[] }).Records.map((record) => record.body),
          ),
        clock: Date.now,
        onLog: () => {},
      },
    );
    mappings.push(mapping);
    return mapping;
  };
  const success: InvokeResult = { ok: true, payload: null };
  const failure: InvokeResult = { ok: false, error: { errorType: "Error", errorMessage: "boom" } };

  test("a message reaches the function at once, without a polling delay", async () => {
    const { queues } = await serve();
    createAll(queues);
    const bodies: string[] = [];
    const mapping = start(queues, "dead", (batch) => {
      bodies.push(...batch);
      return success;
    });
    await mapping.idle();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    for (const body of ["one", "two", "three"]) {
      await send(queues, "dead", body);
      await vi.advanceTimersByTimeAsync(0);
      expect(bodies.at(-1)).toBe(body);
    }
  });

  test("a failing message is tried again after its visibility timeout, then becomes a dead letter", async () => {
    const { queues } = await serve(false);
    createAll(queues);
    let calls = 0;
    start(queues, "jobs", () => {
      calls += 1;
      return failure;
    });
    await send(queues, "jobs", "poison");
    await eventually(async () => expect(bodiesOf(await receive(queues, "dead"))).toEqual(["poison"]));
    expect(calls).toBe(1);
  });

  test("the messages of each group of a FIFO queue reach the function in order, groups at once", async () => {
    const { queues } = await serve(false);
    createAll(queues);
    const seen: string[] = [];
    let running = 0;
    const together = Promise.withResolvers<void>();
    const mapping = start(queues, "ordered.fifo", async (bodies) => {
      running += 1;
      if (running > 1) together.resolve();
      await together.promise;
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(...bodies);
      running -= 1;
      return success;
    });
    for (let index = 0; index < 200; index += 1) {
      await send(queues, "ordered.fifo", String(index), { MessageGroupId: `g${index % 7}` });
    }
    await eventually(() => expect(seen).toHaveLength(200));
    await mapping.idle();
    for (let group = 0; group < 7; group += 1) {
      const ofGroup = seen.map(Number).filter((index) => index % 7 === group);
      expect(ofGroup).toEqual([...ofGroup].sort((a, b) => a - b));
    }
  });
});
