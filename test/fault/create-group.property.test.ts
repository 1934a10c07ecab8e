import {
  type DynamoDBClient,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createGroup, type CreateGroupDependencies } from "../../lambdas/chats/create-group.ts";
import { emptyHead, isMade } from "../../lambdas/stores/chat-items.ts";
import { ChatsStore } from "../../lambdas/stores/chats.ts";
import { HeadsStore } from "../../lambdas/stores/heads.ts";
import { MessagesStore } from "../../lambdas/stores/messages.ts";
import { ParticipantsStore } from "../../lambdas/stores/participants.ts";
import { SharedStateStore } from "../../lambdas/stores/shared-state.ts";
import { startDynamo } from "../local/dynamodb-support.ts";

/**
 * What becomes of a call: lost before it did anything; done, but its answer lost; done long after its caller gave
 * up, when the group has lived for a while; or refused because another transaction is at the same items.
 */
type Fault = "none" | "before" | "after" | "late" | "conflict";

class Lost extends Error {}

type Command = Parameters<DynamoDBClient["send"]>[0];

/** A client whose calls fail as told, one fault a call; when all are used up, the service is well again. */
function faulty(client: DynamoDBClient, faults: readonly Fault[], later: (() => Promise<unknown>)[]) {
  let calls = 0;
  const send = async (command: Command): Promise<unknown> => {
    const fault = faults[calls] ?? "none";
    calls += 1;
    if (fault === "before") throw new Lost("the call never arrived");
    if (fault === "conflict" && command instanceof TransactWriteItemsCommand) {
      const reasons = [{ Code: "TransactionConflict" }, { Code: "None" }];
      throw new TransactionCanceledException({ message: "", $metadata: {}, CancellationReasons: reasons });
    }
    if (fault === "late") {
      later.push(async () => await client.send(command));
      throw new Lost("nobody waits for the answer");
    }
    const answer: unknown = await client.send(command);
    if (fault === "after") throw new Lost("the answer was lost");
    return answer;
  };
  return { send } as unknown as DynamoDBClient;
}

interface Attempt {
  readonly name: string;
  readonly participants: readonly string[];
  readonly faults: readonly Fault[];
}

const users = fc.oneof(
  { weight: 9, arbitrary: fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 6 }) },
  // More than are written at once.
  { weight: 1, arbitrary: fc.constant(Array.from({ length: 80 }, (_, at) => at)) },
);

const attempt: fc.Arbitrary<Attempt> = fc.record({
  name: fc.constantFrom("Family", "Work", "Team"),
  participants: users.map((ids) => ids.map((id) => `user-${id}`)),
  faults: fc.array(fc.constantFrom<Fault>("none", "none", "none", "before", "after", "late", "conflict"), {
    maxLength: 12,
  }),
});

let groups = 0;

test("[CHT2] attempts at once with other members each, dying anywhere, their writes coming late: whole or not at all, as the first one said", async () => {
  const { engine, client } = await startDynamo();
  await createTables(engine);
  const chats = new ChatsStore(client, "Chats");
  const participants = new ParticipantsStore(client, "Participants");
  const messages = new MessagesStore(client, "Messages");
  const states = new SharedStateStore(client, "Chats");

  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { minLength: 1, maxLength: 4 }), async (attempts) => {
      const creator = { userId: `creator-${(groups += 1)}`, deviceId: "phone" };
      const clientChatId = "0b6f9c1e-1111-4222-8333-444455556666";
      const later: (() => Promise<unknown>)[] = [];
      const create = async ({ name, participants: others, faults }: Attempt) => {
        const deps = dependencies(faulty(client, faults, later));
        const made = await createGroup(deps, { name, participants: others, clientChatId }, creator);
        if (made.ok) return made.value.chat;
        throw made.error.retryable ? new Lost(made.error.message) : new Error(made.error.message);
      };

      const outcomes = await Promise.allSettled(attempts.map(create));
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(Lost);
      }
      const answered = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      const first = await create({ name: "Again", participants: ["user-99"], faults: [] });
      const { chatId } = first;
      for (const answer of answered) expect(answer).toEqual(first);

      // It is what one of the attempts said (or, if none came so far, the one after them), all of it.
      const wanted = [...attempts, { name: "Again", participants: ["user-99"] }].map((one) => ({
        name: one.name,
        participants: [...new Set([creator.userId, ...one.participants])].sort(),
      }));
      expect(wanted).toContainEqual({ name: first.name, participants: [...first.participants].sort() });
      const chat = await chats.get(chatId);
      expect(chat && isMade(chat) && chat.type === "group" && chat.founders).toBeUndefined();
      const { entries } = await messages.readFrom(chatId, 0);
      expect(entries).toMatchObject([
        {
          kind: "change",
          seq: 1,
          userId: creator.userId,
          change: { type: "created", name: first.name, members: first.participants.length },
        },
      ]);
      expect([...(entries[0]?.kind === "change" ? entries[0].participants : [])].sort()).toEqual(
        [...first.participants].sort(),
      );
      const state = await states.get(chatId, "strong");
      const members = [...(state?.members ?? [])];
      expect(members.flatMap(([userId, { role }]) => (role === "admin" ? [userId] : []))).toEqual([
        creator.userId,
      ]);
      const userIds = members.map(([userId]) => userId);
      const rows = async () => await participants.someOf(chatId, userIds);
      expect([...(await rows()).keys()].sort()).toEqual(userIds.toSorted());

      // The group lives; then what was sent long ago arrives, and changes nothing.
      await messages.putIfFree({ ...message(chatId), seq: 2 });
      await new HeadsStore(client, "Chats").move(chatId, 1, {
        ...emptyHead,
        lastSeq: 2,
        lastSentAt: 9,
        messages: 1,
      });
      for (const userId of userIds) {
        await participants.raiseRead(chatId, userId, { readSeq: 2, readOthers: 1 }, { joinedSeq: 1 }, 9);
      }
      const now = async () => ({
        chat: await chats.get(chatId),
        state: await states.get(chatId, "strong"),
        rows: await rows(),
      });
      const lived = await now();
      await Promise.allSettled(later.map(async (call) => await call()));
      expect(await now()).toEqual(lived);
      expect((await messages.readFrom(chatId, 0)).entries).toHaveLength(2);
    }),
    { numRuns: 60 },
  );
});

test("[CHT2] an attempt that dies after any number of its calls leaves nothing that anybody sees, until the next one completes it", async () => {
  const { engine, client } = await startDynamo();
  await createTables(engine);
  const creator = { userId: "creator", deviceId: "phone" };
  const request = (at: number) => ({
    name: `Group ${at}`,
    participants: ["bob", "carol"],
    clientChatId: `0b6f9c1e-1111-4222-8333-${String(at).padStart(12, "0")}`,
  });
  // A look, draft, three memberships, making, and a look at the members.
  const calls = 7;
  const making = 6;
  for (let dies = 0; dies < calls; dies += 1) {
    const faults = [...Array.from({ length: dies }, () => "none" as const), ...deaths(calls)];
    const dying = createGroup(dependencies(faulty(client, faults, [])), request(dies), creator);
    await expect(dying).rejects.toBeInstanceOf(Lost);
    const chatsOf = async () =>
      (await new ParticipantsStore(client, "Participants").chatsOf("bob", undefined, 100)).chats;
    const visible = await new ChatsStore(client, "Chats").getMany(
      (await chatsOf()).map(({ chatId }) => chatId),
    );
    expect([...visible.values()].filter(isMade)).toHaveLength(dies < making ? dies : dies + 1);
    const made = await createGroup(dependencies(client), request(dies), creator);
    expect(made).toMatchObject({ ok: true, value: { chat: { name: `Group ${dies}` } } });
  }
});

test("[BLK1] [CHT2] whom a dying attempt named and who has blocked the creator since is in no group, though the next attempt does not name it", async () => {
  const { engine, client } = await startDynamo();
  await createTables(engine);
  const creator = { userId: "creator", deviceId: "phone" };
  const request = {
    name: "Group",
    participants: ["bob"],
    clientChatId: "0b6f9c1e-1111-4222-8333-444455556666",
  };
  const dying = dependencies(faulty(client, ["none", "none", ...deaths(6)], []));
  await expect(createGroup(dying, request, creator)).rejects.toBeInstanceOf(Lost);
  let blockers = ["bob"];
  const deps: CreateGroupDependencies = {
    ...dependencies(client),
    blockersOf: async (_, others) => others.filter((other) => blockers.includes(other)),
  };
  const next = { ...request, participants: ["carol"] };
  expect(await createGroup(deps, next, creator)).toMatchObject({ error: { code: "forbidden" } });
  expect(await createGroup(deps, request, creator)).toMatchObject({
    error: { code: "forbidden", message: expect.stringMatching(/^participants\[0\]:/) },
  });
  blockers = [];
  expect(await createGroup(deps, next, creator)).toMatchObject({
    value: { chat: { participants: ["creator", "bob"] } },
  });
});

const deaths = (calls: number): Fault[] => Array.from({ length: calls }, () => "before");

const message = (chatId: string) => ({
  kind: "message" as const,
  chatId,
  messageId: "m",
  clientMessageId: "c",
  userId: "user-1",
  deviceId: "d",
  text: "x",
  lane: "streams" as const,
  sentAt: 9,
  stateSeq: 1,
});

function dependencies(client: DynamoDBClient): CreateGroupDependencies {
  const chats = new ChatsStore(client, "Chats");
  const participants = new ParticipantsStore(client, "Participants");
  return {
    find: async (chatId) => await chats.get(chatId),
    admit: async () => undefined,
    blockersOf: async () => [],
    keep: async (chat) => await chats.keep(chat),
    addMember: async (membership) => await participants.add(membership),
    make: async (first, state) => await chats.make(first, state, "Messages"),
    state: async (chatId) => await new SharedStateStore(client, "Chats").get(chatId, "strong"),
    now: Date.now,
    pause: async () => {},
  };
}

async function createTables(engine: Awaited<ReturnType<typeof startDynamo>>["engine"]): Promise<void> {
  const text = (name: string) => ({ AttributeName: name, AttributeType: "S" }) as const;
  const hash = (name: string) => ({ AttributeName: name, KeyType: "HASH" }) as const;
  const range = (name: string) => ({ AttributeName: name, KeyType: "RANGE" }) as const;
  await engine.createTable({
    tableName: "Messages",
    keySchema: [hash("chatId"), range("seq")],
    attributeDefinitions: [text("chatId"), { AttributeName: "seq", AttributeType: "N" }],
  });
  await engine.createTable({
    tableName: "Chats",
    keySchema: [hash("chatId")],
    attributeDefinitions: [text("chatId")],
  });
  await engine.createTable({
    tableName: "Participants",
    keySchema: [hash("chatId"), range("participantId")],
    attributeDefinitions: [text("chatId"), text("participantId")],
    globalSecondaryIndexes: [
      {
        IndexName: "byParticipant",
        KeySchema: [hash("participantId"), range("chatId")],
        Projection: { ProjectionType: "ALL" },
      },
    ],
  });
}
