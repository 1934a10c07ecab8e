import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { append, type AppendDependencies } from "../../lambdas/log/append.ts";
import type { Entry, MessageEntry } from "../../lambdas/log/entry.ts";
import { MessagesStore } from "../../lambdas/stores/messages.ts";
import { startDynamo } from "../local/dynamodb-support.ts";

/** How a call of the service fails for its caller: before it did anything, or after the write was done. */
type Fault = "none" | "before" | "after";

class LostAnswer extends Error {}

/** A client whose calls fail as told, one fault a call; when all are used up, the service is well again. */
function faulty(client: DynamoDBClient, faults: readonly Fault[]): DynamoDBClient {
  let calls = 0;
  const send = async (command: Parameters<DynamoDBClient["send"]>[0]): Promise<unknown> => {
    const fault = faults[calls] ?? "none";
    calls += 1;
    if (fault === "before") throw new LostAnswer("the call never arrived");
    const answer: unknown = await client.send(command);
    if (fault === "after") throw new LostAnswer("the answer was lost");
    return answer;
  };
  return { send } as unknown as DynamoDBClient;
}

interface Plan {
  /** Copies of each message that are under way at once. */
  readonly copies: number;
  readonly messages: number;
  readonly knowsTip: boolean;
  readonly faults: readonly Fault[];
}

const plan: fc.Arbitrary<Plan> = fc.record({
  copies: fc.integer({ min: 1, max: 3 }),
  messages: fc.integer({ min: 1, max: 6 }),
  knowsTip: fc.boolean(),
  faults: fc.array(fc.constantFrom<Fault>("none", "none", "before", "after"), { maxLength: 40 }),
});

let chats = 0;

test("[SND2] [SND3] [SND4] senders at once, with copies, lost calls and lost answers, on the real table: dense, once, as answered", async () => {
  const { engine, client } = await startDynamo();
  await engine.createTable({
    tableName: "Messages",
    keySchema: [
      { AttributeName: "chatId", KeyType: "HASH" },
      { AttributeName: "seq", KeyType: "RANGE" },
    ],
    attributeDefinitions: [
      { AttributeName: "chatId", AttributeType: "S" },
      { AttributeName: "seq", AttributeType: "N" },
    ],
  });
  const messages = new MessagesStore(client, "Messages");

  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 5 }), async (plans) => {
      const chatId = `chat-${(chats += 1)}`;
      const answers: MessageEntry[] = [];
      await Promise.all(plans.map(async (one, at) => await send(chatId, `user-${at}`, one, answers)));

      const entries = messagesIn((await messages.readFrom(chatId, 0)).entries);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 1));
      const wanted = plans.reduce((sum, one) => sum + one.messages, 0);
      expect(new Set(entries.map(({ userId, clientMessageId }) => `${userId} ${clientMessageId}`)).size).toBe(
        wanted,
      );
      expect(entries).toHaveLength(wanted);
      for (const answer of answers) expect(entries[answer.seq - 1]).toEqual(answer);
      for (const userId of plans.map((_, at) => `user-${at}`)) {
        const order = entries
          .filter((entry) => entry.userId === userId)
          .map(({ clientMessageId }) => clientMessageId);
        expect(order).toEqual([...order].sort((a, b) => Number(a) - Number(b)));
      }
    }),
    { numRuns: 60 },
  );

  async function send(chatId: string, userId: string, one: Plan, answers: MessageEntry[]): Promise<void> {
    const deps: AppendDependencies = {
      log: new MessagesStore(faulty(client, one.faults), "Messages"),
      projectedTip: async () => 0,
      now: Date.now,
      newId: () => crypto.randomUUID(),
      pause: async () => {},
      random: Math.random,
    };
    let known = 0;
    for (let number = 1; number <= one.messages; number += 1) {
      const draft = {
        chatId,
        userId,
        clientMessageId: String(number),
        deviceId: "d",
        text: "x",
        ...(one.knowsTip && { after: known }),
      };
      const attempts = Array.from({ length: one.copies }, async () => await untilAnswered(deps, draft));
      const stored = await Promise.all(attempts);
      answers.push(...stored);
      known = stored[0]?.seq ?? known;
    }
  }
});

const messagesIn = (entries: readonly Entry[]): MessageEntry[] =>
  entries.map((entry) => {
    if (entry.kind !== "message") throw new Error("an entry that nobody sent");
    return entry;
  });

async function untilAnswered(
  deps: AppendDependencies,
  draft: Parameters<typeof append>[1],
): Promise<MessageEntry> {
  for (;;) {
    try {
      const admission = Promise.resolve({ ok: true, value: "direct" } as const);
      const confirm = async () => ({ ok: true, value: { lane: "direct", stateSeq: 0 } }) as const;
      const outcome = await append(deps, draft, { admission, confirm, slotsToLose: 64 });
      if (outcome.ok && outcome.value.kind !== "contended") return outcome.value.entry;
      if (!outcome.ok && !outcome.error.retryable) throw new Error(outcome.error.message);
    } catch (error) {
      if (!(error instanceof LostAnswer)) throw error;
    }
  }
}
