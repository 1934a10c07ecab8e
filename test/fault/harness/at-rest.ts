/** What every device and user is told at rest: the last sync, the list, the history, who is in which group. */
import type { DeviceEnd, ListedChat, UserEnd } from "./case.ts";
import type { Device } from "./device.ts";
import type { Witness } from "./evidence.ts";
import type { SeenEntry } from "./history.ts";
import type { WorldChat } from "./sight.ts";
import { entriesOf } from "./wire.ts";

/** Devices or users asked at once. */
const atOnce = 24;

/** The devices and chats that are asked. */
export interface Cast {
  readonly actors: readonly { readonly device: Device }[];
  readonly chats: readonly WorldChat[];
  /** The same, with the users' own logs. */
  readonly world: readonly WorldChat[];
  readonly deviceOf: (userId: string) => Device;
}

export class DetailsReader {
  readonly #scene: Cast;
  readonly #witness: Witness;
  readonly #pageEntries: number;

  constructor(scene: Cast, witness: Witness, pageEntries: number) {
    this.#scene = scene;
    this.#witness = witness;
    this.#pageEntries = pageEntries;
  }

  /** @param unasked by device, what it had before anything was asked for */
  async devices(unasked: ReadonlyMap<string, NonNullable<DeviceEnd["hadUnasked"]>>): Promise<DeviceEnd[]> {
    const { world } = this.#scene;
    const ends = await inTurns(this.#scene.actors, async ({ device }) => {
      const mine = world.filter(({ users }) => users.includes(device.userId));
      return await this.#endOf(
        device,
        mine.map(({ chatId }) => chatId),
        unasked.get(device.name),
      );
    });
    // Lists last: what one device acknowledges may show in another's.
    return await inTurns(this.#scene.actors, async ({ device }, at) => {
      const listed = await device.query("listChats", { limit: 100 });
      const list = (listed?.["chats"] ?? []) as ListedChat[];
      return { ...(ends[at] as DeviceEnd), list };
    });
  }

  async users(): Promise<UserEnd[]> {
    const asked = this.#scene.chats.flatMap((chat) => chat.users.map((userId) => ({ chat, userId })));
    return await inTurns(asked, async ({ chat: { chatId }, userId }) => {
      const device = this.#scene.deviceOf(userId);
      const history = await this.#historyOf(device, chatId);
      const at = performance.now();
      const details = await device.query("getChat", { chatId });
      return {
        userId,
        chatId,
        at,
        ...(history !== undefined && { history }),
        ...(details !== undefined && { details }),
      };
    });
  }

  async #endOf(
    device: Device,
    chats: readonly string[],
    hadUnasked: DeviceEnd["hadUnasked"],
  ): Promise<DeviceEnd> {
    const read = async (): Promise<Map<string, number>> =>
      new Map(
        await Promise.all(
          chats.map(async (id) => [id, await this.#witness.cursor(device.name, id)] as const),
        ),
      );
    const cursors = await read();
    const lastSync = await device.sync();
    device.closeGaps();
    await device.acknowledgeAll();
    const afterAll = await device.sync();
    const { name, userId, openLinks } = device;
    const finalCursors = await read();
    return {
      name,
      userId,
      chats,
      lastSync,
      cursors,
      afterAll,
      finalCursors,
      openLinks,
      ...(hadUnasked !== undefined && { hadUnasked }),
    };
  }

  /** Undefined where it is refused. */
  async #historyOf(device: Device, chatId: string): Promise<SeenEntry[] | undefined> {
    const entries: SeenEntry[] = [];
    for (;;) {
      const after = entries.at(-1)?.seq ?? 0;
      const page = await device.query("getHistory", { chatId, limit: this.#pageEntries, after });
      if (page === undefined) return after === 0 ? undefined : entries;
      entries.push(...entriesOf(page));
      if (page["complete"] === true) return entries;
      if (entriesOf(page).length === 0) throw new Error("a page of the history is empty and not complete");
    }
  }
}

/** Some at a time, answers in order. */
async function inTurns<T, R>(items: readonly T[], work: (item: T, at: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = (next += 1) - 1; at < items.length; at = (next += 1) - 1) {
      const item = items[at];
      if (item !== undefined) results[at] = await work(item, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
