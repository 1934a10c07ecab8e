import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import type { BucketSpec } from "../../local/s3/bucket-spec.ts";
import { DAY_MS, presign, serveObjects } from "./s3-support.ts";

const Bucket = "media";
const queueArn = "arn:aws:sqs:eu-west-1:123456789012:verdicts";
const asking = (event: string, more: { prefix?: string; suffix?: string } = {}): Partial<BucketSpec> => ({
  notifications: [{ id: "n", event, queueArn, prefix: "", suffix: "", ...more }],
});
interface Message {
  readonly Event?: string;
  readonly Records?: readonly {
    readonly eventName: string;
    readonly s3: { readonly bucket: { readonly name: string }; readonly object: { readonly key: string } };
  }[];
}
const read = (sent: readonly { body: string }[]): Message[] =>
  sent.map(({ body }) => JSON.parse(body) as Message);
const namesIn = (messages: Message[]) =>
  messages.flatMap(({ Records = [] }) => Records.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`));

describe("a bucket's notifications", () => {
  test("tell a queue first that they work, as S3 does", async () => {
    await using served = await serveObjects(asking("s3:ObjectTagging:Put"));
    expect(read(served.sent)).toMatchObject([{ Service: "Amazon S3", Event: "s3:TestEvent", Bucket }]);
  });

  test("tell of a tag that is put, which is what a scanner of objects does", async () => {
    await using served = await serveObjects(asking("s3:ObjectTagging:Put", { prefix: "up/" }));
    for (const Key of ["up/a b/ü.jpg", "other"]) {
      await served.s3.send(new PutObjectCommand({ Bucket, Key, Body: "x", Tagging: "state=new" }));
      const TagSet = [{ Key: "GuardDutyMalwareScanStatus", Value: "NO_THREATS_FOUND" }];
      await served.s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    }
    const [, ...messages] = read(served.sent);
    expect(messages).toMatchObject([
      {
        Records: [
          {
            eventVersion: "2.3",
            eventSource: "aws:s3",
            awsRegion: "eu-west-1",
            eventName: "ObjectTagging:Put",
            s3: { bucket: { name: Bucket, arn: "arn:aws:s3:::media" }, object: { key: "up/a+b/%C3%BC.jpg" } },
          },
        ],
      },
    ]);
  });

  test("tell of every way in which an object comes", async () => {
    await using served = await serveObjects(asking("s3:ObjectCreated:*"));
    const { s3, endpoint, key } = served;
    await s3.send(new PutObjectCommand({ Bucket, Key: "put", Body: "x" }));
    const { url } = await presign(endpoint, key, { method: "PUT", path: "/media/presigned" });
    await fetch(url, { method: "PUT", body: "x" });
    await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: "media/put" }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "parts" }));
    const of = { Bucket, Key: "parts", UploadId };
    const { ETag } = await s3.send(new UploadPartCommand({ ...of, PartNumber: 1, Body: "x" }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "put" }));
    expect(namesIn(read(served.sent))).toEqual([
      "ObjectCreated:Put put",
      "ObjectCreated:Put presigned",
      "ObjectCreated:Copy copy",
      "ObjectCreated:CompleteMultipartUpload parts",
    ]);
  });

  test("tell of what goes, by deletion and by a rule", async () => {
    const lifecycle = [{ id: "r", filter: { prefix: "", tags: {} }, expirationDays: 1, transitions: [] }];
    await using removed = await serveObjects({ ...asking("s3:ObjectRemoved:*"), lifecycle });
    await using expired = await serveObjects({ ...asking("s3:LifecycleExpiration:Delete"), lifecycle });
    for (const served of [removed, expired]) {
      for (const Key of ["a", "b"]) await served.s3.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "a" }));
      await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "none" }));
      served.clock.now += 3 * DAY_MS;
      served.objects.sweep();
    }
    expect(namesIn(read(removed.sent))).toEqual(["ObjectRemoved:Delete a"]);
    expect(namesIn(read(expired.sent))).toEqual(["LifecycleExpiration:Delete b"]);
  });
});

describe("the meter", () => {
  test("is told of each request that was let in, with its class on the bill and its bytes", async () => {
    await using served = await serveObjects();
    await served.s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "12345" }));
    const { url } = await presign(served.endpoint, served.key, { method: "GET", path: "/media/k" });
    await (await fetch(url)).text();
    await (await fetch(url, { headers: { range: "bytes=0-1" } })).text();
    await served.s3.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    await fetch(url.replace("/k?", "/l?"));
    expect(served.usage).toEqual([
      { operation: "PutObject", tier: "write", bytesIn: 5, bytesOut: 0 },
      { operation: "GetObject", tier: "read", bytesIn: 0, bytesOut: 5 },
      { operation: "GetObject", tier: "read", bytesIn: 0, bytesOut: 2 },
      { operation: "DeleteObject", tier: "free", bytesIn: 0, bytesOut: 0 },
    ]);
  });
});

describe("a browser", () => {
  const cors = [
    {
      origins: ["https://*.example.com"],
      methods: ["PUT", "GET"],
      headers: ["*"],
      exposed: ["ETag"],
      maxAgeSec: 60,
    },
  ];
  const origin = "https://chat.example.com";

  test("may ask first, for the origins and methods of the rules", async () => {
    await using served = await serveObjects({ cors });
    const { url } = await presign(served.endpoint, served.key, { method: "PUT", path: "/media/k" });
    const ask = async (from: string, method: string): Promise<Response> =>
      await fetch(url, {
        method: "OPTIONS",
        headers: {
          origin: from,
          "access-control-request-method": method,
          "access-control-request-headers": "content-type,x-amz-checksum-sha256,if-none-match",
        },
      });
    const allowed = await ask(origin, "PUT");
    expect(allowed.status).toBe(200);
    expect(Object.fromEntries(allowed.headers)).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "PUT, GET",
      "access-control-allow-headers": "content-type, x-amz-checksum-sha256, if-none-match",
      "access-control-max-age": "60",
    });
    expect((await ask("https://evil.test", "PUT")).status).toBe(403);
    expect((await ask(origin, "DELETE")).status).toBe(403);
  });

  test("may read answers, errors too, where its origin is allowed", async () => {
    await using served = await serveObjects({ cors });
    const { url } = await presign(served.endpoint, served.key, { method: "PUT", path: "/media/k" });
    const send = async (to: string, from: string): Promise<[number, string | null]> => {
      const answer = await fetch(to, { method: "PUT", body: "x", headers: { origin: from } });
      return [answer.status, answer.headers.get("access-control-allow-origin")];
    };
    expect(await send(url, origin)).toEqual([200, origin]);
    expect(await send(url.replace("/k?", "/l?"), origin)).toEqual([403, origin]);
    expect(await send(url, "https://evil.test")).toEqual([200, null]);
  });

  test("posting a form is told that this is not supported", async () => {
    await using served = await serveObjects({ cors });
    const body = new FormData();
    body.set("key", "k");
    const answer = await fetch(`${served.endpoint}/media`, { method: "POST", body });
    expect(answer.status).toBe(501);
    expect(await answer.text()).toContain("the upload of a form by POST is not supported locally");
  });
});
