/** Bugs planted in a copy of the sources, to see whether the harness finds them. The checkout is never changed. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface Plant {
  readonly name: string;
  /** What a careless hand would have done. */
  readonly bug: string;
  readonly file: string;
  /** Text of the file, which must be there exactly once, and what takes its place. */
  readonly replace: readonly (readonly [string, string])[];
  /** What finds it: the race of this name. @default - the seeds */
  readonly race?: string;
}

export const plants: readonly Plant[] = [
  {
    name: "ack-before-write",
    bug: "SUCCESS is sent without waiting for the write that makes the message durable",
    file: "lambdas/stores/messages.ts",
    replace: [
      [
        "    return (await refusedByCondition(this.#client.send(put))) === undefined;\n",
        "    void refusedByCondition(this.#client.send(put)).catch(() => {});\n    return true;\n",
      ],
    ],
  },
  {
    name: "unconditional-cursor",
    bug: "an acknowledgement writes the cursor without looking at where it stands",
    file: "lambdas/stores/inbox.ts",
    replace: [["      ConditionExpression: condition,\n", ""]],
  },
  {
    name: "failed-push-forgotten",
    bug: "what the direct lane could not push is left to lie until its device asks",
    file: "lambdas/delivery/safety-net.ts",
    replace: [["  if (jobs.length > 0) await deps.sendJobs(jobs);\n", "  void jobs;\n"]],
  },
  {
    name: "removed-still-told",
    bug: "who has left is told of what is said in the group afterwards",
    file: "lambdas/stores/shared-state.ts",
    replace: [
      [
        "): boolean => isFor(state, userId, entry.seq) ||",
        "): boolean => state.leavers.some((one) => one.userId === userId) || isFor(state, userId, entry.seq) ||",
      ],
    ],
    race: "removal against send",
  },
  {
    name: "removal-unchecked",
    bug: "who was a member once may write",
    file: "lambdas/log/writer.ts",
    replace: [
      ['return failure("not_a_member", "chatId: you are no longer in this chat");', "return undefined;"],
    ],
    race: "removal against send",
  },
  {
    name: "sync-ignores-leaving",
    bug: "sync looks at where a member began and not at where it ended",
    file: "lambdas/inbox/sync.ts",
    replace: [
      [
        "const sees = (seq: number) => seesSeq(mine, seq);",
        "const sees = (seq: number) => seq >= mine.joinedSeq;",
      ],
    ],
    race: "removal against send",
  },
  {
    name: "joiner-sees-all",
    bug: "who joins is given the group from its beginning",
    file: "lambdas/chats/members.ts",
    replace: [["            joinedSeq: from,\n", "            joinedSeq: 1,\n"]],
    race: "join against send",
  },
  {
    name: "no-successor",
    bug: "the last admin may leave, and nobody follows",
    file: "lambdas/chats/members.ts",
    replace: [["if (hasAdmin || heir === undefined)", 'if (hasAdmin || heir !== "")']],
    race: "all admins leaving at once",
  },
  {
    name: "unblocking-shows-all",
    bug: "who unblocks is shown what was kept from it",
    file: "lambdas/blocking/block.ts",
    replace: [["periods: begun(mine, lastSeq + 1),", "periods: begun(mine, mine.leftSeq + 1),"]],
    race: "block against send",
  },
  {
    name: "hidden-still-shown",
    bug: "the history shows what its reader has deleted for itself",
    file: "lambdas/chats/history.ts",
    replace: [["if (!member.hides || seen.length === 0) return seen;", "if (seen.length >= 0) return seen;"]],
  },
  {
    name: "timer-forgotten",
    bug: "a message is kept for ever, whatever the chat's timer says",
    file: "lambdas/log/send.ts",
    replace: [["{ keptMs: state.disappearAfterMs }", "{}"]],
  },
  {
    name: "reads-told",
    bug: "receipts tell what was read, whoever hides it",
    file: "lambdas/receipts/tell-receipts.ts",
    replace: [["(await deps.hidingReads([...members.keys()])).size > 0", "members.size < 0"]],
  },
  {
    name: "typing-to-the-typist",
    bug: "who types is told of it on its own devices",
    file: "lambdas/typing/set-typing.ts",
    replace: [[".filter((member) => member !== userId)", ""]],
  },
  {
    name: "presence-as-recorded",
    bug: "watchers are not told that somebody has gone",
    file: "lambdas/presence/tell-watchers.ts",
    replace: [["if (!isNews(candidates, devices)) return;", "if (!isOnline(devices)) return;"]],
  },
];

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The assembly of the sources with a bug in them. Throws when the text that the bug replaces is not there once. */
export async function plantedAssembly(plant: Plant): Promise<AsyncDisposable & { readonly folder: string }> {
  const copy = await mkdtemp(join(tmpdir(), "tidings-planted-"));
  for (const name of [
    "bin",
    "lib",
    "lambdas",
    "protocol",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "cdk.json",
  ])
    await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const file = join(copy, plant.file);
  let text = await readFile(file, "utf8");
  for (const [from, to] of plant.replace) {
    const found = text.split(from).length - 1;
    if (found !== 1) throw new Error(`${plant.name}: ${plant.file} has ${found} times: ${from}`);
    text = text.replace(from, () => to);
  }
  await writeFile(file, text);
  const folder = join(copy, "cdk.out");
  await promisify(execFile)(process.execPath, [join(copy, "bin/app.ts")], {
    cwd: copy,
    env: { ...process.env, CDK_OUTDIR: folder },
  });
  return { folder, [Symbol.asyncDispose]: async () => await rm(copy, { recursive: true, force: true }) };
}
