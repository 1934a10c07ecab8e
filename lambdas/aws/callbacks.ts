import {
  type ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

/** Posts a frame to a connection. False when the connection is gone (410); other failures are thrown. */
export async function post(
  client: ApiGatewayManagementApiClient,
  connectionId: string,
  frame: string,
): Promise<boolean> {
  return await unlessGone(
    client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: frame })),
  );
}

/** Closes a connection; one that is gone already is closed. */
export async function close(client: ApiGatewayManagementApiClient, connectionId: string): Promise<void> {
  await unlessGone(client.send(new DeleteConnectionCommand({ ConnectionId: connectionId })));
}

async function unlessGone(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof GoneException) return false;
    throw error;
  }
}
