import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";
import { settings } from "./clients.ts";

/** What the server may do to a connection: API Gateway's `@connections`. */
export interface Callbacks {
  /** Posts a frame. False when the connection is gone (410); other failures, and the signal's end, are thrown. */
  post(connectionId: string, frame: string, signal?: AbortSignal): Promise<boolean>;
  /** Whether a connection is open. */
  isOpen(connectionId: string): Promise<boolean>;
  /** Closes a connection; one that is gone already is closed. */
  close(connectionId: string): Promise<void>;
}

/** @param callbackUrl `https://{apiId}.execute-api.{region}.amazonaws.com/{stage}` */
export function createCallbacks(callbackUrl: string, { maxAttempts } = { maxAttempts: 3 }): Callbacks {
  const client = new ApiGatewayManagementApiClient({ ...settings, maxAttempts, endpoint: callbackUrl });
  return {
    post: async (ConnectionId, Data, abortSignal) =>
      await unlessGone(
        client.send(
          new PostToConnectionCommand({ ConnectionId, Data }),
          abortSignal === undefined ? {} : { abortSignal },
        ),
      ),
    isOpen: async (ConnectionId) => await unlessGone(client.send(new GetConnectionCommand({ ConnectionId }))),
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
