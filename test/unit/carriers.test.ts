/** Who may download a file, by what the log and the user's own membership say. [MED3] */
import { expect, test } from "vitest";
import type { Entry } from "../../lambdas/log/entry.ts";
import { type DownloadDependencies, getAttachmentUrl } from "../../lambdas/media/download.ts";
import type { LogPosition } from "../../lambdas/stores/entry-items.ts";
import type { Membership } from "../../lambdas/stores/membership-items.ts";

const attachmentId = "file";
const chatId = "chat";
const now = 1_000_000;

const carrying = (seq: number, visibleUntil?: number): Entry => ({
  kind: "message",
  chatId,
  seq,
  userId: "alice",
  deviceId: "d",
  clientMessageId: `c${seq}`,
  messageId: `m${seq}`,
  text: "",
  sentAt: 0,
  lane: "direct",
  stateSeq: 0,
  attachments: [{ attachmentId, kind: "image", contentType: "image/png", size: 3, sha256: "x" }],
  ...(visibleUntil !== undefined && { visibleUntil }),
});

interface Scene {
  readonly entries: readonly Entry[];
  /** Pages of seqs of known carriers. */
  readonly pages: readonly (readonly number[])[];
  readonly membership?: Partial<Membership>;
  readonly hidden?: readonly number[];
}

/** A link for bob, and how many pages of carriers it took. */
async function link({ entries, pages, membership = {}, hidden = [] }: Scene) {
  let read = 0;
  const mine = { chatId, participantId: "bob", joinedSeq: 1, ...membership } as Membership;
  const deps: DownloadDependencies = {
    memberships: async () => await Promise.resolve(new Map([[chatId, mine]])),
    entries: async (slots) =>
      await Promise.resolve(entries.filter(({ seq }) => slots.some((slot) => slot.seq === seq))),
    newest: async () => await Promise.resolve([]),
    carriers: async function* (): AsyncGenerator<LogPosition[], void> {
      for (const seqs of pages) {
        read += 1;
        yield await Promise.resolve(seqs.map((seq) => ({ chatId, seq })));
      }
    },
    hiddenIn: async (_, __, from, to) =>
      await Promise.resolve(hidden.filter((seq) => from <= seq && seq <= to)),
    bucket: {
      presignGet: () => "https://bucket",
      tags: async () => await Promise.reject(new Error("not scanned here")),
    },
    scan: false,
    now: () => now,
  };
  const outcome = await getAttachmentUrl(deps, { command: "getAttachmentUrl", chatId, attachmentId }, "bob");
  return { answer: outcome.ok ? "link" : outcome.error.code, read };
}

test("[MED3] [EDT6] a message that has disappeared gives no link, however long its row and its file stay", async () => {
  const entries = [carrying(1, now)];
  expect(await link({ entries, pages: [[1]] })).toMatchObject({ answer: "not_found" });
  const still = [...entries, carrying(2, now + 1)];
  expect(await link({ entries: still, pages: [[1, 2]] })).toMatchObject({ answer: "link" });
});

test("[MED3] [CHT6] carriers are looked through page by page, until one is found that the user may see", async () => {
  const entries = [1, 2, 3, 4].map((seq) => carrying(seq));
  const pages = [[1, 2], [3], [4], [4]];
  expect(await link({ entries, pages, membership: { joinedSeq: 4 } })).toEqual({ answer: "link", read: 3 });
  expect(await link({ entries, pages })).toEqual({ answer: "link", read: 1 });
  const never = await link({ entries, pages, membership: { joinedSeq: 5 } });
  expect(never).toEqual({ answer: "not_found", read: 4 });
});

test("[MED3] [EDT1] what the user has deleted for itself gives no link, and is asked of only who has deleted something", async () => {
  const entries = [carrying(1), carrying(2)];
  const scene = { entries, pages: [[1, 2]], hidden: [1, 2] };
  expect(await link({ ...scene, membership: { hides: true } })).toMatchObject({ answer: "not_found" });
  expect(await link({ ...scene, membership: { hides: true }, hidden: [1] })).toMatchObject({
    answer: "link",
  });
  expect(await link(scene)).toMatchObject({ answer: "link" });
});
