import { expect, test } from "vitest";
import { deliver, type DeliverDependencies } from "../../lambdas/delivery/deliver.ts";
import { entriesPerJob, fanOut, recipientsPerJob } from "../../lambdas/delivery/fan-out.ts";
import type { DeliveryJob, Recipient } from "../../lambdas/delivery/job.ts";
import type { Entry } from "../../lambdas/log/entry.ts";
import type { Device } from "../../lambdas/stores/clients.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";

const now = 1_000_000_000;
const later = now / 1000 + 3_600;
const recipient = (userId: string, tokenExpiresAt = later): Recipient => ({
  userId,
  deviceId: "phone",
  connectionId: `connection of ${userId}`,
  connectedAt: now - 3_600_000,
  tokenExpiresAt,
});
const entry = (seq: number, userId = "alice", visibleUntil?: number): Entry => ({
  kind: "message",
  chatId: "chat",
  seq,
  messageId: `m${seq}`,
  clientMessageId: `c${seq}`,
  userId,
  deviceId: "phone",
  text: `text ${seq}`,
  lane: "streams",
  sentAt: now,
  stateSeq: 0,
  ...(visibleUntil !== undefined && { visibleUntil }),
});

/** What each post comes to, by connection: taken, gone, or an error to be tried again. */
type Verdict = "taken" | "gone" | "busy";

function world(
  entries: readonly Entry[],
  verdicts: Record<string, Verdict> = {},
  cursors: Record<string, number> = {},
) {
  const posted: string[] = [];
  const forgotten: { userId: string; connectedBefore: number }[] = [];
  const jobs: DeliveryJob[] = [];
  const deps: DeliverDependencies = {
    entries: async (_, seqs) => entries.filter(({ seq }) => seqs.includes(seq)),
    cursors: async () => (device) => cursors[device.userId] ?? 0,
    post: async (connectionId, frame) => {
      const verdict = verdicts[connectionId.replace("connection of ", "")] ?? "taken";
      if (verdict === "busy") throw new Error("429");
      if (verdict === "taken")
        posted.push(`${connectionId.slice(14)} ${(JSON.parse(frame) as { seq: number }).seq}`);
      return verdict === "taken";
    },
    forget: async ({ userId }, connectedBefore) => void forgotten.push({ userId, connectedBefore }),
    sendJob: async (job) => void jobs.push(job),
    onPostFailed: () => {},
    now: () => now,
  };
  return { deps, posted, forgotten, jobs };
}

test("[DLV1] each connection gets the job's entries in the order of seq, and none that it sent itself", async () => {
  const { deps, posted } = world([entry(3), entry(1, "bob"), entry(2)]);
  await deliver(deps, { chatId: "chat", seqs: [1, 2, 3], to: [recipient("alice"), recipient("bob")] }, true);
  expect(posted.filter((line) => line.startsWith("bob"))).toEqual(["bob 2", "bob 3"]);
  expect(posted.filter((line) => line.startsWith("alice"))).toEqual(["alice 1"]);
});

test.each([
  ["a second try", 0, {}, false],
  ["a job that goes again", 0, { again: true }, true],
  ["entries that are no news any more", 5_000, {}, true],
])(
  "[DLV2] %s: what a device has acknowledged is not pushed, [CON8] nor anything past its token's end",
  async (_, ageMs, again, isFirstTry) => {
    const { deps, posted } = world([entry(1), entry(2)], {}, { bob: 1 });
    const job = { chatId: "chat", seqs: [1, 2], to: [recipient("bob"), recipient("carol", now / 1000)] };
    await deliver({ ...deps, now: () => now + ageMs }, { ...job, ...again }, isFirstTry);
    expect(posted).toEqual(["bob 2"]);
  },
);

test("[DLV2] the first push of news asks about the devices that have just connected, and about no other", async () => {
  const { deps, posted } = world([entry(1), entry(2)], {}, { bob: 1 });
  const asked: string[] = [];
  const cursors: typeof deps.cursors = async (devices, chatId, consistency) => {
    asked.push(...devices.map(({ userId }) => userId));
    return await deps.cursors(devices, chatId, consistency);
  };
  const bob = { ...recipient("bob"), connectedAt: now - 100 };
  await deliver({ ...deps, cursors }, { chatId: "chat", seqs: [1, 2], to: [bob, recipient("carol")] }, true);
  expect(posted.toSorted()).toEqual(["bob 2", "carol 1", "carol 2"]);
  expect(asked).toEqual(["bob"]);
});

test("[DLV1] what has expired meanwhile is not pushed", async () => {
  const { deps, posted } = world([entry(1, "alice", now), entry(2)]);
  await deliver(deps, { chatId: "chat", seqs: [1, 2, 9], to: [recipient("bob")] }, true);
  expect(posted).toEqual(["bob 2"]);
});

test("[DLV5] a dead connection is forgotten unless it may still be in its handshake; the others have the entry", async () => {
  const { deps, posted, forgotten, jobs } = world([entry(1)], { bob: "gone" });
  await deliver(deps, { chatId: "chat", seqs: [1], to: [recipient("bob"), recipient("carol")] }, true);
  expect(posted).toEqual(["carol 1"]);
  expect(forgotten).toEqual([{ userId: "bob", connectedBefore: now - 30_000 }]);
  expect(jobs).toEqual([]);
});

test("[DLV5] who failed is tried again by itself; nobody else is told twice", async () => {
  const { deps, posted, jobs } = world([entry(1), entry(2)], { bob: "busy" });
  await deliver(deps, { chatId: "chat", seqs: [1, 2], to: [recipient("bob"), recipient("carol")] }, true);
  expect(posted).toEqual(["carol 1", "carol 2"]);
  expect(jobs).toEqual([{ chatId: "chat", seqs: [1, 2], to: [recipient("bob")], again: true }]);
});

test("[DLV6] a job that reaches nobody fails, so that its queue tries it again and sets it aside in the end", async () => {
  const { deps, jobs } = world([entry(1)], { bob: "busy", carol: "busy" });
  const job = { chatId: "chat", seqs: [1], to: [recipient("bob"), recipient("carol")] };
  await expect(deliver(deps, job, true)).rejects.toThrow("none of 2 connections");
  expect(jobs).toEqual([]);
});

test("[DLV1] fan-out: connected devices of all members but a lone sender, in jobs of bounded size", async () => {
  const jobs: DeliveryJob[] = [];
  const device = (userId: string, deviceId: string, tokenExpiresAt = later): Device => ({
    userId,
    deviceId,
    createdAt: 0,
    connection: { connectionId: `${userId}/${deviceId}`, connectedAt: 0, tokenExpiresAt },
  });
  const devices: Record<string, Device[]> = {
    alice: [device("alice", "phone"), device("alice", "laptop")],
    bob: [{ userId: "bob", deviceId: "offline", createdAt: 0 }, device("bob", "expired", now / 1000)],
    crowd: Array.from({ length: recipientsPerJob + 5 }, (_, at) => device("crowd", `d${at}`)),
  };
  const seqs = Array.from({ length: entriesPerJob + 1 }, (_, at) => at + 1);
  const member = { role: "member", from: 1 } as const;
  const state: SharedState = {
    chatId: "chat",
    type: "group",
    stateSeq: 1,
    members: new Map([
      ["alice", member],
      ["bob", member],
      ["crowd", member],
    ]),
    leavers: [],
    expires: false,
    hidden: new Map(),
  };
  await fanOut(
    {
      states: { glimpse: async () => state, at: async () => state },
      devicesOf: async (userId) => devices[userId] ?? [],
      sendJobs: async (sent) => void jobs.push(...sent),
      now: () => now,
    },
    seqs.toReversed().map((seq) => ({
      chatId: "chat",
      seq,
      userId: "alice",
      deviceId: "phone",
      stateSeq: 1,
      kind: "message" as const,
    })),
    false,
  );
  expect(jobs.map((job) => [job.seqs.length, job.to.length])).toEqual([
    [entriesPerJob, recipientsPerJob],
    [entriesPerJob, 6],
    [1, recipientsPerJob],
    [1, 6],
  ]);
  expect(jobs[0]?.seqs).toEqual(seqs.slice(0, entriesPerJob));
  const told = new Set(jobs.flatMap(({ to }) => to.map(({ connectionId }) => connectionId)));
  expect(told.has("alice/laptop")).toBe(true);
  expect([...told].filter((id) => id === "alice/phone" || id.startsWith("bob"))).toEqual([]);
});
