import { Duration } from "aws-cdk-lib";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { ChatFunction } from "./chat-function.ts";
import type { ChatLog } from "./chat-log.ts";
import type { StageConfig } from "./config.ts";
import { grantTable } from "./grants.ts";
import { JobQueue } from "./queues.ts";

export interface ChatListProps {
  readonly stage: StageConfig;
  readonly chatLog: ChatLog;
  /** @default - alarms call nobody */
  readonly alarmTopic?: ITopic | undefined;
}

/** The head of each chat, last seq and preview, kept up with its log for the chat list. */
export class ChatList extends Construct {
  /** Takes one job for each chat whose log has grown. */
  readonly previews: JobQueue;

  constructor(scope: Construct, id: string, props: ChatListProps) {
    super(scope, id);
    const { stage, chatLog } = props;
    const timeout = Duration.seconds(20);
    this.previews = new JobQueue(this, "Previews", {
      jobTimeout: timeout,
      alarmDescription:
        "Chats whose preview could not be brought up to date; the jobs lie in the previews' dead-letter queue.",
      alarmTopic: props.alarmTopic,
    });

    const updatePreviews = new ChatFunction(this, "UpdatePreviews", {
      stage,
      handler: "update-previews",
      description: "Writes the newest message of a chat into the chat's head",
      timeout,
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
      },
    });
    grantTable(updatePreviews, chatLog.messages, "Query");
    grantTable(updatePreviews, chatLog.chats, "GetItem", "UpdateItem");
    this.previews.workedOnBy(updatePreviews);
  }
}
