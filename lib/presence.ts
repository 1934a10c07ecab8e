import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { type ChatLog, changeRate } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantTable } from "./grants.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface PresenceProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
}

/**
 * Who watches whom, and what users show of themselves: commands watchPresence, getPrivacy and setPrivacy. Watchers are told of
 * what comes and goes by those who follow the devices' stream (devices.ts).
 */
export class Presence extends ChatFunction {
  constructor(scope: Construct, id: string, { stage, api, chatLog, clients }: PresenceProps) {
    super(scope, id, {
      stage,
      handler: "presence",
      description: "Keeps whom a connection watches and what a user shows, and tells who is online",
      timeout: Duration.seconds(15),
      environment: {
        CLIENTS_TABLE: clients.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        ...changeRate(stage),
      },
    });
    // Blocks and privacy; devices; the user's rate; the connection's list of watches and the pointers to it.
    grantTable(this, clients, "BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem");
    // Contacts: those with whom a direct chat exists.
    grantTable(this, chatLog.chats, "BatchGetItem");

    api.addCommand("watchPresence", this);
    api.addCommand("getPrivacy", this);
    api.addCommand("setPrivacy", this);
  }
}
