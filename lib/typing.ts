import { Duration } from "aws-cdk-lib";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { alarmOnErrors } from "./alarms.ts";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { ChatTable } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";
import { grantSend, grantTable } from "./grants.ts";
import { PassingQueue } from "./queues.ts";
import type { ChatWebSocketApi } from "./web-socket-api.ts";

export interface TypingProps {
  readonly stage: StageConfig;
  readonly api: ChatWebSocketApi;
  readonly chatLog: ChatLog;
  readonly clients: ChatTable;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** Command setTyping: passed on by a queue that drops what comes too often, and written nowhere. */
export class Typing extends Construct {
  constructor(scope: Construct, id: string, props: TypingProps) {
    super(scope, id);
    const { stage, api, chatLog, clients, alarmTopic } = props;
    const timeout = Duration.seconds(5);
    const events = new PassingQueue(this, "Events", { jobTimeout: timeout });

    const set = new ChatFunction(this, "Set", {
      stage,
      handler: "set-typing",
      description: "Takes who is typing, and leaves it to be told if it is not too often",
      timeout: Duration.seconds(10),
      environment: {
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        TYPING_QUEUE_URL: events.queueUrl,
      },
    });
    grantTable(set, chatLog.chats, "GetItem");
    grantTable(set, chatLog.participants, "GetItem");
    grantSend(set, events);
    api.addCommand("setTyping", set);

    const tell = new ChatFunction(this, "Tell", {
      stage,
      handler: "tell-typing",
      description: "Tells the other members who is typing",
      timeout,
      environment: { CLIENTS_TABLE: clients.tableName, CALLBACK_URL: api.callbackUrl },
    });
    // Devices, and beside them who has blocked whom.
    grantTable(tell, clients, "BatchGetItem", "Query");
    api.grantConnections(tell, "POST");
    // Who types may wait a moment; a crowd of typers must leave the account's functions to those who send.
    events.workedOnBy(tell, { maxConcurrency: 50 });
    alarmOnErrors(tell, "Invocations that tell who is typing failed; it is not told again.", alarmTopic);
  }
}
