import { array, assert, constant, constantFrom, integer, oneof, property, record } from "fast-check";
import { expect, test } from "vitest";
import { isNews, isOnline, mayBeNews, presenceOf } from "../../lambdas/presence/presence.ts";
import { lastSeenSharedWith } from "../../lambdas/presence/visibility.ts";
import type { DeviceChange, SeenDevice } from "../../lambdas/stores/clients.ts";
import type { DeviceImage } from "../../lambdas/stores/device-items.ts";
import type { Privacy } from "../../protocol/frames.ts";

/** One thing that happens: to one of three devices, or the next records of the stream are handled. */
type Event =
  | {
      readonly type: "connect" | "replace" | "disconnect" | "remove";
      readonly device: number;
      readonly skew: number;
    }
  | { readonly type: "handle"; readonly records: number };

const deviceEvent = record({
  type: constantFrom("connect" as const, "replace" as const, "disconnect" as const, "remove" as const),
  device: integer({ min: 0, max: 2 }),
  // Clocks of gateways differ: a connection that was written later may be the older one by its own time.
  skew: integer({ min: -3, max: 3 }),
});
const handleEvent = record({
  type: constant("handle" as const),
  records: integer({ min: 1, max: 4 }),
});
const events = array(oneof({ weight: 3, arbitrary: deviceEvent }, handleEvent), { maxLength: 24 });

/** Runs a story of one user; returns what its watcher was told, and how it ends. */
function run(story: readonly Event[]): { told: boolean[]; truth: boolean } {
  const rows = new Map<number, DeviceImage>();
  const stream: DeviceChange[] = [];
  const told = [false];
  let clock = 0;
  const write = (device: number, after: DeviceImage | undefined) => {
    const before = rows.get(device);
    if (after) rows.set(device, after);
    else rows.delete(device);
    stream.push({
      userId: "bob",
      deviceId: `d${device}`,
      ...(before && { before }),
      ...(after && { after }),
    });
  };
  const devices = (): SeenDevice[] =>
    [...rows].flatMap(([device, { createdAt, lastSeenAt, connectionId, onlineSince, entering }]) =>
      entering
        ? []
        : [
            {
              userId: "bob",
              deviceId: `d${device}`,
              createdAt,
              lastSeenAt,
              ...(onlineSince !== undefined && { onlineSince }),
              ...(connectionId !== undefined && {
                connection: { connectionId, connectedAt: 0, tokenExpiresAt: 0 },
              }),
            },
          ],
    );
  const handle = (records: number) => {
    const candidates = stream.splice(0, records).filter(mayBeNews);
    if (candidates.length > 0 && isNews(candidates, devices())) told.push(isOnline(devices()));
  };
  for (const event of story) {
    clock += 1;
    if (event.type === "handle") {
      handle(event.records);
      continue;
    }
    const { type, device } = event;
    const row = rows.get(device);
    const onlineSince = row?.onlineSince ?? clock + event.skew;
    const now = { connectionId: `c${clock}`, onlineSince, lastSeenAt: clock };
    if (type === "connect" && row?.connectionId === undefined) {
      if (row) write(device, { ...row, ...now });
      else {
        write(device, { createdAt: clock, ...now, entering: true });
        write(device, { createdAt: clock, ...now });
      }
    } else if (type === "replace" && row?.connectionId !== undefined) write(device, { ...row, ...now });
    else if (type === "disconnect" && row?.connectionId !== undefined) {
      write(device, { createdAt: row.createdAt, lastSeenAt: clock });
    } else if (type === "remove" && row) write(device, undefined);
  }
  while (stream.length > 0) handle(1);
  return { told, truth: isOnline(devices()) };
}

test("[PRS1] whatever comes and goes, however late its records are read: the last that is told is the truth", () => {
  assert(
    property(events, (story) => {
      const { told, truth } = run(story);
      expect(told.at(-1)).toBe(truth);
    }),
    { numRuns: 20_000 },
  );
});

test("[PRS1] where each record is read before the next is written, only changes are told", () => {
  assert(
    property(array(deviceEvent, { maxLength: 24 }), (story) => {
      const { told } = run(
        // A new device is written twice: both records are read.
        story.flatMap((event) => [
          { ...event, skew: 0 },
          { type: "handle" as const, records: 2 },
        ]),
      );
      for (const [at, online] of told.entries()) if (at > 0) expect(online).toBe(!told[at - 1]);
    }),
    { numRuns: 5_000 },
  );
});

test("[PRS1] lastSeen is that of the device that was there last, absent while one is there, or without devices", () => {
  const device = (deviceId: string, lastSeenAt: number): SeenDevice => ({
    userId: "bob",
    deviceId,
    createdAt: 1,
    lastSeenAt,
  });
  const away = [device("a", 5), device("b", 9), device("c", 7)];
  expect(presenceOf("bob", away, true)).toEqual({ userId: "bob", online: false, lastSeen: 9 });
  expect(presenceOf("bob", away, false)).toEqual({ userId: "bob", online: false });
  expect(presenceOf("bob", [], true)).toEqual({ userId: "bob", online: false });
  const connection = { connectionId: "x", connectedAt: 5, tokenExpiresAt: 1 };
  expect(presenceOf("bob", [...away, { ...device("d", 5), connection }], true)).toEqual({
    userId: "bob",
    online: true,
  });
});

const privacies = ["everyone", "contacts", "nobody"] as const;

test("[PRS3] when they were there is shared by two or by neither, whoever looks; always with oneself", async () => {
  const others = privacies.flatMap((lastSeen) => [`${lastSeen} contact`, `${lastSeen} stranger`]);
  const areContacts = (a: string, b: string) =>
    `${a}${b}`.includes("contact ") || `${a}|${b}|`.includes("contact|");
  for (const own of privacies) {
    const privacy = (userId: string): Privacy => ({
      lastSeen: userId === "me" ? own : (privacies.find((choice) => userId.startsWith(choice)) ?? "nobody"),
      readReceipts: true,
    });
    const asked: string[] = [];
    const deps = {
      privacyOf: async () => privacy,
      contactsAmong: async (userId: string, of: readonly string[]) => {
        asked.push(...of);
        return new Set(of.filter((other) => areContacts(userId, other)));
      },
    };
    const shared = await lastSeenSharedWith(deps, "me", [...others, "me"]);
    expect(shared.has("me")).toBe(true);
    for (const other of others) {
      const back = await lastSeenSharedWith(deps, other, ["me"]);
      expect([other, shared.has(other)]).toEqual([other, back.has("me")]);
      const choices = [own, privacy(other).lastSeen];
      const expected =
        !choices.includes("nobody") && (!choices.includes("contacts") || other.endsWith("contact"));
      expect([own, other, shared.has(other)]).toEqual([own, other, expected]);
    }
    // Nobody is looked up for whom it does not matter.
    expect(asked.some((other) => other.startsWith("nobody"))).toBe(false);
  }
});
