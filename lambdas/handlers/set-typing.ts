/** `setTyping`: [PRS4]. */
import middy from "@middy/core";
import { createDynamoClient, createQueueClient } from "../aws/clients.ts";
import { sendInOrder } from "../aws/queues.ts";
import { commandHandler } from "../commands/command-handler.ts";
import { readEnvironment } from "../environment.ts";
import { limits } from "../../protocol/limits.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";
import { Recently } from "../typing/recently.ts";
import { setTyping, type SetTypingDependencies } from "../typing/set-typing.ts";

export const makeHandler = (deps: SetTypingDependencies) =>
  commandHandler(
    { setTyping: async (request, { userId }) => await setTyping(deps, request, userId) },
    deps.now,
  );

const env = readEnvironment("CHATS_TABLE", "PARTICIPANTS_TABLE", "TYPING_QUEUE_URL");
const dynamo = createDynamoClient();
const queues = createQueueClient();
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    state: async (chatId, consistency) => await states.get(chatId, consistency),
    wasMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    recently: new Recently(limits.typingMs),
    pass: async (job, group, deduplicationId) =>
      await sendInOrder(queues, env.TYPING_QUEUE_URL, group, job, deduplicationId),
    now: Date.now,
  }),
);
