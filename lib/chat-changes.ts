import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { type ChatLog, changeRate, retention } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantTable } from "./grants.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface ChatChangesProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
}

/**
 * What the members of a chat must agree on, each an entry of its log: who they are, its name and timer, and what is
 * done to a message after it was sent.
 */
export class ChatChanges extends ChatFunction {
  constructor(scope: Construct, id: string, { stage, api, chatLog, clients }: ChatChangesProps) {
    super(scope, id, {
      stage,
      handler: "change-chat",
      description: "Changes a chat or a message of it, by an entry of the chat's log",
      timeout: Duration.seconds(20),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        DIRECT_LANE_MEMBERS: String(stage.directLaneMembers),
        ...changeRate(stage),
        ...retention(stage),
      },
    });
    // Transactions are granted by the actions in them.
    grantTable(this, chatLog.messages, "BatchGetItem", "PutItem", "Query", "UpdateItem");
    grantTable(this, chatLog.chats, "GetItem", "PutItem", "UpdateItem");
    grantTable(this, chatLog.participants, "GetItem", "PutItem", "UpdateItem");
    // Who has blocked whom; and the bucket of the user's rate.
    grantTable(this, clients, "BatchGetItem", "ConditionCheckItem", "GetItem", "PutItem");

    for (const command of ["modifyChatParticipants", "updateChat", "deleteMessage", "editMessage", "react"])
      api.addCommand(command, this);
  }
}
