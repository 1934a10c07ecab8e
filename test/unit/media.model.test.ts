/** A file that is sent on while the message that carried it is deleted, in every order of the steps. [MED3] [MED4] */
import { expect, test } from "vitest";
import type { Entry } from "../../lambdas/log/entry.ts";
import type { AttachmentJob } from "../../lambdas/media/job.ts";
import { settle, type SettleDependencies } from "../../lambdas/media/settle.ts";
import { verify, type VerifyDependencies } from "../../lambdas/media/verify.ts";
import type { MessageName, Upload } from "../../lambdas/stores/attachments.ts";
import type { Membership } from "../../lambdas/stores/membership-items.ts";
import { type Actor, everyInterleaving, type Step } from "./interleavings.ts";

const attachmentId = "file";
const chatId = "chat";
const file = { attachmentId, kind: "image", contentType: "image/png", size: 3, sha256: "x" } as const;
const first: MessageName = { chatId, userId: "alice", clientMessageId: "first" };
const second: MessageName = { chatId, userId: "alice", clientMessageId: "second" };
const jobOf = (message: MessageName, seq: number, gone: boolean): AttachmentJob => ({
  ...message,
  seq,
  attachmentIds: [attachmentId],
  gone,
});

const upload: Upload = {
  attachmentId,
  ownerId: "alice",
  chatId,
  contentType: file.contentType,
  size: file.size,
  sha256: file.sha256,
  checksum: "sum",
  createdAt: 0,
};

/** A chat whose first entry carries the file, as its job has found it. */
class World {
  readonly log = new Map<number, Entry>();
  readonly refs = new Map<string, "carries" | "holds">([["first", "carries"]]);
  readonly later: AttachmentJob[] = [];
  hasUpload = true;
  hasFile = true;

  constructor() {
    this.store(first, 1);
  }

  store({ userId, clientMessageId }: MessageName, seq: number): void {
    const id = { chatId, seq, userId, clientMessageId, deviceId: "d", messageId: clientMessageId };
    const base = { kind: "message", text: "", sentAt: 0, lane: "direct", stateSeq: 0 } as const;
    this.log.set(seq, { ...base, ...id, attachments: [file] });
  }

  delete(seq: number): void {
    const entry = this.log.get(seq);
    if (entry?.kind !== "message") return;
    const { attachments: _, ...rest } = entry;
    this.log.set(seq, { ...rest, deleted: { seq: seq + 100, at: 0 } });
  }

  verifying(step: Step): VerifyDependencies {
    const { refs } = this;
    return {
      hold: async (_, { clientMessageId }) =>
        await step(() => {
          if (this.refs.get(clientMessageId) !== "carries") this.refs.set(clientMessageId, "holds");
        }),
      upload: async () => await step(() => (this.hasUpload ? upload : undefined)),
      carriers: async function* (this: void) {
        yield await step(() => (refs.get("first") === "carries" ? [{ chatId, seq: 1 }] : []));
      },
      hiddenIn: async () => [],
      file: async () =>
        await step(() => (this.hasFile ? { ...file, encoding: "", checksum: "sum" } : undefined)),
      memberships: async () => new Map([[chatId, { joinedSeq: 1 } as Membership]]),
      entries: async (slots) => await step(() => slots.flatMap(({ seq }) => this.log.get(seq) ?? [])),
      now: () => 0,
    };
  }

  settling(step: Step): SettleDependencies {
    return {
      entry: async (_, seq) => await step(() => this.log.get(seq)),
      addCarrier: async (_, { clientMessageId }) =>
        await step(() => void this.refs.set(clientMessageId, "carries")),
      removeCarrier: async (_, { clientMessageId }) =>
        await step(() => void this.refs.delete(clientMessageId)),
      keptBy: async () =>
        await step(() => {
          const kinds = [...this.refs.values()];
          if (kinds.includes("carries")) return "carriers";
          return kinds.length > 0 ? "holds" : "nothing";
        }),
      removeUpload: async () => await step(() => void (this.hasUpload = false)),
      keep: async () => await step(() => true),
      removeFile: async () => await step(() => void (this.hasFile = false)),
      later: async (job) => await step(() => void this.later.push(job)),
      now: () => 0,
    };
  }

  isCarried(seq: number): boolean {
    const entry = this.log.get(seq);
    return entry?.kind === "message" && entry.attachments !== undefined;
  }
}

const deleting = (world: World): Actor => ({
  name: "deletion",
  run: async (step) => {
    await step(() => world.delete(1));
    await settle(world.settling(step), jobOf(first, 1, true));
  },
});

const sending = (world: World, how: object): Actor => ({
  name: "send",
  mayCrash: true,
  run: async (step) => {
    const verified = await verify(world.verifying(step), second, [{ attachmentId, kind: "image", ...how }]);
    if (!verified.ok) return;
    await step(() => world.store(second, 2));
    await settle(world.settling(step), jobOf(second, 2, false));
  },
});

test.each([
  ["forwarded from the entry", { from: { chatId, seq: 1 } }],
  ["sent a second time by its uploader", {}],
])(
  "a file %s is there for who carries it, however its first message is deleted meanwhile",
  async (_, how) => {
    let carried = 0;
    const orders = await everyInterleaving(() => {
      const world = new World();
      return {
        actors: [sending(world, how), deleting(world)],
        check: (trace) => {
          const story = trace.join(", ");
          if (world.isCarried(2)) {
            carried += 1;
            expect(world.hasFile, story).toBe(true);
            return;
          }
          // Gone; or held for one who died, and looked at again by a job.
          expect(
            !world.hasFile || (world.refs.get("second") === "holds" && world.later.length > 0),
            story,
          ).toBe(true);
        },
      };
    });
    expect(orders).toBeGreaterThan(400);
    expect(carried).toBeGreaterThan(100);
  },
);

test("the jobs of a message that was stored and deleted leave nothing, in whatever order they come", async () => {
  await everyInterleaving(() => {
    const world = new World();
    world.refs.clear();
    const stored: Actor = {
      name: "stored",
      run: async (step) => await settle(world.settling(step), jobOf(first, 1, false)),
    };
    return {
      actors: [stored, deleting(world)],
      check: (trace) => {
        expect([world.hasFile, world.refs.size], trace.join(", ")).toEqual([false, 0]);
      },
    };
  });
});

test("[MED4] [DLV6] a forwarded file is there though its first message goes, and its own job is sent again a day later", async () => {
  const hourMs = 3_600_000;
  const world = new World();
  const step: Step = async (action) => await Promise.resolve(action());
  let [now, heldUntil] = [0, 0];
  const hold: VerifyDependencies["hold"] = async (id, message, until) => {
    heldUntil = until;
    await world.verifying(step).hold(id, message, until);
  };
  const forwarded = { attachmentId, kind: "image", from: { chatId, seq: 1 } } as const;
  await verify({ ...world.verifying(step), hold, now: () => now }, second, [forwarded]);
  world.store(second, 2);

  const settling = world.settling(step);
  const keptBy: SettleDependencies["keptBy"] = async (id, at) => {
    if (at >= heldUntil && world.refs.get("second") === "holds") world.refs.delete("second");
    return await settling.keptBy(id, at);
  };
  const deps = { ...settling, keptBy, now: () => now };
  now = 23 * hourMs;
  world.delete(1);
  await settle(deps, jobOf(first, 1, true));
  now = 24 * hourMs;
  await settle(deps, jobOf(second, 2, false));
  expect([world.isCarried(2), world.hasFile]).toEqual([true, true]);
});

test("[MED5] a file that nobody has scanned is looked at every quarter of an hour, and after an hour its job fails", async () => {
  const world = new World();
  let isScanned = false;
  const deps: SettleDependencies = {
    ...world.settling(async (action) => await Promise.resolve(action())),
    keep: async () => await Promise.resolve(isScanned),
  };
  const two = { ...jobOf(first, 1, false), attachmentIds: [attachmentId, attachmentId] };
  await settle(deps, two);
  expect(world.later).toEqual([1, 2].map(() => ({ ...jobOf(first, 1, false), waits: 1 })));
  let job = world.later.pop();
  for (let waits = 2; waits <= 4; waits += 1) {
    if (!job) throw new Error("not looked at again");
    await settle(deps, job);
    job = world.later.pop();
    expect(job).toMatchObject({ waits });
  }
  if (!job) throw new Error("not looked at again");
  await expect(settle(deps, job)).rejects.toThrow("not been scanned");
  // Sent again by an operator who has mended the scanner, it ends; and so it does once nothing carries the file.
  isScanned = true;
  await settle(deps, job);
  isScanned = false;
  world.delete(1);
  await settle(deps, job);
  expect(world.hasFile).toBe(false);
});
