import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantTable } from "./grants.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface ChatStateProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
}

/** A user's own view of a chat, the same on all of the user's devices: commands setChatState and markRead. */
export class ChatState extends ChatFunction {
  constructor(scope: Construct, id: string, { stage, api, chatLog, clients }: ChatStateProps) {
    super(scope, id, {
      stage,
      handler: "chat-state",
      description: "Keeps how a user sees a chat and how far the user has read it",
      timeout: Duration.seconds(15),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        CALLBACK_URL: api.callbackUrl,
      },
    });
    grantTable(this, chatLog.messages, "BatchGetItem", "Query");
    grantTable(this, chatLog.chats, "GetItem");
    grantTable(this, chatLog.participants, "GetItem", "UpdateItem");
    // The user's other devices are told at once.
    grantTable(this, clients, "Query");
    api.grantConnections(this, "POST");

    api.addCommand("setChatState", this);
    api.addCommand("markRead", this);
  }
}
