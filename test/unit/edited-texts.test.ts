import { expect, test } from "vitest";
import { deliver } from "../../lambdas/delivery/deliver.ts";
import { jobsFor } from "../../lambdas/delivery/fan-out.ts";
import type { Recipient } from "../../lambdas/delivery/job.ts";
import { settled } from "../../lambdas/log/edited-texts.ts";
import { type ChangeEntry, type MessageEntry, toFrame } from "../../lambdas/log/entry.ts";
import type { SharedState } from "../../lambdas/stores/shared-state.ts";

const base = {
  chatId: "chat",
  userId: "alice",
  deviceId: "d",
  lane: "both",
  sentAt: 5,
  stateSeq: 1,
} as const;
const message: MessageEntry = {
  kind: "message",
  ...base,
  seq: 3,
  messageId: "m",
  clientMessageId: "c",
  text: "second secret",
  firstText: "first secret",
  edits: [{ seq: 4, at: 5 }],
  reactions: [{ userId: "bob", emoji: "👍", seq: 5 }],
};
const edit: ChangeEntry = {
  kind: "change",
  ...base,
  seq: 4,
  change: { type: "messageEdited", target: 3, message: "second secret" },
  participants: ["alice"],
};
const other: ChangeEntry = {
  ...edit,
  seq: 6,
  change: { type: "messageEdited", target: 2, message: "other" },
};
const deletion: ChangeEntry = {
  ...edit,
  seq: 7,
  sentAt: 9,
  change: { type: "messageDeleted", target: 3 },
};

test("[EDT1] a read that saw the message and its edit just before their deletion, and the deletion, shows no text of them", () => {
  const frames = settled([message, edit, other, deletion]).map((entry) => toFrame(entry));
  expect(JSON.stringify(frames)).not.toContain("secret");
  expect(frames).toMatchObject([
    { seq: 3, message: "", deletedAt: 9 },
    { seq: 4, change: { target: 3, message: null } },
    { seq: 6, change: { target: 2, message: "other" } },
    { seq: 7 },
  ]);
  expect(frames[0]).not.toHaveProperty("reactions");
  const untouched = [message, edit, other];
  expect(settled(untouched)).toEqual(untouched);
});

test("[EDT2] [DLV1] an edit is pushed to all, and without its text to who may not see its message", async () => {
  const recipient = (userId: string): Recipient => ({
    userId,
    deviceId: "phone",
    connectionId: userId,
    connectedAt: 0,
    tokenExpiresAt: 1_000,
  });
  const state: SharedState = {
    chatId: "chat",
    type: "group",
    stateSeq: 1,
    expires: false,
    members: new Map([
      ["bob", { role: "member", from: 1 }],
      ["carol", { role: "member", from: 4 }],
      ["dave", { role: "member", from: 5 }],
    ]),
    leavers: [],
    hidden: new Map(),
  };
  const jobs = jobsFor(state, [edit, other], ["bob", "carol", "dave"].map(recipient), false);
  expect(jobs).toMatchObject([{ seqs: [4, 6], to: [{}, { blind: [4, 6] }, { only: [6], blind: [6] }] }]);
  const pushed: unknown[] = [];
  for (const job of jobs) {
    await deliver(
      {
        entries: async () => [edit, other],
        cursors: async () => () => 0,
        post: async (userId, frame) => {
          const { seq, change } = JSON.parse(frame) as { seq: number; change: { message: unknown } };
          pushed.push([userId, seq, change.message]);
          return true;
        },
        forget: async () => {},
        sendJob: async () => {},
        onPostFailed: () => {},
        now: () => 1,
      },
      job,
      true,
    );
  }
  expect(new Set(pushed.map((one) => JSON.stringify(one)))).toEqual(
    new Set([
      '["bob",4,"second secret"]',
      '["bob",6,"other"]',
      '["carol",4,null]',
      '["carol",6,null]',
      '["dave",6,null]',
    ]),
  );
});
