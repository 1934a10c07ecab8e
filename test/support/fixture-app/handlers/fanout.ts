import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { variable } from "./environment.ts";

const queueUrl = variable("QUEUE_URL");
const queues = new SQSClient({ maxAttempts: 1 });

/** Makes a job of every new item. */
export const handler = async (event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> => {
  for (const record of event.Records) {
    const { text, connectionId } = record.dynamodb?.NewImage ?? {};
    const body = JSON.stringify({ text: text?.S, connectionId: connectionId?.S });
    await queues.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body }));
  }
  return { batchItemFailures: [] };
};
