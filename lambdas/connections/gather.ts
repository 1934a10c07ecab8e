import { setTimeout as pause } from "node:timers/promises";

/**
 * Sends together what is handed in within a moment: a request to a queue takes ten messages at the price of one.
 * @returns resolves, for everyone whose items were in it, when what was gathered is sent; rejects when it is not
 */
export function gather<T>(
  send: (items: readonly T[]) => Promise<void>,
  waitMs: number,
): (items: readonly T[]) => Promise<void> {
  let open: { readonly items: T[]; readonly sent: Promise<void> } | undefined;
  const begin = () => {
    const items: T[] = [];
    const sent = pause(waitMs).then(async () => {
      open = undefined;
      await send(items);
    });
    return { items, sent };
  };
  return async (items) => {
    open ??= begin();
    open.items.push(...items);
    await open.sent;
  };
}
