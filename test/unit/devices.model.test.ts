/** The races of devices that come and go, in every order of their steps. */
import { expect, test } from "vitest";
import { connect, type ConnectDependencies } from "../../lambdas/connections/connect.ts";
import { forgetCursors } from "../../lambdas/connections/forget-cursors.ts";
import type { Connection, DeviceRow } from "../../lambdas/stores/clients.ts";
import type { Cursor, DeviceKey } from "../../lambdas/stores/inbox.ts";
import { type Actor, everyInterleaving, type Step } from "./interleavings.ts";

const userId = "alice";
const nextConnection = (connectionId: string, connectedAt = 1): Connection => ({
  connectionId,
  connectedAt,
  tokenExpiresAt: 9_999,
});

/** A user's devices, as the table keeps them, and the rule that they must hold at every moment. */
class Devices {
  readonly rows = new Map<string, DeviceRow>();
  readonly closed: string[] = [];
  /** Connections whose handshake said that they are served. */
  readonly served: string[] = [];
  readonly limit: number;

  constructor(limit: number, known: readonly string[] = []) {
    this.limit = limit;
    for (const deviceId of known) {
      this.rows.set(deviceId, { userId, deviceId, createdAt: 0, lastSeenAt: 0, state: "known" });
    }
  }

  get known(): string[] {
    return [...this.rows.values()].filter(({ state }) => state === "known").map(({ deviceId }) => deviceId);
  }

  #put(row: DeviceRow): void {
    this.rows.set(row.deviceId, row);
    expect(this.known.length).toBeLessThanOrEqual(this.limit);
  }

  #isAsSeen(deviceId: string, seen: DeviceRow | undefined): boolean {
    const row = this.rows.get(deviceId);
    return (
      row?.createdAt === seen?.createdAt && row?.connection?.connectionId === seen?.connection?.connectionId
    );
  }

  dependencies(step: Step): ConnectDependencies {
    return {
      devicesPerUser: this.limit,
      find: async ({ deviceId }) => await step(() => this.rows.get(deviceId)),
      connect: async (seen, connection) =>
        await step(() => {
          if (!this.#isAsSeen(seen.deviceId, seen)) return false;
          this.#put({ ...seen, connection });
          return true;
        }),
      enter: async ({ deviceId }, connection, seen) =>
        await step(() => {
          if (!this.#isAsSeen(deviceId, seen)) return false;
          const at = connection.connectedAt;
          const times = { createdAt: at, lastSeenAt: at };
          this.#put({ userId, deviceId, ...times, state: "entering", connection });
          return true;
        }),
      devicesOf: async () => await step(() => [...this.rows.values()]),
      admit: async ({ deviceId }, connectionId) =>
        await step(() => {
          const row = this.rows.get(deviceId);
          if (row?.connection?.connectionId !== connectionId) return false;
          this.#put({ ...row, state: "known" });
          return true;
        }),
      withdraw: async ({ deviceId }, connectionId) =>
        await step(() => {
          const row = this.rows.get(deviceId);
          if (row?.connection?.connectionId === connectionId && row.state === "entering") {
            this.rows.delete(deviceId);
          }
        }),
      replace: async (connectionId) => await step(() => void this.closed.push(connectionId)),
      // One that would try again gives up here, so that the orders have an end.
      pause: async () => await Promise.reject(new GaveUp()),
      random: () => 0,
    };
  }

  handshake(deviceId: string, connectionId: string, connectedAt: number, mayCrash = true): Actor {
    return {
      name: connectionId,
      mayCrash,
      run: async (step) => {
        const connection = nextConnection(connectionId, connectedAt);
        try {
          const admission = await connect(this.dependencies(step), { userId, deviceId }, connection);
          if (admission === "served") this.served.push(connectionId);
        } catch (error) {
          if (!(error instanceof GaveUp)) throw error;
        }
      },
    };
  }
}

class GaveUp extends Error {}

test("[CON6] two new devices where one has room: in every order, crashes included, never more known than allowed", async () => {
  let admitted = 0;
  const orders = await everyInterleaving(() => {
    const devices = new Devices(2, ["phone"]);
    return {
      actors: [devices.handshake("tablet", "t1", 1), devices.handshake("laptop", "l1", 2)],
      check: () => {
        expect(devices.known).toContain("phone");
        admitted += devices.known.length - 1;
      },
    };
  });
  expect(orders).toBeGreaterThan(500);
  expect(admitted).toBeGreaterThan(orders / 4);
});

test("[CON5] [CON6] two handshakes of one new device at once: it is known by the one that was let in last", async () => {
  let admitted = 0;
  const orders = await everyInterleaving(() => {
    const devices = new Devices(2, ["phone"]);
    return {
      actors: [devices.handshake("tablet", "t1", 1, false), devices.handshake("tablet", "t2", 2, false)],
      check: () => {
        const tablet = devices.rows.get("tablet");
        if (!tablet) return;
        expect(tablet.state).toBe("known");
        // Who is served and not the one that the device has was closed; that one was not.
        const own = tablet.connection?.connectionId ?? "";
        expect(devices.served).toContain(own);
        expect(devices.closed).not.toContain(own);
        for (const served of devices.served) expect([own, ...devices.closed]).toContain(served);
        admitted += 1;
      },
    };
  });
  expect(orders).toBeGreaterThan(100);
  expect(admitted).toBe(orders);
});

const device: DeviceKey = { userId, deviceId: "tablet" };

test("[CON6] [DEV2] cursors of a device that comes back while they are deleted: the old ones go, its own stay, in every order", async () => {
  const createdAt = 100;
  const orders = await everyInterleaving(() => {
    const cursors = new Map<string, Cursor>([
      ["a", { chatId: "a", ackedSeq: 7, at: 10 }],
      ["b", { chatId: "b", ackedSeq: 8, at: 11 }],
    ]);
    let row: DeviceRow | undefined;
    const forgetter: Actor = {
      name: "forgetter",
      run: async (step) =>
        await forgetCursors(
          {
            cursorsAfter: async (_, after, limit) =>
              await step(() =>
                [...cursors.values()]
                  .filter(({ chatId }) => after === undefined || chatId > after)
                  .toSorted((x, y) => (x.chatId < y.chatId ? -1 : 1))
                  .slice(0, limit),
              ),
            row: async () => await step(() => row),
            removeCursor: async (_, cursor) =>
              await step(() => {
                const now = cursors.get(cursor.chatId);
                if (now?.at === cursor.at && now.ackedSeq === cursor.ackedSeq) cursors.delete(cursor.chatId);
              }),
          },
          device,
        ),
    };
    const comesBack: Actor = {
      name: "device",
      run: async (step) => {
        await step(() => (row = { ...device, createdAt, lastSeenAt: createdAt, state: "entering" }));
        await step(() => row && (row = { ...row, state: "known" }));
        await step(() => cursors.set("a", { chatId: "a", ackedSeq: 9, at: createdAt + 5 }));
        await step(() => cursors.set("c", { chatId: "c", ackedSeq: 1, at: createdAt + 6 }));
      },
    };
    return {
      actors: [forgetter, comesBack],
      check: () => {
        expect([...cursors.keys()].toSorted()).toEqual(["a", "c"]);
        expect(cursors.get("a")?.ackedSeq).toBe(9);
      },
    };
  });
  expect(orders).toBeGreaterThan(100);
});
