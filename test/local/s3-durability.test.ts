import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/eventually.ts";
import { type ServedObjects, serveObjects } from "./s3-support.ts";

const Bucket = "media";
let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "s3-data-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const serve = async (): Promise<ServedObjects> => await serveObjects({}, { dataDir });
const read = async ({ s3 }: ServedObjects, Key: string): Promise<Buffer> => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const files = (): string[] => readdirSync(join(dataDir, "blobs"));

describe("a bucket on disk", () => {
  test("outlives a kill -9: objects, tags, and uploads that go on; what had not ended is gone", async () => {
    const doomed = fork(join(import.meta.dirname, "s3-doomed.ts"), [dataDir], { stdio: "inherit" });
    const [{ uploadId: UploadId }] = (await once(doomed, "message")) as [{ uploadId: string }];
    await until(() => files().length === 3);
    doomed.kill("SIGKILL");
    await once(doomed, "exit");

    await using served = await serve();
    const { s3 } = served;
    expect(await read(served, "a/b.bin")).toEqual(Buffer.from([0, 255, 128]));
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: "a/b.bin" }));
    expect(TagSet).toEqual([{ Key: "state", Value: "new" }]);
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: "half" }))).rejects.toMatchObject({
      name: "NotFound",
    });
    expect(files()).toHaveLength(2);
    const of = { Bucket, Key: "video", UploadId };
    await s3.send(new UploadPartCommand({ ...of, PartNumber: 2, Body: "end", ChecksumAlgorithm: "SHA256" }));
    const { Parts = [] } = await s3.send(new ListPartsCommand(of));
    await s3.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload: { Parts } }));
    const video = await read(served, "video");
    expect(video.equals(Buffer.concat([Buffer.alloc(5 * 1024 * 1024, "v"), Buffer.from("end")]))).toBe(true);
  });

  test("keeps bytes for as long as an object has them, and no longer", async () => {
    const bytes = randomBytes(100_000);
    {
      await using served = await serve();
      const { s3 } = served;
      for (const Body of [randomBytes(10), bytes])
        await s3.send(new PutObjectCommand({ Bucket, Key: "one", Body }));
      expect(files()).toHaveLength(1);
      await s3.send(new CopyObjectCommand({ Bucket, Key: "two", CopySource: "media/one" }));
      await s3.send(new DeleteObjectCommand({ Bucket, Key: "one" }));
      expect(files()).toHaveLength(1);
    }
    await using served = await serve();
    expect((await read(served, "two")).equals(bytes)).toBe(true);
    await expect(read(served, "one")).rejects.toMatchObject({ name: "NoSuchKey" });
    await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "two" }));
    expect(files()).toEqual([]);
  });

  test("reads back large objects by range", async () => {
    await using served = await serve();
    const bytes = Buffer.alloc(30_000_000, randomBytes(999_983));
    await served.s3.send(new PutObjectCommand({ Bucket, Key: "large", Body: bytes }));
    const { Body } = await served.s3.send(
      new GetObjectCommand({ Bucket, Key: "large", Range: "bytes=10000000-29999998" }),
    );
    const part = Buffer.from((await Body?.transformToByteArray()) ?? []);
    expect(part.equals(bytes.subarray(10_000_000, 29_999_999))).toBe(true);
  });
});
