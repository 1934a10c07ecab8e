/** Tells of the requests to SQS that a cloud would bill, the pollers' among them. */
import type { JsonObject, JsonValue } from "../contracts.ts";
import type { Queues } from "../sqs/queues.ts";
import type { OnUsage } from "../usage.ts";

/** Entries that a batch request holds at most. */
const batchEntries = 10;

/** The same two ways into the queues, telling of each request that was answered. */
export const meteredQueues = (
  { access, call }: Pick<Queues, "access" | "call">,
  onUsage: OnUsage,
): Pick<Queues, "access" | "call"> => {
  const tell = (operation: string, bytes = 0): void => onUsage({ service: "sqs", operation, bytes });
  const tellBatches = (operation: string, entries: readonly unknown[]): void => {
    for (let at = 0; at < entries.length; at += batchEntries) tell(operation);
  };
  return {
    call: async (operation, input, signal) => {
      const answer = await call(operation, input, signal);
      tell(operation, bytesIn([input, input["Entries"], answer["Messages"]].flat()));
      return answer;
    },
    access: {
      receive: async (queueArn, max, signal) => {
        const messages = await access.receive(queueArn, max, signal);
        if (messages.length > 0) tell("ReceiveMessage", bytesIn(messages.map((message) => ({ ...message }))));
        return messages;
      },
      remove: async (queueArn, receiptHandles) => {
        await access.remove(queueArn, receiptHandles);
        tellBatches("DeleteMessageBatch", receiptHandles);
      },
      release: async (queueArn, receiptHandles, afterSec) => {
        await access.release(queueArn, receiptHandles, afterSec);
        tellBatches("ChangeMessageVisibilityBatch", receiptHandles);
      },
      send: async (queueArn, body) => {
        await access.send(queueArn, body);
        tell("SendMessage", Buffer.byteLength(body));
      },
    },
  };
};

/** Of the bodies and attributes of messages; other members have no size that is billed. */
const bytesIn = (messages: readonly unknown[]): number =>
  messages.reduce<number>((sum, message) => {
    if (typeof message !== "object" || message === null) return sum;
    const { Body, MessageBody, MessageAttributes } = message as JsonObject;
    return sum + textBytes(Body) + textBytes(MessageBody) + attributeBytes(MessageAttributes);
  }, 0);

const textBytes = (value: JsonValue | undefined): number =>
  typeof value === "string" ? Buffer.byteLength(value) : 0;

const attributeBytes = (attributes: JsonValue | undefined): number =>
  typeof attributes === "object" && attributes !== null && Object.keys(attributes).length > 0
    ? Buffer.byteLength(JSON.stringify(attributes))
    : 0;
