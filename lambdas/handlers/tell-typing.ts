/** Consumer of the typing queue: [PRS4] [DLV7]. Whatever fails is over: nothing is handed back to be tried again. */
import middy from "@middy/core";
import { limits } from "../../protocol/limits.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { queueHandler } from "../aws/batches.ts";
import { readEnvironment } from "../environment.ts";
import { BlocksStore } from "../stores/blocks.ts";
import { ClientsStore } from "../stores/clients.ts";
import { describe, log } from "../telemetry/log.ts";
import { Recently } from "../typing/recently.ts";
import { tellTyping, type TellTypingDependencies } from "../typing/tell-typing.ts";
import { typingJob } from "../typing/typing-job.ts";

export const makeHandler = (deps: TellTypingDependencies) =>
  queueHandler(
    typingJob,
    ({ chatId, userId }) => `${chatId} ${userId}`,
    async (jobs) => {
      // In their order: that one types, and that one has stopped.
      for (const job of jobs) {
        try {
          await tellTyping(deps, job);
        } catch (error) {
          log.warn("typing not told", { chatId: job.chatId, ...describe(error) });
        }
      }
    },
  );

/** Milliseconds after which a connection that does not take a frame goes without it. */
const postPatienceMs = 1_000;

const env = readEnvironment("CLIENTS_TABLE", "CALLBACK_URL");
const dynamo = createDynamoClient();
const callbacks = createCallbacks(env.CALLBACK_URL, { maxAttempts: 1 });
const clients = new ClientsStore(dynamo, env.CLIENTS_TABLE);
const blocks = new BlocksStore(dynamo, env.CLIENTS_TABLE);

export const handler = middy(
  makeHandler({
    recently: new Recently(limits.typingMs),
    devicesOf: async (userId) => await clients.devicesOf(userId),
    apart: async (pairs) => await blocks.apart(pairs, "eventual"),
    post: async (connectionId, frame) => {
      try {
        await callbacks.post(connectionId, frame, AbortSignal.timeout(postPatienceMs));
      } catch (error) {
        log.warn("typing not posted", describe(error));
      }
    },
    now: Date.now,
  }),
);
