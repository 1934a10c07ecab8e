import { SendMessageBatchCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { chunks } from "../chunks.ts";

/**
 * Sends bodies to a queue, ten a request. Throws unless every one was taken: the caller's own event is then
 * handed to it again, and what was taken goes out twice, which every consumer must bear.
 */
export async function sendAll(client: SQSClient, queueUrl: string, bodies: readonly object[]): Promise<void> {
  await Promise.all(
    chunks(bodies, 10).map(async (batch) => {
      const answer = await client.send(
        new SendMessageBatchCommand({
          QueueUrl: queueUrl,
          Entries: batch.map((body, at) => ({ Id: String(at), MessageBody: JSON.stringify(body) })),
        }),
      );
      const refused = answer.Failed?.[0];
      if (refused) throw new Error(`${answer.Failed?.length} messages refused by the queue: ${refused.Code}`);
    }),
  );
}
