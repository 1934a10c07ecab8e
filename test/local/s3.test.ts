import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { Readable } from "node:stream";
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
const put = async (Key: string, Body: string | Uint8Array, more: Partial<PutObjectCommand["input"]> = {}) =>
  await served.s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = async (Key: string, more: Partial<GetObjectCommand["input"]> = {}) => {
  const { Body } = await served.s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const head = async (Key: string, more: Partial<HeadObjectCommand["input"]> = {}) =>
  await served.s3.send(new HeadObjectCommand({ Bucket, Key, ...more }));
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("an object", () => {
  test("of any bytes comes back as it was put, whole or in part", async () => {
    const bytes = randomBytes(3_000_000);
    await put("photos/ü 🎉/a+b.jpg", bytes);
    expect(digest(await get("photos/ü 🎉/a+b.jpg"))).toBe(digest(bytes));
    const key = "photos/ü 🎉/a+b.jpg";
    expect(await get(key, { Range: "bytes=10-19" })).toEqual(bytes.subarray(10, 20));
    expect(await get(key, { Range: "bytes=2999990-" })).toEqual(bytes.subarray(2_999_990));
    expect(await get(key, { Range: "bytes=-5" })).toEqual(bytes.subarray(-5));
    const { ContentRange, ContentLength } = await served.s3.send(
      new GetObjectCommand({ Bucket, Key: key, Range: "bytes=0-9999999" }),
    );
    expect([ContentRange, ContentLength]).toEqual(["bytes 0-2999999/3000000", 3_000_000]);
    await expect(get(key, { Range: "bytes=3000000-" })).rejects.toMatchObject({
      name: "InvalidRange",
      $metadata: { httpStatusCode: 416 },
    });
  });

  test("that is empty is an object too", async () => {
    await put("empty", "");
    expect(await get("empty")).toEqual(Buffer.alloc(0));
    expect(await head("empty")).toMatchObject({
      ContentLength: 0,
      ETag: '"d41d8cd98f00b204e9800998ecf8427e"',
    });
  });

  test("has its size, type, digest, headers and metadata told by HEAD", async () => {
    await put("a.txt", "hello", {
      ContentType: "text/plain",
      ContentDisposition: 'attachment; filename="a.txt"',
      CacheControl: "private",
      Metadata: { sender: "alice" },
    });
    expect(await head("a.txt")).toMatchObject({
      ContentLength: 5,
      ContentType: "text/plain",
      ContentDisposition: 'attachment; filename="a.txt"',
      CacheControl: "private",
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      Metadata: { sender: "alice" },
    });
  });

  test("tells its checksum when asked, as the algorithm that it was put with gives it", async () => {
    const bytes = randomBytes(1000);
    await put("sum", bytes, { ChecksumSHA256: sha256(bytes) });
    expect(await head("sum", { ChecksumMode: "ENABLED" })).toMatchObject({
      ChecksumSHA256: sha256(bytes),
      ChecksumType: "FULL_OBJECT",
    });
    expect(await head("sum")).not.toHaveProperty("ChecksumSHA256");
    await put("crc", "123456789", { ChecksumAlgorithm: "CRC32" });
    expect(await head("crc", { ChecksumMode: "ENABLED" })).toMatchObject({ ChecksumCRC32: "y/Q5Jg==" });
    // The SDK compares what it reads with the checksum that comes with it.
    expect(await get("sum", { ChecksumMode: "ENABLED" })).toEqual(bytes);
  });

  test("whose bytes are not those of its checksum is refused with BadDigest, and leaves no trace", async () => {
    await expect(put("bad", "right", { ChecksumSHA256: sha256(Buffer.from("wrong")) })).rejects.toMatchObject(
      {
        name: "BadDigest",
        $metadata: { httpStatusCode: 400 },
      },
    );
    await expect(put("bad", "right", { ContentMD5: "1B2M2Y8AsgTpgAmY7PhCfg==" })).rejects.toMatchObject({
      name: "BadDigest",
    });
    await expect(put("bad", "right", { ChecksumSHA256: "bad" })).rejects.toMatchObject({
      name: "InvalidRequest",
    });
    await expect(head("bad")).rejects.toMatchObject({ name: "NotFound" });
  });

  test("sent as a stream comes in the SDK's own chunks, with its checksum after them", async () => {
    const bytes = randomBytes(400_000);
    const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 300_000), bytes.subarray(300_000)];
    await served.s3.send(
      new PutObjectCommand({
        Bucket,
        Key: "stream",
        Body: Readable.from(pieces),
        ContentLength: bytes.length,
      }),
    );
    expect(digest(await get("stream"))).toBe(digest(bytes));
    expect(await head("stream", { ChecksumMode: "ENABLED" })).toHaveProperty("ChecksumCRC32");
    expect(await head("stream")).not.toHaveProperty("ContentEncoding");
  });

  test("of unknown length is refused as S3 refuses it", async () => {
    const { url } = await presign(served.endpoint, served.key, { method: "PUT", path: "/media/chunked" });
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = httpRequest(url, { method: "PUT" }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      outgoing.on("error", reject);
      for (let chunk = 0; chunk < 50; chunk += 1) outgoing.write(randomBytes(10_000));
      outgoing.end();
    });
    expect(status).toBe(501);
  });

  test("may be written on condition that there is none, or that it is still the same", async () => {
    const { ETag } = await put("once", "1", { IfNoneMatch: "*" });
    const failed = { name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } };
    await expect(put("once", "2", { IfNoneMatch: "*" })).rejects.toMatchObject(failed);
    await put("once", "3", { IfMatch: ETag });
    await expect(put("once", "4", { IfMatch: ETag })).rejects.toMatchObject(failed);
    expect(String(await get("once"))).toBe("3");
  });

  test("is read on conditions as HTTP has them", async () => {
    const { ETag = "" } = await put("cached", "x");
    await expect(get("cached", { IfNoneMatch: ETag })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
    await expect(get("cached", { IfMatch: '"other"' })).rejects.toMatchObject({ name: "PreconditionFailed" });
  });

  test("that is copied keeps its bytes, type and tags, or gets new ones", async () => {
    await put("from", "copied", { ContentType: "text/plain", Tagging: "a=1" });
    const CopySource = `${Bucket}/from`;
    await served.s3.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource }));
    await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "from" }));
    expect(String(await get("to"))).toBe("copied");
    expect(await head("to")).toMatchObject({ ContentType: "text/plain" });
    await served.s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: "to",
        CopySource: `${Bucket}/to`,
        MetadataDirective: "REPLACE",
        ContentType: "text/html",
        TaggingDirective: "REPLACE",
        Tagging: "b=2",
      }),
    );
    expect(await head("to")).toMatchObject({ ContentType: "text/html" });
    const { TagSet } = await served.s3.send(new GetObjectTaggingCommand({ Bucket, Key: "to" }));
    expect(TagSet).toEqual([{ Key: "b", Value: "2" }]);
    expect(String(await get("to"))).toBe("copied");
    await expect(
      served.s3.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/to` })),
    ).rejects.toMatchObject({ name: "InvalidRequest" });
  });

  test("has up to ten tags, given when it is put or later", async () => {
    await put("tagged", "x", { Tagging: "state=new&name=a%20b" });
    const tags = async () =>
      (await served.s3.send(new GetObjectTaggingCommand({ Bucket, Key: "tagged" }))).TagSet;
    expect(await tags()).toEqual([
      { Key: "state", Value: "new" },
      { Key: "name", Value: "a b" },
    ]);
    const set = async (TagSet: { Key: string; Value: string }[]) =>
      await served.s3.send(new PutObjectTaggingCommand({ Bucket, Key: "tagged", Tagging: { TagSet } }));
    await set([{ Key: "state", Value: "sent" }]);
    expect(await tags()).toEqual([{ Key: "state", Value: "sent" }]);
    const eleven = Array.from({ length: 11 }, (_, index) => ({ Key: `k${index}`, Value: "" }));
    await expect(set(eleven)).rejects.toMatchObject({ name: "BadRequest" });
    await expect(set([{ Key: "<", Value: "" }])).rejects.toMatchObject({ name: "InvalidTag" });
    expect(await tags()).toEqual([{ Key: "state", Value: "sent" }]);
  });
});

describe("a bucket", () => {
  test("is listed by prefix, folder and page, and a deleted object is gone", async () => {
    for (const key of ["list/1", "list/2", "list/a/1", "list/a/2", "list/é", "other/1"]) await put(key, "x");
    await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "list/2" }));
    const list = async (input: Partial<ListObjectsV2Command["input"]>) =>
      await served.s3.send(new ListObjectsV2Command({ Bucket, Prefix: "list/", ...input }));
    const keys = ({ Contents = [] }: { Contents?: { Key?: string | undefined }[] | undefined }) =>
      Contents.map(({ Key }) => Key);
    expect(keys(await list({}))).toEqual(["list/1", "list/a/1", "list/a/2", "list/é"]);
    const byFolder = await list({ Delimiter: "/" });
    expect(keys(byFolder)).toEqual(["list/1", "list/é"]);
    expect(byFolder.CommonPrefixes).toEqual([{ Prefix: "list/a/" }]);
    const pages = async (input: Partial<ListObjectsV2Command["input"]>) => {
      const seen: (string | undefined)[][] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await list({ ...input, ...(ContinuationToken !== undefined && { ContinuationToken }) });
        seen.push([...keys(page), ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix)]);
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
      return seen;
    };
    expect(await pages({ MaxKeys: 3 })).toEqual([["list/1", "list/a/1", "list/a/2"], ["list/é"]]);
    expect(await pages({ MaxKeys: 1, Delimiter: "/" })).toEqual([["list/1"], ["list/a/"], ["list/é"]]);
    await expect(get("list/2")).rejects.toMatchObject({ name: "NoSuchKey" });
    await expect(head("list/2")).rejects.toMatchObject({ name: "NotFound" });
  });

  test("has many objects deleted at once, those that are not there too", async () => {
    await put("many/1", "x");
    const Objects = [{ Key: "many/1" }, { Key: "many/none" }];
    const { Deleted, Errors } = await served.s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    expect(Deleted).toEqual(Objects);
    expect(Errors).toBeUndefined();
    await expect(head("many/1")).rejects.toMatchObject({ name: "NotFound" });
  });

  test("that the template does not have does not exist", async () => {
    const none = { name: "NoSuchBucket" };
    await expect(
      served.s3.send(new PutObjectCommand({ Bucket: "none", Key: "a", Body: "x" })),
    ).rejects.toMatchObject(none);
    await expect(served.s3.send(new HeadBucketCommand({ Bucket: "none" }))).rejects.toMatchObject({
      name: "NotFound",
    });
  });

  test("refuses by name what is not supported", async () => {
    const notImplemented = { name: "NotImplemented", $metadata: { httpStatusCode: 501 } };
    await put("acl", "x");
    await expect(
      served.s3.send(new PutObjectAclCommand({ Bucket, Key: "acl", ACL: "public-read" })),
    ).rejects.toMatchObject({ ...notImplemented, message: "PUT object?acl is not supported locally" });
    await expect(put("acl", "x", { ACL: "public-read" })).rejects.toMatchObject({
      ...notImplemented,
      message: "the header x-amz-acl is not supported locally",
    });
    await expect(get("acl", { VersionId: "3" })).rejects.toMatchObject(notImplemented);
    await expect(served.s3.send(new ListObjectsCommand({ Bucket }))).rejects.toMatchObject(notImplemented);
    await expect(put("acl", "x", { StorageClass: "GLACIER" })).rejects.toMatchObject(notImplemented);
    const headers = { "x-amz-checksum-crc64nvme": "rosUhgyZhm8=" };
    const path = "/media/acl";
    const { url } = await presign(served.endpoint, served.key, { method: "PUT", path, headers });
    expect(await outcome(await fetch(url, { method: "PUT", headers, body: "x" }))).toMatchObject({
      status: 501,
      message: "checksum algorithm crc64nvme is not supported locally",
    });
  });

  test("keeps a key with dots as any other", async () => {
    const { url, headers } = await presign(served.endpoint, served.key, {
      method: "PUT",
      path: "/media/a/%2E%2E/b",
    });
    const answer = await fetch(url, { method: "PUT", headers, body: "x" });
    expect(answer.status).toBe(200);
    expect(served.objects.storedBytes(Bucket)).toBeGreaterThan(0);
    expect(String(await get("a/%2E%2E/b"))).toBe("x");
  });
});
