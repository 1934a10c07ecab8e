import { randomBytes, randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { type Client, connect, type EntryFrame, newUser, pair } from "./client.ts";
import {
  announced,
  attachmentsOf,
  breakOff,
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
  type Target,
  upload,
} from "./media-support.ts";

/** Until what was deleted is gone, by a link from before. */
async function untilGone(url: string): Promise<void> {
  await vi.waitUntil(async () => (await download(url)).status === 404, { timeout: 60_000, interval: 200 });
}

test("[MED1] [MED2] [MED3] an image is uploaded, sent, and downloaded by two devices byte for byte", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  const file = newImage(300_000);
  const attachmentId = await upload(alice, chatId, file);
  const told = {
    attachmentId,
    kind: "image",
    name: "Ærø, at dusk (1).jpg",
    width: 4_000,
    height: 3_000,
    thumbnail: randomBytes(3_000).toString("base64"),
    blurHash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  };
  const { seq } = await sendWith(alice, chatId, [told]);

  for (const device of [bob, tablet]) {
    await device.waitForSeqs(chatId, [seq]);
    const [entry] = device.pushed(chatId);
    expect(entry?.message).toBe("");
    expect(attachmentsOf(entry)).toEqual([{ ...told, ...announced(file) }]);
    const url = await linkTo(device, chatId, attachmentId);
    const { status, headers, bytes } = await download(url);
    expect([status, headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    expect(headers.get("content-disposition")).toBe(
      "attachment; filename*=UTF-8''%C3%86r%C3%B8%2C%20at%20dusk%20%281%29.jpg",
    );
    expect(sha256(bytes)).toBe(sha256(file.bytes));
  }
  const history = await bob.ask("getHistory", { chatId });
  expect(history["entries"]).toMatchObject([{ seq, attachments: [{ attachmentId }] }]);
});

test("[MED2] a voice note carries its length and its waveform, beside a text and a document", async () => {
  const { alice, bob, chatId } = await pair();
  const note = { bytes: randomBytes(9_000), contentType: "audio/ogg" };
  const paper = { bytes: randomBytes(5_000), contentType: "application/pdf" };
  const [noteId, paperId] = await Promise.all([upload(alice, chatId, note), upload(alice, chatId, paper)]);
  const waveform = Array.from({ length: 64 }, (_, at) => at);
  const attachments = [
    { attachmentId: noteId, kind: "voice", durationMs: 3_200, waveform },
    { attachmentId: paperId, kind: "document", name: "paper.pdf" },
  ];
  const { seq } = await sendWith(alice, chatId, attachments, "both of them");
  await bob.waitForSeqs(chatId, [seq]);
  expect(bob.pushed(chatId)).toMatchObject([{ message: "both of them", attachments }]);
});

test("[MED1] S3 itself refuses another size, another type, another content, and to write twice", async () => {
  const { alice, chatId } = await pair();
  const file = newImage();
  const { upload: target } = await getTarget(alice, chatId, file);
  expect(target.expiresAt - Date.now()).toBeLessThanOrEqual(15 * 60_000);
  expect(await put(target, Buffer.concat([file.bytes, Buffer.from("x")]))).toBe(403);
  expect(await put(target, file.bytes, { "content-type": "text/html" })).toBe(403);
  expect(await put(target, randomBytes(file.bytes.length))).toBe(400);
  const other = randomBytes(file.bytes.length);
  const claimed = Buffer.from(sha256(other), "hex").toString("base64");
  expect(await put(target, other, { "x-amz-checksum-sha256": claimed })).toBe(403);
  expect(await put(target, file.bytes)).toBe(200);
  expect(await put(target, file.bytes)).toBe(412);
});

test("[MED1] [MED2] what was uploaded under a content-encoding cannot be sent: what is downloaded would be other bytes", async () => {
  const { alice, chatId } = await pair();
  const file = newImage();
  const { attachmentId, upload: target } = await getTarget(alice, chatId, file);
  // S3 takes a header that is not signed and does not begin with x-amz-, and gives it back with the file.
  expect(await put(target, file.bytes, { "content-encoding": "gzip" })).toBe(200);
  expect(await refusalToSend(alice, chatId, { attachmentId, kind: "image" })).toMatchObject({
    code: "not_found",
    message: "attachments[0].attachmentId: was uploaded with a content-encoding",
  });
});

test("[MED1] 60 MB are uploaded in parts; interrupted, the rest of them from another connection", async () => {
  const { alice, bob, chatId } = await pair();
  const file = { bytes: randomBytes(60_000_000), contentType: "video/mp4" };
  const pieces = partsOf(file.bytes);
  const target = await getTarget(alice, chatId, file, { partSha256s: pieces.map(sha256) });
  const { attachmentId } = target;
  const parts = target.upload.parts ?? [];
  expect(parts.map(({ partNumber }) => partNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(target.upload.partSize).toBe(pieces[0]?.length);
  const [one, two, three] = parts;
  const piece = (number: number): Buffer => pieces[number - 1] ?? Buffer.alloc(0);
  if (!one || !two || !three) throw new Error("fewer parts than there must be");
  // Another part's bytes are refused, and so is one that breaks off.
  expect(await put(one, piece(2))).toBe(400);
  expect(await put(one, piece(1))).toBe(200);
  await breakOff(two, piece(2));
  expect(await put(three, piece(3))).toBe(200);
  await alice.close();

  const again = await connect(alice.userId, { deviceId: "laptop" });
  const notYet = { chatId, attachmentId, kind: "video" };
  expect(await refusalToSend(again, chatId, notYet)).toMatchObject({ code: "not_found" });
  expect(await refusal(again, "completeUpload", { chatId, attachmentId })).toMatchObject({
    code: "conflict",
    message: expect.stringContaining("part 2 ") as string,
  });
  expect(await refusal(bob, "resumeUpload", { chatId, attachmentId })).toMatchObject({ code: "not_found" });
  const rest = (await again.ask("resumeUpload", { chatId, attachmentId })) as unknown as Target;
  const missing = rest.upload.parts ?? [];
  expect(missing.map(({ partNumber }) => partNumber)).toEqual([2, 4, 5, 6, 7, 8]);
  for (const part of missing) expect(await put(part, piece(part.partNumber))).toBe(200);
  await again.ask("completeUpload", { chatId, attachmentId });
  await again.ask("completeUpload", { chatId, attachmentId });
  expect(await again.ask("resumeUpload", { chatId, attachmentId })).toMatchObject({ upload: { parts: [] } });

  const { seq } = await sendWith(again, chatId, [{ attachmentId, kind: "video", durationMs: 61_000 }]);
  await bob.waitForSeqs(chatId, [seq]);
  const got = await download(await linkTo(bob, chatId, attachmentId));
  expect([got.status, sha256(got.bytes)]).toEqual([200, sha256(file.bytes)]);
});

test("[MED2] [MED3] of a file in parts, what S3 itself has compared is the checksum of the parts' checksums", async () => {
  const { alice, bob, chatId } = await pair();
  const file = newImage(17 * 1024 * 1024);
  const pieces = partsOf(file.bytes);
  const lie = { sha256: sha256(Buffer.from("another file")), partSha256s: pieces.map(sha256) };
  const { attachmentId, upload: target } = await getTarget(alice, chatId, file, lie);
  for (const part of target.parts ?? [])
    expect(await put(part, pieces[part.partNumber - 1] ?? Buffer.alloc(0))).toBe(200);
  await alice.ask("completeUpload", { chatId, attachmentId });
  const { seq } = await sendWith(alice, chatId, [{ attachmentId, kind: "image" }]);
  await bob.waitForSeqs(chatId, [seq]);

  const link = await bob.ask("getAttachmentUrl", { chatId, attachmentId });
  const got = await download(link["url"] as string);
  const digests = partsOf(got.bytes).map((piece) => Buffer.from(sha256(piece), "hex"));
  const partsSha256 = sha256(Buffer.concat(digests));
  expect(link["verified"]).toEqual({ partsSha256, partSize: target.partSize });
  expect(attachmentsOf(bob.pushed(chatId)[0])).toMatchObject([{ partsSha256, sha256: lie.sha256 }]);
  const small = await sendImage(alice, chatId);
  expect(await bob.ask("getAttachmentUrl", { chatId, attachmentId: small.attachmentId })).toMatchObject({
    verified: { sha256: sha256(small.file.bytes) },
  });
});

test("[MED1] an upload by one request is asked for again, and is complete when it is there", async () => {
  const { alice, chatId } = await pair();
  const file = newImage();
  const { attachmentId } = await getTarget(alice, chatId, file);
  const named = { chatId, attachmentId };
  expect(await refusal(alice, "completeUpload", named)).toMatchObject({ code: "conflict" });
  const { upload: target } = (await alice.ask("resumeUpload", named)) as unknown as Target;
  expect(await put(target, file.bytes)).toBe(200);
  await alice.ask("completeUpload", named);
});

test("[MED1] [MED4] a target is refused for what is too large, of an unknown type, or in another's chat", async () => {
  const { alice, chatId } = await pair();
  const fields = { chatId, ...announced(newImage()) };
  const stranger = await connect(newUser("eve"));
  const ask = async (client: Client, change: object) =>
    await refusal(client, "getAttachmentTarget", { ...fields, ...change });
  expect(await ask(alice, { size: 100 * 1024 * 1024 + 1 })).toMatchObject({ code: "too_large" });
  expect(await ask(alice, { contentType: "text/html" })).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^contentType: /) as string,
  });
  expect(await ask(alice, { sha256: "A".repeat(64) })).toMatchObject({ code: "bad_request" });
  expect(await ask(alice, { size: 17 * 1024 * 1024 })).toMatchObject({
    code: "bad_request",
    message: expect.stringMatching(/^partSha256s: /) as string,
  });
  expect(await ask(stranger, {})).toMatchObject({ code: "not_found" });
});

test("[MED2] only what one has uploaded for this chat, and what is there, can be sent, as what it is", async () => {
  const { alice, bob, chatId } = await pair();
  const named = (code: string, field = "attachmentId") => ({
    code,
    message: expect.stringMatching(`^attachments\\[0\\]\\.${field}: `) as string,
  });
  const never = { attachmentId: randomUUID(), kind: "image" };
  expect(await refusalToSend(alice, chatId, never)).toMatchObject(named("not_found"));

  const { attachmentId: announcedOnly } = await getTarget(alice, chatId, newImage());
  const notThere = { attachmentId: announcedOnly, kind: "image" };
  expect(await refusalToSend(alice, chatId, notThere)).toMatchObject(named("not_found"));

  const attachmentId = await upload(alice, chatId, newImage());
  const image = { attachmentId, kind: "image" };
  expect(await refusalToSend(bob, chatId, image)).toMatchObject(named("not_found"));
  expect(await refusalToSend(alice, chatId, { attachmentId, kind: "voice" })).toMatchObject(
    named("bad_request", "kind"),
  );
  const carol = await connect(newUser("carol"));
  const { chatId: other } = await alice.ask("createChat", { participants: [carol.userId] });
  expect(await refusalToSend(alice, other as string, image)).toMatchObject(named("not_found"));
  expect(await refusalToSend(alice, chatId, { ...image, waveform: [101] })).toMatchObject(
    named("bad_request", "waveform\\[0\\]"),
  );
  expect(await refusalToSend(alice, chatId, { ...image, thumbnail: "x".repeat(4_100) })).toMatchObject(
    named("bad_request", "thumbnail"),
  );
  const names = ["../../etc/passwd", "C:\\me.jpg", "..", "photo\u202egpj.exe", "a\r\nb", "\u2067x", ""];
  for (const name of names)
    expect(await refusalToSend(alice, chatId, { ...image, name })).toMatchObject(
      named("bad_request", "name"),
    );
  // Nothing of it was stored, and the one that may be sent still can be.
  const { seq } = await sendWith(alice, chatId, [{ ...image, name: '..\u200fתמונה, 50% "a";.jpg' }]);
  expect(seq).toBe(1);
});

test("[MED2] [MED3] [CHT6] a removed member can upload and send no more, and has no link to what came later", async () => {
  const alice = await connect(newUser("alice"));
  const [bob, carol] = await Promise.all([connect(newUser("bob")), connect(newUser("carol"))]);
  const { chatId: id } = await alice.ask("createChat", {
    participants: [bob.userId, carol.userId],
    name: "Trip",
    clientChatId: randomUUID(),
  });
  const chatId = id as string;
  const before = await sendImage(alice, chatId);
  const mine = await upload(bob, chatId, newImage());
  await linkTo(bob, chatId, before.attachmentId);
  await alice.ask("modifyChatParticipants", { chatId, userId: bob.userId, operation: "REMOVE" });
  const after = await sendImage(alice, chatId);

  const fields = { chatId, ...announced(newImage()) };
  expect(await refusal(bob, "getAttachmentTarget", fields)).toMatchObject({ code: "not_a_member" });
  expect(await refusalToSend(bob, chatId, { attachmentId: mine, kind: "image" })).toMatchObject({
    code: "not_a_member",
  });
  const { attachmentId } = after;
  expect(await refusal(bob, "getAttachmentUrl", { chatId, attachmentId })).toMatchObject({
    code: "not_found",
  });
  await linkTo(carol, chatId, attachmentId);
  // What came in his time he still sees.
  await linkTo(bob, chatId, before.attachmentId);
  const stranger = await connect(newUser("eve"));
  expect(await refusal(stranger, "getAttachmentUrl", { chatId, attachmentId })).toMatchObject({
    code: "not_found",
  });
  // Nor can he take it along into a chat of his own.
  const { chatId: own } = await bob.ask("createChat", { participants: [stranger.userId] });
  const stolen = { attachmentId, kind: "image", from: { chatId, seq: after.seq } };
  expect(await refusalToSend(bob, own as string, stolen)).toMatchObject({ code: "not_found" });
});

test("[MED2] [MED3] what lies in an entry that one may see can be forwarded without an upload", async () => {
  const { alice, bob, chatId } = await pair();
  const { attachmentId, seq, file } = await sendImage(alice, chatId);
  await bob.waitForSeqs(chatId, [seq]);
  const carol = await connect(newUser("carol"));
  const { chatId: id } = await bob.ask("createChat", { participants: [carol.userId] });
  const other = id as string;
  const forwarded = await sendWith(bob, other, [{ attachmentId, kind: "image", from: { chatId, seq } }]);
  await carol.waitForSeqs(other, [forwarded.seq]);
  expect(sha256((await download(await linkTo(carol, other, attachmentId))).bytes)).toBe(sha256(file.bytes));
  expect(await refusal(carol, "getAttachmentUrl", { chatId, attachmentId })).toMatchObject({
    code: "not_found",
  });
  // Without a word on where it is from it is found too, a moment later.
  await vi.waitUntil(
    async () => {
      const { status } = await carol.request("sendMessage", {
        chatId: other,
        clientMessageId: randomUUID(),
        message: "once more",
        attachments: [{ attachmentId, kind: "document" }],
      });
      return status === "SUCCESS";
    },
    { timeout: 60_000, interval: 200 },
  );
});

test("[MED4] [EDT1] a file goes with the last message that carries it, and not before", async () => {
  const { alice, bob, chatId } = await pair();
  const { attachmentId, seq } = await sendImage(alice, chatId);
  const again = await sendWith(alice, chatId, [{ attachmentId, kind: "image", from: { chatId, seq } }]);
  await bob.waitForSeqs(chatId, [seq, again.seq]);
  const url = await linkTo(bob, chatId, attachmentId);
  await alice.ask("deleteMessage", { chatId, seq, for: "everyone" });
  const listed = await bob.ask("getHistory", { chatId, limit: 100 });
  expect(listed["entries"]).toMatchObject([
    { seq, message: "", attachments: [] },
    { seq: again.seq, attachments: [{ attachmentId }] },
    { command: "chatUpdate" },
  ]);
  // Another image, deleted later, is gone: so the first deletion has been seen to, and took nothing.
  const fresh = await sendImage(alice, chatId);
  const freshUrl = await linkTo(bob, chatId, fresh.attachmentId);
  await alice.ask("deleteMessage", { chatId, seq: fresh.seq, for: "everyone" });
  await untilGone(freshUrl);
  expect((await download(url)).status).toBe(200);
  expect((await download(await linkTo(bob, chatId, attachmentId))).status).toBe(200);

  await alice.ask("deleteMessage", { chatId, seq: again.seq, for: "everyone" });
  expect(await refusal(bob, "getAttachmentUrl", { chatId, attachmentId })).toMatchObject({
    code: "not_found",
  });
  await untilGone(url);
});

test("[MED2] [MED3] [EDT1] a message deleted for oneself gives its file to oneself no more, unless another carries it", async () => {
  const { alice, bob, chatId } = await pair();
  const tablet = await connect(bob.userId, { deviceId: "tablet" });
  const { attachmentId, seq } = await sendImage(alice, chatId);
  const again = await sendWith(alice, chatId, [{ attachmentId, kind: "image", from: { chatId, seq } }]);
  const hide = async (hidden: number) => await bob.ask("deleteMessage", { chatId, seq: hidden, for: "me" });
  const forward = async () =>
    await refusalToSend(bob, chatId, { attachmentId, kind: "image", from: { chatId, seq } });
  await hide(seq);
  await linkTo(bob, chatId, attachmentId);
  expect(await forward()).toMatchObject({ code: "not_found" });
  await hide(again.seq);
  for (const device of [bob, tablet])
    expect(await refusal(device, "getAttachmentUrl", { chatId, attachmentId })).toMatchObject({
      code: "not_found",
    });
  expect(await forward()).toMatchObject({ code: "not_found" });
  await linkTo(alice, chatId, attachmentId);
});

test("[SND4] [MED2] a repeated send is answered from the log, whatever has become of its file", async () => {
  const { alice, bob, chatId } = await pair();
  const attachmentId = await upload(alice, chatId, newImage());
  const send = {
    chatId,
    clientMessageId: randomUUID(),
    message: "",
    attachments: [{ attachmentId, kind: "image" }],
  };
  const first = await alice.ask("sendMessage", send);
  const url = await linkTo(bob, chatId, attachmentId);
  await alice.ask("deleteMessage", { chatId, seq: first["seq"], for: "everyone" });
  await untilGone(url);
  const { requestId: _, ...repeated } = await alice.ask("sendMessage", send);
  const { requestId: __, ...before } = first;
  expect(repeated).toEqual(before);
});

test("[MED2] [SND3] messages with files that meet in one chat all carry theirs, by whatever way they are stored", async () => {
  const { alice, bob, chatId } = await pair();
  const attachmentId = await upload(alice, chatId, newImage());
  const sends = Array.from({ length: 40 }, async (_, at) => {
    const told = { attachmentId, kind: "image", name: `${at}.jpg` };
    await Promise.all([sendWith(alice, chatId, [told]), bob.send(chatId, "text")]);
  });
  await Promise.all(sends);
  const { entries } = await bob.ask("getHistory", { chatId, limit: 100 });
  const names = (entries as EntryFrame[]).flatMap((entry) => attachmentsOf(entry).map(({ name }) => name));
  expect(names).toHaveLength(40);
  expect(new Set(names)).toEqual(new Set(Array.from({ length: 40 }, (_, at) => `${at}.jpg`)));
  await bob.waitForSeqs(
    chatId,
    (entries as EntryFrame[]).filter((entry) => attachmentsOf(entry).length > 0).map(({ seq }) => seq),
  );
  const pushed = bob.pushed(chatId).filter((entry) => entry["userId"] === alice.userId);
  for (const entry of pushed) expect(attachmentsOf(entry)).toMatchObject([{ attachmentId }]);
});

test("[LST2] a message without text is previewed by the kind of its first attachment", async () => {
  const { alice, bob, chatId } = await pair();
  const previewOf = async () => {
    const { chats } = await bob.ask("listChats");
    return (chats as { lastMessage: { preview: string } | null }[])[0]?.lastMessage?.preview;
  };
  await sendImage(alice, chatId);
  await expect.poll(previewOf, { timeout: 60_000 }).toBe("image");
  const attachmentId = await upload(alice, chatId, { bytes: randomBytes(10), contentType: "video/mp4" });
  await sendWith(alice, chatId, [{ attachmentId, kind: "video" }], "look!");
  await expect.poll(previewOf, { timeout: 60_000 }).toBe("look!");
  const { seq } = await sendWith(alice, chatId, [{ attachmentId, kind: "video" }], " \n ");
  await expect.poll(previewOf, { timeout: 60_000 }).toBe("video");
  await alice.ask("editMessage", { chatId, seq, message: "look again" });
  await expect.poll(previewOf, { timeout: 60_000 }).toBe("look again");
  await alice.ask("editMessage", { chatId, seq, message: " " });
  await expect.poll(previewOf, { timeout: 60_000 }).toBe("video");
});
