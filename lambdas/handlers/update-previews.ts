/** Consumer of the previews queue: [LST2]. Notices of one chat in one batch cost one projection. */
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { projectHead, type ProjectDependencies } from "../chats/project-head.ts";
import { previewNotice } from "../delivery/job.ts";
import { queueHandler } from "../delivery/queue-handler.ts";
import { readEnvironment } from "../environment.ts";
import { ChatsStore } from "../stores/chats.ts";
import { MessagesStore } from "../stores/messages.ts";

export const makeHandler = (deps: ProjectDependencies) =>
  queueHandler(
    previewNotice,
    ({ chatId }) => chatId,
    async (notices) => {
      const [first] = notices;
      if (first) await projectHead(deps, first.chatId, Math.max(...notices.map(({ seq }) => seq)));
    },
  );

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE");
const dynamo = createDynamoClient();
const chats = new ChatsStore(dynamo, env.CHATS_TABLE);
const messages = new MessagesStore(dynamo, env.MESSAGES_TABLE);

export const handler = middy(
  makeHandler({
    chat: async (chatId) => await chats.get(chatId),
    readFrom: async (chatId, seq) => await messages.readFrom(chatId, seq),
    moveHead: async (chatId, from, to) => await chats.moveHead(chatId, from, to),
  }),
);
