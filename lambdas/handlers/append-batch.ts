/** Consumer of the appends queue: the combined append of hot chats, one chat at a time each. [SND2] [SND3] [SND4] */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { failure, type Outcome } from "../../protocol/errors.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { replyText } from "../commands/command-handler.ts";
import { queueHandler } from "../aws/batches.ts";
import { readEnvironment, readOptionalCount } from "../environment.ts";
import { appendBatch, type AppendBatchDependencies } from "../log/append-batch.ts";
import { sent } from "../log/send.ts";
import { SharedStates } from "../log/shared-states.ts";
import { draftLifeMs, type WaitingDraft, waitingDraft } from "../log/waiting-draft.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";
import { SharedStateStore } from "../stores/shared-state.ts";
import { describe, log } from "../telemetry/log.ts";

export interface Dependencies extends AppendBatchDependencies {
  readonly post: (connectionId: string, frame: string) => Promise<boolean>;
}

export const makeHandler = (deps: Dependencies) => {
  /** A sender that cannot be told sends again, and finds its message stored. */
  const answer = async (draft: WaitingDraft, outcome: Outcome<object>): Promise<void> => {
    const { connectionId, requestId, chatId, tokenExpiresAt } = draft;
    if (tokenExpiresAt * 1000 <= deps.now()) return;
    try {
      await deps.post(connectionId, replyText("sendMessage", requestId, outcome));
    } catch (error) {
      log.warn("reply not posted", { chatId, ...describe(error) });
    }
  };
  return queueHandler(
    waitingDraft,
    ({ chatId }) => chatId,
    async (drafts) => {
      const [first] = drafts;
      if (!first) return;
      const fresh = drafts.filter(({ at }) => deps.now() - at < draftLifeMs);
      const stale = drafts.filter((draft) => !fresh.includes(draft));
      const tooLate = failure("unavailable", "the chat was busy for too long; send again", 1_000);
      const outcomes = fresh.length > 0 ? await appendBatch(deps, first.chatId, fresh) : [];
      await Promise.all([
        ...stale.map(async (draft) => await answer(draft, tooLate)),
        ...fresh.map(async (draft, at) => {
          const outcome = outcomes[at];
          if (outcome?.ok) await answer(draft, { ok: true, value: sent(outcome.value) });
          else if (outcome) await answer(draft, outcome);
        }),
      ]);
    },
  );
};

const env = readEnvironment("MESSAGES_TABLE", "CHATS_TABLE", "PARTICIPANTS_TABLE", "CALLBACK_URL");
const retentionDays = readOptionalCount("MESSAGE_RETENTION_DAYS");
const dynamo = createDynamoClient();
const states = new SharedStateStore(dynamo, env.CHATS_TABLE);
const participants = new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE);
const callbacks = createCallbacks(env.CALLBACK_URL);

export const handler = middy(
  makeHandler({
    log: new MessagesStore(dynamo, env.MESSAGES_TABLE),
    states: new SharedStates(states, pause),
    wasMember: async (chatId, userId) => (await participants.get(chatId, userId)) !== undefined,
    post: async (connectionId, frame) => await callbacks.post(connectionId, frame),
    now: Date.now,
    newId: randomUUID,
    pause: async (ms) => await pause(ms),
    random: Math.random,
    ...(retentionDays !== undefined && { retentionMs: retentionDays * 86_400_000 }),
  }),
);
