import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { APIGatewayProxyResultV2 } from "aws-lambda";
import { variable } from "./environment.ts";

const tableName = variable("TABLE_NAME");
const bucketName = variable("BUCKET_NAME");
const dynamo = new DynamoDBClient({ maxAttempts: 1 });
const bucket = new S3Client({ maxAttempts: 1 });

interface SocketEvent {
  readonly body?: string;
  readonly requestContext: {
    readonly routeKey: string;
    readonly connectionId: string;
    readonly authorizer?: { readonly userId?: string };
  };
}

/** Every Lambda route of the fixture. Unknown commands throw, as a bug would. */
export const handler = async (event: SocketEvent): Promise<APIGatewayProxyResultV2> => {
  const { routeKey, connectionId, authorizer } = event.requestContext;
  if (routeKey === "$connect") return { statusCode: 200 };
  const request = JSON.parse(event.body ?? "{}") as Record<string, string>;
  return {
    statusCode: 200,
    body: JSON.stringify({
      ...(await answer(request, connectionId)),
      userId: authorizer?.userId,
      requestId: request["requestId"],
    }),
  };
};

const answer = async (request: Record<string, string>, connectionId: string): Promise<object> => {
  const { id = "", text = "" } = request;
  const { command = "" } = request;
  switch (command) {
    case "echo":
      return { echo: text };
    case "silent":
      return { never: "seen" };
    case "store": {
      const Item = { id: { S: id }, text: { S: text }, connectionId: { S: connectionId } };
      await dynamo.send(new PutItemCommand({ TableName: tableName, Item }));
      return { stored: id };
    }
    case "read": {
      const found = await dynamo.send(new GetItemCommand({ TableName: tableName, Key: { id: { S: id } } }));
      return { read: found.Item?.["text"]?.S };
    }
    case "upload": {
      await bucket.send(new PutObjectCommand({ Bucket: bucketName, Key: id, Body: text }));
      const object = await bucket.send(new GetObjectCommand({ Bucket: bucketName, Key: id }));
      return { uploaded: await object.Body?.transformToString() };
    }
    case "environment":
      return { environment: process.env };
    default:
      throw new Error(`no command ${command}`);
  }
};
