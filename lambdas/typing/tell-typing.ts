/** [PRS4] [BLK1] A typing event to the connected devices of the other members; once at best ([DLV7]). */
import type { TypingFrame } from "../../protocol/frames.ts";
import { connectionsOf } from "../delivery/recipients.ts";
import type { Apart } from "../stores/blocks.ts";
import type { Device } from "../stores/clients.ts";
import type { Recently } from "./recently.ts";
import type { TypingJob } from "./typing-job.ts";

export interface TellTypingDependencies {
  /** What this environment has told: the queue's own stretches of time begin and end wherever the clock has them. */
  readonly recently: Recently;
  readonly devicesOf: (userId: string) => Promise<Device[]>;
  /** [BLK1] Tells of each of these pairs whether a block stands between the two. */
  readonly apart: (pairs: readonly (readonly [string, string])[]) => Promise<Apart>;
  /** Posts a frame; never rejects, and soon resolves. */
  readonly post: (connectionId: string, frame: string) => Promise<void>;
  readonly now: () => number;
}

/** Milliseconds after which nobody wants to know it any more. */
export const freshMs = 5_000;

export async function tellTyping(deps: TellTypingDependencies, job: TypingJob): Promise<void> {
  const { chatId, userId, typing, to, at } = job;
  if (deps.now() - at > freshMs) return;
  if (!deps.recently.isFirst(`${chatId} ${userId} ${typing}`, at)) return;
  const devices = await Promise.all(to.map(async (member) => await deps.devicesOf(member)));
  const connected = connectionsOf(devices.flat(), deps.now());
  if (connected.length === 0) return;
  const listeners = [...new Set(connected.map((device) => device.userId))];
  const areApart = await deps.apart(listeners.map((listener) => [userId, listener]));
  const frame = JSON.stringify({ command: "typing", chatId, userId, typing } satisfies TypingFrame);
  await Promise.all(
    connected
      .filter((device) => !areApart(userId, device.userId))
      .map(async ({ connectionId }) => await deps.post(connectionId, frame)),
  );
}
