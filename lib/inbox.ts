import { Duration } from "aws-cdk-lib";
import { AttributeType, StreamViewType } from "aws-cdk-lib/aws-dynamodb";
import { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { byParticipant, type ChatLog, retention } from "./chat-log.ts";
import { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantIndexQuery, grantTable } from "./grants.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface InboxProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
}

/** What each device has not acknowledged yet: told by sync, ended by ack. */
export class Inbox extends Construct {
  /** One item a device and chat: how far the device has stored the chat's log. */
  readonly table: ChatTable;

  constructor(scope: Construct, id: string, props: InboxProps) {
    super(scope, id);
    const { stage, api, chatLog, clients } = props;
    this.table = new ChatTable(this, "Table", {
      stage,
      partitionKey: { name: "device", type: AttributeType.STRING },
      sortKey: { name: "chatId", type: AttributeType.STRING },
      // What a device acknowledges, its user has: receipts.ts.
      stream: StreamViewType.NEW_IMAGE,
    });

    const sync = new ChatFunction(this, "Sync", {
      stage,
      handler: "sync",
      description: "Answers with what a device has not acknowledged, and takes its acks",
      timeout: Duration.seconds(25),
      environment: {
        INBOX_TABLE: this.table.tableName,
        CLIENTS_TABLE: clients.tableName,
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CALLBACK_URL: api.callbackUrl,
        ...retention(stage),
      },
    });
    grantTable(sync, this.table, "Query", "UpdateItem");
    grantTable(sync, clients, "GetItem");
    grantTable(sync, chatLog.messages, "BatchGetItem", "Query");
    grantTable(sync, chatLog.chats, "BatchGetItem", "GetItem");
    grantTable(sync, chatLog.participants, "BatchGetItem", "GetItem");
    grantIndexQuery(sync, chatLog.participants, byParticipant);
    api.grantConnections(sync, "POST", "DELETE");

    api.addCommand("sync", sync);
    api.addCommand("ack", sync);
  }
}
