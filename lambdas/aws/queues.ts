import { randomUUID } from "node:crypto";
import { SendMessageBatchCommand, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { chunks } from "../chunks.ts";

/**
 * Sends bodies to a queue, ten a request. Throws unless every one was taken: the caller's own event is then
 * handed to it again, and what was taken goes out twice, which every consumer must bear.
 */
export async function sendAll(
  client: SQSClient,
  queueUrl: string,
  bodies: readonly object[],
  delaySec = 0,
): Promise<void> {
  await Promise.all(
    chunks(bodies, 10).map(async (batch) => {
      const answer = await client.send(
        new SendMessageBatchCommand({
          QueueUrl: queueUrl,
          Entries: batch.map((body, at) => ({
            Id: String(at),
            MessageBody: JSON.stringify(body),
            ...(delaySec > 0 && { DelaySeconds: delaySec }),
          })),
        }),
      );
      const refused = answer.Failed?.[0];
      if (refused) throw new Error(`${answer.Failed?.length} messages refused by the queue: ${refused.Code}`);
    }),
  );
}

/**
 * Sends a body to a FIFO queue, behind those of its group. SQS takes what XML can hold; the two characters that
 * JSON writes as they are and XML does not know are escaped.
 * @param deduplicationId a second body of the group with the same one, within five minutes, is dropped
 */
export async function sendInOrder(
  client: SQSClient,
  queueUrl: string,
  group: string,
  body: object,
  deduplicationId: string = randomUUID(),
): Promise<void> {
  const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16)}`;
  await client.send(
    new SendMessageCommand({
      QueueUrl: queueUrl,
      MessageGroupId: group,
      MessageDeduplicationId: deduplicationId,
      MessageBody: JSON.stringify(body).replace(/[\ufffe\uffff]/g, escape),
    }),
  );
}
