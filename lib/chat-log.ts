import { Duration } from "aws-cdk-lib";
import { AttributeType, ProjectionType, StreamViewType } from "aws-cdk-lib/aws-dynamodb";
import { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantIndexQuery, grantTable } from "./grants.ts";

export interface ChatLogProps {
  readonly stage: StageConfig;
  /** The devices of users, and whom they have blocked. */
  readonly clients: ChatTable;
}

/** Index of ChatParticipants: the chats of one participant. */
export const byParticipant = "byParticipant";

/** The chats, who is in them, and the log of each: made and read. Everything else follows it. */
export class ChatLog extends Construct {
  /** The log: one item an entry, its stream carrying new entries to whoever follows. */
  readonly messages: ChatTable;
  /** One item a chat: its kind and name, and the head of its log. */
  readonly chats: ChatTable;
  /** One item a chat and participant, indexed by participant. */
  readonly participants: ChatTable;

  /** Command createChat. */
  readonly createChat: ChatFunction;
  /** Commands listChats, getChat and getHistory. */
  readonly readChats: ChatFunction;

  constructor(scope: Construct, id: string, props: ChatLogProps) {
    super(scope, id);
    const { stage, clients } = props;
    const chatId = { name: "chatId", type: AttributeType.STRING };
    this.messages = new ChatTable(this, "Messages", {
      stage,
      partitionKey: chatId,
      sortKey: { name: "seq", type: AttributeType.NUMBER },
      // What a message carried that is deleted or has expired is in its old image alone.
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      timeToLiveAttribute: "expiresAt",
    });
    this.chats = new ChatTable(this, "Chats", { stage, partitionKey: chatId });
    const participantId = { name: "participantId", type: AttributeType.STRING };
    this.participants = new ChatTable(this, "ChatParticipants", {
      stage,
      partitionKey: chatId,
      sortKey: participantId,
      // What of a member's marks rose, from where to where: receipts.ts.
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
    });
    this.participants.addGlobalSecondaryIndex({
      indexName: byParticipant,
      partitionKey: participantId,
      sortKey: chatId,
      // What lists and sync need of a membership: what the user pins is above the rest. No watermark is among
      // them: each change of one would be written a second time, to the index.
      projectionType: ProjectionType.INCLUDE,
      nonKeyAttributes: [
        "type",
        "peerId",
        "joinedSeq",
        "joinedAt",
        "leftSeq",
        "leftAt",
        "earlier",
        "expires",
        "pinned",
      ],
    });

    const environment = {
      CHATS_TABLE: this.chats.tableName,
      PARTICIPANTS_TABLE: this.participants.tableName,
    };
    const withMessages = { ...environment, MESSAGES_TABLE: this.messages.tableName };

    this.createChat = new ChatFunction(this, "CreateChat", {
      stage,
      handler: "create-chat",
      description: "Makes a chat, or finds the one that is there",
      timeout: Duration.seconds(15),
      environment: {
        ...withMessages,
        CLIENTS_TABLE: clients.tableName,
        ...changeRate(stage),
        ...retention(stage),
      },
    });
    // A blocked user cannot add the one who blocks it; and the bucket of the user's rate.
    grantTable(this.createChat, clients, "BatchGetItem", "ConditionCheckItem", "GetItem", "PutItem");
    grantTable(this.createChat, this.chats, "GetItem", "PutItem", "UpdateItem");
    grantTable(this.createChat, this.participants, "PutItem");
    // A group begins with an entry of its log.
    grantTable(this.createChat, this.messages, "PutItem");

    this.readChats = new ChatFunction(this, "ReadChats", {
      stage,
      handler: "read-chats",
      description: "Answers with a user's chats, and with pages of a chat's log",
      timeout: Duration.seconds(20),
      environment: withMessages,
    });
    grantTable(this.readChats, this.messages, "BatchGetItem", "Query");
    grantTable(this.readChats, this.chats, "BatchGetItem", "GetItem");
    grantTable(this.readChats, this.participants, "BatchGetItem", "GetItem");
    grantIndexQuery(this.readChats, this.participants, byParticipant);
  }
}

/** The variables that tell how fast a user may change and make chats, and upload: the same for every function that lets it. */
export const changeRate = ({ changeBurst, changesPerSec }: StageConfig) => ({
  CHANGE_BURST: String(changeBurst),
  CHANGES_PER_SEC: String(changesPerSec),
});

/** The variable that tells for how long messages are kept; absent where that is for ever. */
export function retention(stage: StageConfig): { MESSAGE_RETENTION_DAYS?: string } {
  const days = stage.messageRetentionDays;
  if (days === undefined) return {};
  if (!Number.isSafeInteger(days) || days < 1) {
    const name = stage.stageName;
    throw new Error(
      `stage "${name}": messageRetentionDays must be a whole number of at least 1, not ${days}`,
    );
  }
  return { MESSAGE_RETENTION_DAYS: String(days) };
}
