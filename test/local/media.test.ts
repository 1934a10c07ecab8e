/** What becomes of attachments as time passes, and where they are scanned: the real template, its clock moved. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, expect, test } from "vitest";
import { synthesize } from "../../local/start/synthesize.ts";
import {
  announced,
  download,
  getTarget,
  linkTo,
  newImage,
  partsOf,
  put,
  refusal,
  refusalToSend,
  sendImage,
  sendWith,
  sha256,
  upload,
} from "../e2e/media-support.ts";
import { type Client, connect, newUser } from "../e2e/client.ts";
import { until } from "../support/eventually.ts";
import { withoutAction } from "../support/platform.ts";
import { startTidings, type Tidings } from "../support/tidings.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const folder = mkdtempSync(join(tmpdir(), "tidings-media-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The bucket as its operator sees it. */
function operatorOf({ platform }: Tidings) {
  const { accessKeyId, secretAccessKey, sessionToken } = platform.operator;
  const s3 = new S3Client({
    endpoint: platform.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId, secretAccessKey, sessionToken },
  });
  const Bucket = platform.outputs["MediaBucketName"] ?? "";
  const object = (attachmentId: string) => ({ Bucket, Key: `attachments/${attachmentId}` });
  return {
    isThere: async (attachmentId: string) => {
      try {
        await s3.send(new HeadObjectCommand(object(attachmentId)));
        return true;
      } catch (error) {
        if (error instanceof Error && error.name === "NotFound") return false;
        throw error;
      }
    },
    tags: async (attachmentId: string) => {
      const { TagSet = [] } = await s3.send(new GetObjectTaggingCommand(object(attachmentId)));
      return Object.fromEntries(TagSet.map(({ Key, Value }) => [Key, Value]));
    },
    /** What GuardDuty does when it has scanned an object, also for the second time: its tag beside the others. */
    scan: async (attachmentId: string, verdict: string) => {
      const { TagSet = [] } = await s3.send(new GetObjectTaggingCommand(object(attachmentId)));
      const scanned = { Key: "GuardDutyMalwareScanStatus", Value: verdict };
      const others = TagSet.filter(({ Key }) => Key !== scanned.Key);
      await s3.send(
        new PutObjectTaggingCommand({ ...object(attachmentId), Tagging: { TagSet: [...others, scanned] } }),
      );
    },
    uploads: async () => (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0,
  };
}

const clockOf = () => {
  let aheadMs = 0;
  return { now: () => Date.now() + aheadMs, move: (ms: number) => void (aheadMs += ms) };
};

test("[MED1] [MED3] a link for an upload and one for a download are of no use after a quarter of an hour", async () => {
  const clock = clockOf();
  await using tidings = await startTidings({ clock: clock.now });
  const { alice, bob, chatId } = await tidings.pair();
  const file = newImage();
  const { upload: target } = await getTarget(alice, chatId, file);
  const { attachmentId } = await sendImage(alice, chatId);
  const url = await linkTo(bob, chatId, attachmentId);
  clock.move(14.5 * 60_000);
  expect((await download(url)).status).toBe(200);
  clock.move(60_000);
  expect((await download(url)).status).toBe(403);
  expect(await put(target, file.bytes)).toBe(403);
  expect(tidings.lines.filter((line) => JSON.stringify(line).includes("X-Amz-Signature"))).toEqual([]);
});

test("[MED4] what was never sent is gone after a day, in parts or whole; what was sent stays", async () => {
  const clock = clockOf();
  await using tidings = await startTidings({ clock: clock.now });
  const operator = operatorOf(tidings);
  const { alice, chatId } = await tidings.pair();
  const unsent = await upload(alice, chatId, newImage());
  const big = newImage(17 * 1024 * 1024);
  await getTarget(alice, chatId, big, { partSha256s: partsOf(big.bytes).map(sha256) });
  const { attachmentId: sent } = await sendImage(alice, chatId);
  await until(async () => Object.keys(await operator.tags(sent)).length === 0);
  expect(await operator.tags(unsent)).toEqual({ unsent: "true" });
  expect(await operator.uploads()).toBe(1);

  clock.move(dayMs - 1);
  tidings.platform.objects.sweep();
  expect(await operator.isThere(unsent)).toBe(true);
  clock.move(dayMs + 1);
  tidings.platform.objects.sweep();
  expect([await operator.isThere(unsent), await operator.uploads()]).toEqual([false, 0]);
  clock.move(365 * dayMs);
  tidings.platform.objects.sweep();
  expect(await operator.isThere(sent)).toBe(true);
});

test("[MED4] [EDT6] a disappearing message takes its file with it", async () => {
  const clock = clockOf();
  await using tidings = await startTidings({ clock: clock.now });
  const operator = operatorOf(tidings);
  const { alice, chatId } = await tidings.pair();
  const stays = await sendImage(alice, chatId);
  await alice.ask("updateChat", { chatId, disappearAfterMs: hourMs });
  const goes = await sendImage(alice, chatId);
  await until(async () => Object.keys(await operator.tags(goes.attachmentId)).length === 0);
  clock.move(8 * dayMs);
  await until(async () => !(await operator.isThere(goes.attachmentId)));
  expect(await operator.isThere(stays.attachmentId)).toBe(true);
});

/** Connects when the platform's clock has moved on: the issuer's goes with it, the functions' does not. */
async function comeBack({ platform }: Tidings, userId: string): Promise<Client> {
  const token = await platform.issuer.token({ userId, notBefore: Math.floor(Date.now() / 1000) });
  return await connect(userId, { token, url: `${platform.webSocketUrl}?deviceId=phone` });
}

let scanningAssembly: Promise<string> | undefined;

/** The template of a stage that scans attachments. */
const scanning = async (): Promise<string> =>
  await (scanningAssembly ??= synthesize({
    projectDir: fileURLToPath(new URL("../..", import.meta.url)),
    context: { scanAttachments: "true" },
    outDir: join(folder, "scanning"),
    signal: new AbortController().signal,
  }));

test("[MED5] where attachments are scanned, one is had when it is found clean, and never when it is not", async () => {
  const clock = clockOf();
  await using tidings = await startTidings({ assemblyDir: await scanning(), clock: clock.now });
  const operator = operatorOf(tidings);
  const { alice, bob, chatId } = await tidings.pair();
  const laptop = await tidings.connect(alice.userId, "laptop");
  const clean = await sendImage(alice, chatId);
  const bad = await sendImage(alice, chatId);
  // One whose verdict is there before it is sent.
  const early = await upload(alice, chatId, newImage());
  await operator.scan(early, "NO_THREATS_FOUND");
  await sendWith(alice, chatId, [{ attachmentId: early, kind: "image" }]);
  await linkTo(bob, chatId, early);

  const request = { chatId, attachmentId: clean.attachmentId };
  const held = await bob.request("getAttachmentUrl", request);
  expect(held.error).toMatchObject({ code: "unavailable", retryAfterMs: 2_000 });
  await tidings.platform.idle();
  await operator.scan(clean.attachmentId, "NO_THREATS_FOUND");
  const { bytes } = await download(await linkTo(bob, chatId, clean.attachmentId));
  expect(sha256(bytes)).toBe(announced(clean.file).sha256);

  await operator.scan(bad.attachmentId, "THREATS_FOUND");
  const told = {
    command: "attachmentRejected",
    chatId,
    attachmentId: bad.attachmentId,
    reason: "harmful",
  };
  for (const device of [alice, laptop]) {
    expect(await device.waitFor(({ command }) => command === "attachmentRejected")).toEqual(told);
  }
  expect(bob.frames.filter(({ command }) => command === "attachmentRejected")).toEqual([]);
  const infected = { chatId, attachmentId: bad.attachmentId };
  expect(await refusal(bob, "getAttachmentUrl", infected)).toMatchObject({ code: "forbidden" });

  const verdict = { GuardDutyMalwareScanStatus: "NO_THREATS_FOUND" };
  for (const attachmentId of [clean.attachmentId, early])
    await expect.poll(async () => await operator.tags(attachmentId)).toEqual(verdict);
  clock.move(2 * dayMs);
  tidings.platform.objects.sweep();
  expect(await operator.isThere(clean.attachmentId)).toBe(true);
  expect(await operator.isThere(early)).toBe(true);
  expect(await operator.isThere(bad.attachmentId)).toBe(false);
  const later = await comeBack(tidings, bob.userId);
  expect(await refusal(later, "getAttachmentUrl", infected)).toMatchObject({ code: "not_found" });
});

test("[MED5] what the scanner could not look at is held and may be scanned again; what it cannot scan is refused; what is gone is not linked", async () => {
  const clock = clockOf();
  await using tidings = await startTidings({ assemblyDir: await scanning(), clock: clock.now });
  const operator = operatorOf(tidings);
  const { alice, bob, chatId } = await tidings.pair();
  const answer = async (attachmentId: string, reader = bob) => {
    const { error } = await reader.request("getAttachmentUrl", { chatId, attachmentId });
    return error && [error.code, error.retryAfterMs];
  };
  const verdicts = [
    ["FAILED", "notScanned", ["unavailable", 60_000]],
    ["ACCESS_DENIED", "notScanned", ["unavailable", 60_000]],
    ["UNSUPPORTED", "unscannable", ["forbidden", undefined]],
    ["SOMETHING_NEW", "unscannable", ["forbidden", undefined]],
  ] as const;
  const sent: string[] = [];
  for (const [verdict, reason, expected] of verdicts) {
    const { attachmentId } = await sendImage(alice, chatId);
    await operator.scan(attachmentId, verdict);
    const told = { command: "attachmentRejected", chatId, attachmentId, reason };
    expect(
      await alice.waitFor(
        (frame) => frame["attachmentId"] === attachmentId && frame.command === told.command,
      ),
    ).toEqual(told);
    expect(await answer(attachmentId)).toEqual(expected);
    sent.push(attachmentId);
  }
  const { attachmentId: silent } = await sendImage(alice, chatId);
  expect(await answer(silent)).toEqual(["unavailable", 2_000]);
  const [failed = "", denied = ""] = sent;
  await operator.scan(failed, "NO_THREATS_FOUND");
  expect(await answer(failed)).toBeUndefined();
  const clean = { GuardDutyMalwareScanStatus: "NO_THREATS_FOUND" };
  await expect.poll(async () => await operator.tags(failed)).toEqual(clean);

  clock.move(2 * dayMs);
  tidings.platform.objects.sweep();
  const later = await comeBack(tidings, bob.userId);
  expect(await answer(failed, later)).toBeUndefined();
  for (const gone of [denied, silent]) expect(await answer(gone, later)).toEqual(["not_found", undefined]);
});

/** A system, and how often its bucket was asked what lies there. */
async function startCounting() {
  let heads = 0;
  const tidings = await startTidings({
    onUsage: (usage) => {
      if (usage.service === "s3" && usage.operation === "HeadObject") heads += 1;
    },
  });
  return { tidings, heads: () => heads };
}

test("[SND4] [MED2] what is sent is looked at once: a repeated send asks the bucket nothing", async () => {
  const { tidings, heads } = await startCounting();
  await using _ = tidings;
  const { alice, chatId } = await tidings.pair();
  const { seq: after } = await alice.send(chatId, "before");
  for (const known of [{ after }, {}]) {
    const attachments = [{ attachmentId: await upload(alice, chatId, newImage()), kind: "image" }];
    const before = heads();
    const send = { chatId, clientMessageId: randomUUID(), message: "", attachments, ...known };
    const { seq } = await alice.ask("sendMessage", send);
    expect(heads()).toBe(before + 1);
    for (let times = 0; times < 3; times += 1)
      expect(await alice.ask("sendMessage", send)).toMatchObject({ seq });
    expect(heads()).toBe(before + 1);
  }
});

test("[MED2] [MED4] who may not write to the chat asks the bucket nothing, and keeps no file from its end", async () => {
  const { tidings, heads } = await startCounting();
  await using _ = tidings;
  const operator = operatorOf(tidings);
  const { alice, chatId } = await tidings.pair();
  const eve = await tidings.connect(newUser("eve"));
  const { attachmentId, seq } = await sendImage(alice, chatId);
  const before = heads();
  expect(await refusalToSend(eve, chatId, { attachmentId, kind: "image" })).toMatchObject({
    code: "not_found",
    message: "chatId: no such chat",
  });
  expect(heads()).toBe(before);
  await alice.ask("deleteMessage", { chatId, seq, for: "everyone" });
  await until(async () => !(await operator.isThere(attachmentId)));
});

test("[MED2] what is forwarded without a word on where it is from is found behind the carriers of other chats", async () => {
  await using tidings = await startTidings();
  const { alice, chatId } = await tidings.pair();
  const { attachmentId, seq } = await sendImage(alice, chatId);
  const { platform } = tidings;
  const dynamo = new DynamoDBClient({
    endpoint: platform.endpoint,
    region: "us-east-1",
    credentials: platform.operator,
  });
  const TableName = platform.outputs["AttachmentsTableName"] ?? "";
  const carrier = (at: number) => ({
    attachmentId: { S: attachmentId },
    // In front of those of every chat.
    ref: { S: `in ---${at} user ${randomUUID()}` },
    seq: { N: "1" },
  });
  await Promise.all(
    Array.from({ length: 150 }, async (_, at) => {
      await dynamo.send(new PutItemCommand({ TableName, Item: carrier(at) }));
    }),
  );
  await platform.idle();
  const carol = await tidings.connect(newUser("carol"));
  const { chatId: other } = await alice.ask("createChat", { participants: [carol.userId] });
  expect(await sendWith(alice, other as string, [{ attachmentId, kind: "image" }])).toMatchObject({ seq });
});

test("[MED2] [SEC1] a function that may not look at the bucket sends no file, and texts as ever", async () => {
  await using tidings = await startTidings({ mutateTemplate: withoutAction("s3:GetObject") });
  const { alice, chatId } = await tidings.pair();
  const attachmentId = await upload(alice, chatId, newImage());
  expect(await refusalToSend(alice, chatId, { attachmentId, kind: "image" })).toMatchObject({
    code: "internal",
  });
  expect((await alice.send(chatId, "text")).seq).toBe(1);
});
