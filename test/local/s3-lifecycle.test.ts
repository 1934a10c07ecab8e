import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import type { LifecycleRule } from "../../local/s3/bucket-spec.ts";
import { dueAtMs } from "../../local/s3/lifecycle.ts";
import { until } from "../support/eventually.ts";
import { DAY_MS, type ServedObjects, serveObjects } from "./s3-support.ts";

const Bucket = "media";
const rule = (
  given: Partial<LifecycleRule> & { prefix?: string; tags?: Record<string, string> },
): LifecycleRule => {
  const { prefix = "", tags = {}, ...rest } = given;
  return { id: "rule", filter: { prefix, tags, ...rest.filter }, transitions: [], ...rest };
};
const noon = Date.UTC(2026, 9, 1, 12);
const put = async ({ s3 }: ServedObjects, Key: string, more: Partial<PutObjectCommand["input"]> = {}) =>
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: "x", ...more }));
const head = async ({ s3 }: ServedObjects, Key: string) =>
  await s3.send(new HeadObjectCommand({ Bucket, Key })).catch(() => undefined);
const serve = async (...lifecycle: LifecycleRule[]): Promise<ServedObjects> => {
  const served = await serveObjects({ lifecycle });
  served.clock.now = noon;
  return served;
};

describe("[MED4] lifecycle rules", () => {
  test("count in whole days, rounded up to the next midnight UTC", () => {
    expect(dueAtMs(noon, 1)).toBe(Date.UTC(2026, 9, 3));
    expect(dueAtMs(Date.UTC(2026, 9, 1), 1)).toBe(Date.UTC(2026, 9, 2));
  });

  test("remove the objects of their prefix and tags, when their days are over and not before", async () => {
    await using served = await serve(rule({ prefix: "up/", tags: { state: "new" }, expirationDays: 1 }));
    await put(served, "up/new", { Tagging: "state=new" });
    await put(served, "up/sent", { Tagging: "state=new" });
    await put(served, "up/bare");
    await put(served, "elsewhere", { Tagging: "state=new" });
    const TagSet = [{ Key: "state", Value: "sent" }];
    await served.s3.send(new PutObjectTaggingCommand({ Bucket, Key: "up/sent", Tagging: { TagSet } }));
    served.clock.now = Date.UTC(2026, 9, 3) - 1;
    expect(served.objects.sweep()).toBe(0);
    served.clock.now += 1;
    expect(served.objects.sweep()).toBe(1);
    expect(await head(served, "up/new")).toBeUndefined();
    for (const key of ["up/sent", "up/bare", "elsewhere"]) expect(await head(served, key)).toBeDefined();
  });

  test("abort uploads that did not end, and free the bytes of their parts", async () => {
    await using served = await serve(rule({ prefix: "up/", abortUploadsAfterDays: 1 }));
    for (const Key of ["up/1", "other/1"])
      await served.s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    served.clock.now += 2 * DAY_MS;
    expect(served.objects.sweep()).toBe(1);
    const { Uploads } = await served.s3.send(new ListMultipartUploadsCommand({ Bucket }));
    expect(Uploads).toMatchObject([{ Key: "other/1" }]);
  });

  test("count the days of an object that was uploaded in parts from when its upload began", async () => {
    await using served = await serve(rule({ expirationDays: 1 }));
    const { s3, clock } = served;
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "parts" }));
    clock.now += 20 * 3_600_000;
    const one = { Bucket, Key: "parts", UploadId };
    const { ETag } = await s3.send(new UploadPartCommand({ ...one, PartNumber: 1, Body: "x" }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ ...one, MultipartUpload }));
    expect((await head(served, "parts"))?.LastModified).toEqual(new Date(noon));
    clock.now = dueAtMs(noon, 1);
    expect(served.objects.sweep()).toBe(1);
  });

  test("move objects of 128 KiB and more to a cheaper class", async () => {
    const transitions = [
      { storageClass: "STANDARD_IA", afterDays: 30 },
      { storageClass: "GLACIER_IR", afterDays: 90 },
    ];
    await using served = await serve(rule({ transitions }));
    await put(served, "large", { Body: "x".repeat(128 * 1024) });
    await put(served, "small", { Body: "x".repeat(128 * 1024 - 1) });
    served.clock.now += 31 * DAY_MS;
    expect(served.objects.sweep()).toBe(1);
    expect(await head(served, "large")).toMatchObject({ StorageClass: "STANDARD_IA" });
    expect(await head(served, "small")).not.toHaveProperty("StorageClass");
    expect(served.objects.sweep()).toBe(0);
    served.clock.now += 60 * DAY_MS;
    served.objects.sweep();
    expect(await head(served, "large")).toMatchObject({ StorageClass: "GLACIER_IR" });
  });

  test("go by size where they say so", async () => {
    await using served = await serve(
      rule({ filter: { prefix: "", tags: {}, largerThan: 1, smallerThan: 4 }, expirationDays: 1 }),
    );
    for (const Body of ["1", "22", "333", "4444"]) await put(served, Body, { Body });
    served.clock.now += 3 * DAY_MS;
    served.objects.sweep();
    const there = await Promise.all(["1", "22", "333", "4444"].map(async (key) => await head(served, key)));
    expect(there.map((one) => one !== undefined)).toEqual([true, false, false, true]);
  });

  test("are done by themselves when the clock's next day begins", async () => {
    const clock = { now: noon };
    await using served = await serveObjects(
      { lifecycle: [rule({ expirationDays: 1 })] },
      { clock: () => clock.now, sweepMs: 1 },
    );
    await put(served, "old");
    clock.now += 2 * DAY_MS;
    await until(async () => (await head(served, "old")) === undefined);
  });
});
