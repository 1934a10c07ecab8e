import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { ChatChangesProps } from "./chat-changes.ts";
import { ChatFunction } from "./chat-function.ts";
import { byParticipant, changeRate } from "./chat-log.ts";
import { grantIndexQuery, grantTable } from "./grants.ts";

/** Who wants to hear nothing of whom: commands blockUser, unblockUser and listBlocked. */
export class Blocking extends ChatFunction {
  constructor(scope: Construct, id: string, { stage, api, chatLog, clients }: ChatChangesProps) {
    super(scope, id, {
      stage,
      handler: "block-users",
      description: "Keeps whom a user has blocked, and what it sees of their direct chat",
      timeout: Duration.seconds(15),
      environment: {
        MESSAGES_TABLE: chatLog.messages.tableName,
        CHATS_TABLE: chatLog.chats.tableName,
        PARTICIPANTS_TABLE: chatLog.participants.tableName,
        CLIENTS_TABLE: clients.tableName,
        ...changeRate(stage),
      },
    });
    grantTable(this, chatLog.messages, "ConditionCheckItem", "Query");
    grantTable(this, chatLog.chats, "GetItem", "UpdateItem");
    grantTable(this, chatLog.participants, "BatchGetItem", "ConditionCheckItem", "GetItem", "UpdateItem");
    // The chats that the two share: what each is shown of the other's marks there is kept.
    grantIndexQuery(this, chatLog.participants, byParticipant);
    grantTable(this, clients, "BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem");

    for (const command of ["blockUser", "unblockUser", "listBlocked"]) api.addCommand(command, this);
  }
}
