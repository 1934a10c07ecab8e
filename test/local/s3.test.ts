import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveQueues, type Served } from "./sqs-support.ts";

let served: Served;
beforeAll(async () => {
  served = await serveQueues();
  await served.queues.createBucket("media");
});
afterAll(async () => {
  await served.close();
});

const put = async (Key: string, Body: string | Uint8Array, more: Partial<PutObjectCommand["input"]> = {}) =>
  await served.s3.send(new PutObjectCommand({ Bucket: "media", Key, Body, ...more }));
const get = async (Key: string, Range?: string) => {
  const { Body } = await served.s3.send(
    new GetObjectCommand({ Bucket: "media", Key, ...(Range === undefined ? {} : { Range }) }),
  );
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("S3", () => {
  test("an object of any bytes comes back as it was put, whole or in part", async () => {
    const bytes = randomBytes(3_000_000);
    await put("photos/ü 🎉/a+b.jpg", bytes);
    expect(digest(await get("photos/ü 🎉/a+b.jpg"))).toBe(digest(bytes));
    expect(await get("photos/ü 🎉/a+b.jpg", "bytes=10-19")).toEqual(bytes.subarray(10, 20));
  });

  test("head tells size, type, digest and the caller's metadata", async () => {
    await put("a.txt", "hello", { ContentType: "text/plain", Metadata: { sender: "alice" } });
    const head = await served.s3.send(new HeadObjectCommand({ Bucket: "media", Key: "a.txt" }));
    expect(head).toMatchObject({
      ContentLength: 5,
      ContentType: "text/plain",
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      Metadata: { sender: "alice" },
    });
  });

  test("listing goes by prefix, and a deleted object is gone", async () => {
    for (const key of ["list/1", "list/2", "other/1"]) await put(key, "x");
    await served.s3.send(
      new CopyObjectCommand({ Bucket: "media", Key: "list/3", CopySource: "media/list/1" }),
    );
    await served.s3.send(new DeleteObjectCommand({ Bucket: "media", Key: "list/2" }));
    const { Contents = [] } = await served.s3.send(
      new ListObjectsV2Command({ Bucket: "media", Prefix: "list/" }),
    );
    expect(Contents.map((object) => object.Key)).toEqual(["list/1", "list/3"]);
    await expect(get("list/2")).rejects.toMatchObject({ name: "NoSuchKey" });
    await expect(
      served.s3.send(new HeadObjectCommand({ Bucket: "media", Key: "list/2" })),
    ).rejects.toMatchObject({ name: "NotFound" });
  });

  test("a bucket that the template does not have does not exist", async () => {
    await expect(
      served.s3.send(new PutObjectCommand({ Bucket: "none", Key: "a", Body: "x" })),
    ).rejects.toMatchObject({ name: "NoSuchBucket" });
  });

  // What a presigned URL is: credentials and signature in the query, which the front has checked by now.
  test("a plain PUT and GET with a presigned URL's query act like signed ones", async () => {
    const url = `${served.endpoint}/media/uploads/u1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20261001%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20261001T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=0`;
    const bytes = randomBytes(100_000);
    const answer = await fetch(url, {
      method: "PUT",
      body: bytes,
      headers: { "Content-Type": "image/jpeg" },
    });
    expect(answer.status).toBe(200);
    const back = await fetch(url);
    expect(back.headers.get("content-type")).toBe("image/jpeg");
    expect(digest(new Uint8Array(await back.arrayBuffer()))).toBe(digest(bytes));
  });

  test("a body in many chunks without a length arrives whole", async () => {
    const chunks = Array.from({ length: 50 }, () => randomBytes(10_000));
    const url = new URL(`${served.endpoint}/media/chunked`);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = httpRequest(url, { method: "PUT" }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      outgoing.on("error", reject);
      for (const chunk of chunks) outgoing.write(chunk);
      outgoing.end();
    });
    expect(status).toBe(200);
    expect(digest(await get("chunked"))).toBe(digest(Buffer.concat(chunks)));
  });

  test("a key cannot leave its bucket", async () => {
    const url = new URL(`${served.endpoint}/media/x`);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      httpRequest(url, { method: "PUT", path: "/media/a/%2e%2e/%2e%2e/b" }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      })
        .on("error", reject)
        .end("x");
    });
    expect(status).toBe(400);
  });

  test("a port of its own is not opened: only the platform's front leads to it", async () => {
    const servers = process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap");
    const more = await serveQueues();
    const after = process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap");
    await more.close();
    // The test's own server, and no other.
    expect(after.length - servers.length).toBe(1);
  });
});
