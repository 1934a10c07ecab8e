import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { settings } from "./clients.ts";

/** What the server may do to a connection: API Gateway's `@connections`. */
export interface Callbacks {
  /** Posts a frame. False when the connection is gone (410); other failures are thrown. */
  post(connectionId: string, frame: string): Promise<boolean>;
  /** Closes a connection; one that is gone already is closed. */
  close(connectionId: string): Promise<void>;
}

/** @param callbackUrl `https://{apiId}.execute-api.{region}.amazonaws.com/{stage}` */
export function createCallbacks(callbackUrl: string): Callbacks {
  const client = new ApiGatewayManagementApiClient({ ...settings, maxAttempts: 3, endpoint: callbackUrl });
  return {
    post: async (ConnectionId, Data) =>
      await unlessGone(client.send(new PostToConnectionCommand({ ConnectionId, Data }))),
    close: async (ConnectionId) => {
      await unlessGone(client.send(new DeleteConnectionCommand({ ConnectionId })));
    },
  };
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
