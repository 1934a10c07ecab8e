import { Duration } from "aws-cdk-lib";
import { FilterRule } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { followStream } from "./follow-stream.ts";
import { grantTable } from "./grants.ts";
import { DeadLetterQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface ReceiptsProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  readonly inbox: ChatTable;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** Records of one batch: all that a large group's members acknowledge or read within a second. */
const batchSize = 1_000;
/** Acks of a second are one write, marks of a second one frame. */
const window = Duration.seconds(1);

/**
 * What members have and have read, told to those who wrote it. An ack's own write, followed by the Inbox table's
 * stream, raises the member's mark; that write and markRead's, followed by the ChatParticipants table's stream,
 * become frames. Neither costs the ack or markRead anything.
 */
export class Receipts extends Construct {
  /** Where acks stand whose marks could not be raised. */
  readonly failures: DeadLetterQueue;

  constructor(scope: Construct, id: string, props: ReceiptsProps) {
    super(scope, id);
    const { inbox, alarmTopic } = props;
    this.failures = new DeadLetterQueue(this, "DeliveredFailures", {
      alarmDescription:
        "Acks whose delivered marks could not be raised; where they stand in the Inbox table's stream lies in the failure queue. The next ack of the same user and chat mends it.",
      alarmTopic,
    });
    followStream(this.#delivered(props), {
      name: "the delivered marks",
      table: inbox,
      mappingId: "Acks",
      // Cursors that were made or moved, not those that go with their device.
      patterns: [
        {
          eventName: FilterRule.or("INSERT", "MODIFY"),
          dynamodb: { NewImage: { ackedSeq: { N: FilterRule.exists() } } },
        },
      ],
      batchSize,
      window,
      lateMeans: "ticks come late.",
      failures: this.failures,
      alarmTopic,
    });
    this.#show(props);
    followStream(this.#tell(props), {
      name: "the receipts",
      table: props.chatLog.participants,
      mappingId: "Marks",
      // Memberships whose last write raised a mark.
      patterns: [
        {
          eventName: FilterRule.isEqual("MODIFY"),
          dynamodb: { NewImage: { markedAt: { N: FilterRule.exists() } } },
        },
      ],
      batchSize,
      window,
      lateMeans: "ticks come late.",
      // No failure queue: receipts are told at best, and read from getChat.
      alarmTopic,
    });
  }

  /** Marks are shown by getChat and listChats as receipts tell them: hidden by whom they hide from. */
  #show({ chatLog, clients }: ReceiptsProps): void {
    const { readChats } = chatLog;
    readChats.function.addEnvironment("CLIENTS_TABLE", clients.tableName);
    grantTable(readChats, clients, "BatchGetItem");
  }

  #delivered({ stage, chatLog }: ReceiptsProps): ChatFunction {
    const delivered = new ChatFunction(this, "Delivered", {
      stage,
      handler: "receipts-delivered",
      description: "Raises what users have by what their devices acknowledged",
      timeout: Duration.seconds(30),
      environment: { PARTICIPANTS_TABLE: chatLog.participants.tableName },
    });
    grantTable(delivered, chatLog.participants, "UpdateItem");
    return delivered;
  }

  #tell({ stage, api, chatLog, clients }: ReceiptsProps): ChatFunction {
    const tell = new ChatFunction(this, "Tell", {
      stage,
      handler: "receipts-tell",
      description: "Tells senders who has and who has read their messages",
      timeout: Duration.seconds(30),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        CLIENTS_TABLE: clients.tableName,
        CALLBACK_URL: api.callbackUrl,
      },
    });
    grantTable(tell, chatLog.messages, "Query");
    grantTable(tell, chatLog.chats, "GetItem");
    // Devices, and beside them who hides what it reads and who has blocked whom.
    grantTable(tell, clients, "BatchGetItem", "Query");
    api.grantConnections(tell, "POST");
    return tell;
  }
}
