import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outcome, presign, type ServedObjects, serveObjects, sha256 } from "./s3-support.ts";

let served: ServedObjects;
beforeAll(async () => {
  served = await serveObjects();
});
afterAll(async () => {
  await served.close();
});

const Bucket = "media";
const partBytes = 8 * 1024 * 1024;
/** 60 MB: seven parts of 8 MiB and a smaller one. */
const video = Buffer.alloc(60_000_000, randomBytes(1_000_003));
const partOf = (number: number): Uint8Array => video.subarray((number - 1) * partBytes, number * partBytes);
const partNumbers = Array.from({ length: Math.ceil(video.length / partBytes) }, (_, index) => index + 1);

const begin = async (Key: string, more: Partial<CreateMultipartUploadCommand["input"]> = {}) => {
  const { UploadId } = await served.s3.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "SHA256", ...more }),
  );
  return { Bucket, Key, UploadId };
};
type Begun = Awaited<ReturnType<typeof begin>>;

/** One part's presigned URL, bound to its number, size and checksum. */
const partUrl = async ({ Key, UploadId = "" }: Begun, number: number, bytes: Uint8Array) =>
  await presign(served.endpoint, served.key, {
    method: "PUT",
    path: `/media/${Key}`,
    query: { partNumber: String(number), uploadId: UploadId },
    headers: { "content-length": String(bytes.length), "x-amz-checksum-sha256": sha256(bytes) },
  });

const sendPart = async (upload: Begun, number: number, bytes = partOf(number), body = bytes) => {
  const { url, headers } = await partUrl(upload, number, bytes);
  const { "content-length": _, ...rest } = headers;
  return await outcome(await fetch(url, { method: "PUT", headers: rest, body: Buffer.from(body) }));
};

const listed = async (upload: Begun): Promise<CompletedPart[]> => {
  const { Parts = [] } = await served.s3.send(new ListPartsCommand(upload));
  return Parts.map(({ PartNumber, ETag, ChecksumSHA256 }) => ({ PartNumber, ETag, ChecksumSHA256 }));
};
const complete = async (
  upload: Begun,
  Parts: CompletedPart[],
  more: Partial<CompleteMultipartUploadCommand["input"]> = {},
) =>
  await served.s3.send(
    new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }),
  );

describe("an upload in parts", () => {
  test("of 60 MB goes on after its connection broke, from the parts that are there, and is the bytes that were sent", async () => {
    const upload = await begin("videos/1", { ContentType: "video/mp4", Tagging: "state=new" });
    for (const number of [1, 2]) expect(await sendPart(upload, number)).toEqual({ status: 200 });
    const { url, headers } = await partUrl(upload, 3, partOf(3));
    await new Promise<void>((resolve, reject) => {
      const outgoing = httpRequest(url, { method: "PUT", headers });
      outgoing.on("error", () => resolve());
      outgoing.on("response", () => reject(new Error("it was answered")));
      outgoing.write(partOf(3).subarray(0, 5_000_000), () => outgoing.destroy());
    });

    const there = (await listed(upload)).map(({ PartNumber }) => PartNumber);
    expect(there).toEqual([1, 2]);
    const missing = partNumbers.filter((number) => !there.includes(number));
    // In any order, some at once.
    await Promise.all(
      missing
        .toReversed()
        .map(async (number) => expect(await sendPart(upload, number)).toEqual({ status: 200 })),
    );
    const { ETag, ChecksumSHA256, ChecksumType } = await complete(upload, await listed(upload), {
      MpuObjectSize: video.length,
    });
    const sums = partNumbers.map((number) => createHash("sha256").update(partOf(number)).digest());
    const composite = `${sha256(Buffer.concat(sums))}-${partNumbers.length}`;
    expect({ ChecksumSHA256, ChecksumType }).toEqual({
      ChecksumSHA256: composite,
      ChecksumType: "COMPOSITE",
    });
    const head = await served.s3.send(
      new HeadObjectCommand({ Bucket, Key: upload.Key, ChecksumMode: "ENABLED" }),
    );
    expect(head).toMatchObject({
      ContentLength: video.length,
      ContentType: "video/mp4",
      ETag,
      ChecksumSHA256: composite,
      ChecksumType: "COMPOSITE",
    });
    const md5s = partNumbers.map((number) => createHash("md5").update(partOf(number)).digest());
    const md5 = createHash("md5").update(Buffer.concat(md5s)).digest("hex");
    expect(ETag).toBe(`"${md5}-${partNumbers.length}"`);
    const { TagSet } = await served.s3.send(new GetObjectTaggingCommand({ Bucket, Key: upload.Key }));
    expect(TagSet).toEqual([{ Key: "state", Value: "new" }]);

    const { Body } = await served.s3.send(new GetObjectCommand({ Bucket, Key: upload.Key }));
    expect(sha256((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(sha256(video));
    // Over the edge of two parts.
    const Range = `bytes=${partBytes - 10}-${partBytes + 9}`;
    const part = await served.s3.send(new GetObjectCommand({ Bucket, Key: upload.Key, Range }));
    expect(Buffer.from((await part.Body?.transformToByteArray()) ?? [])).toEqual(
      video.subarray(partBytes - 10, partBytes + 10),
    );
  });

  test("takes a part again, and then the later one counts", async () => {
    const upload = await begin("videos/again");
    const small = randomBytes(1000);
    await sendPart(upload, 1, randomBytes(2000));
    await sendPart(upload, 1, small);
    await complete(upload, await listed(upload));
    const { Body } = await served.s3.send(new GetObjectCommand({ Bucket, Key: upload.Key }));
    expect(Buffer.from((await Body?.transformToByteArray()) ?? [])).toEqual(small);
  });

  test("refuses a part of another size, of other bytes, without its checksum, or of another upload", async () => {
    const upload = await begin("videos/refused");
    const bytes = randomBytes(1000);
    expect(await sendPart(upload, 1, bytes, bytes.subarray(1))).toMatchObject({
      code: "SignatureDoesNotMatch",
    });
    expect(await sendPart(upload, 1, bytes, randomBytes(1000))).toMatchObject({
      status: 400,
      code: "BadDigest",
    });
    const bare = await presign(served.endpoint, served.key, {
      method: "PUT",
      path: "/media/videos/refused",
      query: { partNumber: "1", uploadId: upload.UploadId ?? "" },
    });
    expect(await outcome(await fetch(bare.url, { method: "PUT", body: bytes }))).toMatchObject({
      status: 400,
      code: "InvalidRequest",
      message: "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null",
    });
    expect(await sendPart({ ...upload, UploadId: "none" }, 1, bytes)).toMatchObject({
      status: 404,
      code: "NoSuchUpload",
    });
    expect(await sendPart({ ...upload, Key: "videos/other" }, 1, bytes)).toMatchObject({
      code: "NoSuchUpload",
    });
    expect(await sendPart(upload, 10_001, bytes)).toMatchObject({ code: "InvalidArgument" });
    expect(await listed(upload)).toEqual([]);
  });

  test("is made of the parts that are there, in order, large enough and of the size that was said", async () => {
    const upload = await begin("videos/parts");
    for (const number of [1, 2]) await sendPart(upload, number, randomBytes(1000));
    const parts = await listed(upload);
    const [first, second] = parts;
    const fails = async (given: CompletedPart[], name: string, more = {}) =>
      await expect(complete(upload, given, more)).rejects.toMatchObject({ name });
    await fails([], "MalformedXML");
    await fails([{ ...second }, { ...first }], "InvalidPartOrder");
    await fails([{ ...first, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' }], "InvalidPart");
    await fails([{ ...first, PartNumber: 3 }], "InvalidPart");
    await fails([{ ...first, ChecksumSHA256: undefined }], "InvalidRequest");
    await fails([{ ...first, ChecksumSHA256: sha256(Buffer.from("x")) }], "InvalidPart");
    await fails(parts, "EntityTooSmall");
    await fails([{ ...second }], "InvalidRequest", { MpuObjectSize: 999 });
    await fails([{ ...second }], "BadDigest", { ChecksumSHA256: sha256(Buffer.from("x")) });
    await complete(upload, [{ ...second }], { MpuObjectSize: 1000 });
    await fails([{ ...second }], "NoSuchUpload");
  });

  test("is not completed over an object, where that was asked", async () => {
    const upload = await begin("videos/once");
    await sendPart(upload, 1, randomBytes(1000));
    await served.s3.send(new PutObjectCommand({ Bucket, Key: "videos/once", Body: "first" }));
    await expect(complete(upload, await listed(upload), { IfNoneMatch: "*" })).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
  });

  test("that is aborted leaves nothing, and is no more", async () => {
    const before = served.objects.storedBytes(Bucket);
    const upload = await begin("videos/aborted");
    await sendPart(upload, 1);
    expect(served.objects.storedBytes(Bucket) - before).toBe(partBytes);
    const { Uploads } = await served.s3.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: "videos/aborted" }),
    );
    expect(Uploads).toMatchObject([{ Key: upload.Key, UploadId: upload.UploadId }]);
    await served.s3.send(new AbortMultipartUploadCommand(upload));
    expect(served.objects.storedBytes(Bucket)).toBe(before);
    await expect(listed(upload)).rejects.toMatchObject({ name: "NoSuchUpload" });
  });

  test("has no SHA-256 of the whole, as S3 has none", async () => {
    await expect(begin("videos/full", { ChecksumType: "FULL_OBJECT" })).rejects.toMatchObject({
      name: "InvalidRequest",
      message: "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
    });
  });

  test("by the SDK alone needs the grants of its steps", async () => {
    const putter = served.clientOf(served.newKey(({ action }) => action === "s3:PutObject"));
    const { UploadId } = await putter.send(new CreateMultipartUploadCommand({ Bucket, Key: "sdk" }));
    const part = { Bucket, Key: "sdk", UploadId, PartNumber: 1, Body: "part" };
    const { ETag } = await putter.send(new UploadPartCommand(part));
    const denied = { name: "AccessDenied" };
    await expect(putter.send(new ListPartsCommand({ Bucket, Key: "sdk", UploadId }))).rejects.toMatchObject(
      denied,
    );
    await expect(
      putter.send(new AbortMultipartUploadCommand({ Bucket, Key: "sdk", UploadId })),
    ).rejects.toMatchObject(denied);
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await putter.send(new CompleteMultipartUploadCommand({ Bucket, Key: "sdk", UploadId, MultipartUpload }));
  });
});
