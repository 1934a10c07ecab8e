/**
 * [CON6] [DEV1] What a device leaves when it is removed or forgotten: its cursors. They are listed first and the
 * device's row read then: if the device has come back, as a new one, what was raised since it did is its own.
 */
import type { DeviceRow } from "../stores/clients.ts";
import type { Cursor, DeviceKey } from "../stores/inbox.ts";

export interface ForgetDependencies {
  /** A device's cursors in the order of chatId, after one; fewer than the limit: the last. Read strongly. */
  readonly cursorsAfter: (device: DeviceKey, after: string | undefined, limit: number) => Promise<Cursor[]>;
  /** The device's row, read strongly. */
  readonly row: (device: DeviceKey) => Promise<DeviceRow | undefined>;
  /** Deletes a cursor if it is as it was read. */
  readonly removeCursor: (device: DeviceKey, cursor: Cursor) => Promise<unknown>;
}

/** Deletes at once: as many as fit into one round of calls. */
const cursorsPerPage = 50;

/** Deletes the cursors of a device's earlier life: all of them where the device is not there. */
export async function forgetCursors(deps: ForgetDependencies, device: DeviceKey): Promise<void> {
  let after: string | undefined;
  for (let more = true; more;) {
    const cursors = await deps.cursorsAfter(device, after, cursorsPerPage);
    if (cursors.length === 0) return;
    const row = await deps.row(device);
    const since = row && row.state !== "forgotten" ? row.createdAt : Infinity;
    const old = cursors.filter(({ at }) => at < since);
    await Promise.all(old.map(async (cursor) => await deps.removeCursor(device, cursor)));
    after = cursors.at(-1)?.chatId;
    more = cursors.length === cursorsPerPage;
  }
}
