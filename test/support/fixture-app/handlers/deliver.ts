import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { variable } from "./environment.ts";

const callback = new ApiGatewayManagementApiClient({ endpoint: variable("CALLBACK_URL"), maxAttempts: 1 });

/** Tells the connection that stored an item that the item came all the way round. */
export const handler = async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const batchItemFailures: { itemIdentifier: string }[] = [];
  for (const record of event.Records) {
    const { text, connectionId } = JSON.parse(record.body) as { text: string; connectionId: string };
    try {
      const Data = JSON.stringify({ delivered: text });
      await callback.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data }));
    } catch (error) {
      console.error(JSON.stringify({ message: "not delivered", reason: String(error) }));
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
};
