import { Duration } from "aws-cdk-lib";
import { AttributeType, StreamViewType } from "aws-cdk-lib/aws-dynamodb";
import { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantTable } from "./grants.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface ConnectionsProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  /** `iss` of the tokens that are accepted. */
  readonly tokenIssuer: string;
  /** `aud` of the tokens that are accepted. */
  readonly tokenAudience: string;
  /** Where the issuer's keys are published. */
  readonly tokenJwksUrl: string;
}

/** The devices of each user and their live connections: who may connect, and one connection a device. */
export class Connections extends Construct {
  /** One item a user and device, with its connection while it has one; its stream tells of both coming and going. */
  readonly clients: ChatTable;

  constructor(scope: Construct, id: string, props: ConnectionsProps) {
    super(scope, id);
    const { stage, api } = props;
    this.clients = new ChatTable(this, "Clients", {
      stage,
      partitionKey: { name: "userId", type: AttributeType.STRING },
      sortKey: { name: "deviceId", type: AttributeType.STRING },
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      timeToLiveAttribute: "expiresAt",
    });

    const authorize = new ChatFunction(this, "Authorize", {
      stage,
      handler: "authorize",
      description: "Verifies the token of a new connection",
      timeout: Duration.seconds(10),
      environment: {
        TOKEN_ISSUER: props.tokenIssuer,
        TOKEN_AUDIENCE: props.tokenAudience,
        TOKEN_JWKS_URL: props.tokenJwksUrl,
      },
    });

    const connect = new ChatFunction(this, "Connect", {
      stage,
      handler: "connect",
      description: "Gives a device its new connection and closes the one that it replaces",
      timeout: Duration.seconds(15),
      environment: {
        CLIENTS_TABLE: this.clients.tableName,
        CALLBACK_URL: api.callbackUrl,
        DEVICES_PER_USER: String(stage.devicesPerUser),
      },
    });
    // A device that is not known is written, counted among the user's, and perhaps taken back.
    grantTable(connect, this.clients, "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem");
    api.grantConnections(connect, "POST", "DELETE");

    const disconnect = new ChatFunction(this, "Disconnect", {
      stage,
      handler: "disconnect",
      description: "Takes a closed connection from its device",
      timeout: Duration.seconds(10),
      environment: { CLIENTS_TABLE: this.clients.tableName },
    });
    grantTable(disconnect, this.clients, "UpdateItem");

    api.addConnectionRoutes(authorize, connect, disconnect);
  }
}
