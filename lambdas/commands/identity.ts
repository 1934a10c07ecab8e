import type { APIGatewayProxyWebsocketEventV2 } from "aws-lambda";

/** A WebSocket event of a connection that the authorizer let in. */
export type CommandEvent = APIGatewayProxyWebsocketEventV2 & {
  requestContext: { authorizer?: Record<string, unknown> };
};

/** [CON4] Who asks: taken from the verified token and the handshake alone. */
export interface Caller {
  readonly userId: string;
  readonly deviceId: string;
  readonly connectionId: string;
  /** Epoch seconds, [CON8]. */
  readonly tokenExpiresAt: number;
}

/** What the authorizer found, as API Gateway hands it to every route of the connection. */
export function identityOf(event: Pick<CommandEvent, "requestContext">): Caller {
  const { connectionId, authorizer } = event.requestContext;
  const userId = authorizer?.["userId"];
  const deviceId = authorizer?.["deviceId"];
  // API Gateway makes text of every value in an authorizer's context.
  const tokenExpiresAt = Number(authorizer?.["tokenExpiresAt"]);
  if (typeof userId !== "string" || typeof deviceId !== "string" || !Number.isFinite(tokenExpiresAt)) {
    throw new Error("the connection carries no verified identity");
  }
  return { userId, deviceId, connectionId, tokenExpiresAt };
}
