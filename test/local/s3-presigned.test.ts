import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Key,
  outcome,
  type Presigned,
  presign,
  type ServedObjects,
  serveObjects,
  sha256,
} from "./s3-support.ts";

let served: ServedObjects;
beforeAll(async () => {
  served = await serveObjects();
});
afterAll(async () => {
  await served.close();
});

const Bucket = "media";
const image = randomBytes(50_000);
let keys = 0;

/** An upload of these bytes, bound to their size, type and checksum, and to a key that is free. */
const uploadOf = async (
  bytes: Uint8Array,
  more: { key?: Key; headers?: Record<string, string>; expiresInSec?: number; signedAtMs?: number } = {},
): Promise<Presigned & { path: string; Key: string }> => {
  keys += 1;
  const { headers, key = served.key, ...rest } = more;
  const path = `/media/uploads/${keys}`;
  const made = await presign(served.endpoint, key, {
    method: "PUT",
    path,
    headers: {
      "content-type": "image/jpeg",
      "content-length": String(bytes.length),
      "x-amz-checksum-sha256": sha256(bytes),
      "if-none-match": "*",
      ...headers,
    },
    ...rest,
  });
  return { ...made, path, Key: `uploads/${keys}` };
};

/** What a browser sends: it sets the length itself, by the body. */
const send = async ({ url, headers }: Presigned, body: Uint8Array, changed: Record<string, string> = {}) => {
  const { "content-length": _, ...rest } = headers;
  return await outcome(
    await fetch(url, { method: "PUT", headers: { ...rest, ...changed }, body: Buffer.from(body) }),
  );
};
const isThere = async (Key: string) =>
  await served.s3.send(new HeadObjectCommand({ Bucket, Key })).then(
    () => true,
    () => false,
  );
const mismatch = { status: 403, code: "SignatureDoesNotMatch" };

describe("[MED1] a presigned PUT", () => {
  test("takes the bytes that it was made for", async () => {
    const upload = await uploadOf(image);
    expect(await send(upload, image)).toEqual({ status: 200 });
    const head = await served.s3.send(
      new HeadObjectCommand({ Bucket, Key: upload.Key, ChecksumMode: "ENABLED" }),
    );
    expect(head).toMatchObject({
      ContentLength: image.length,
      ContentType: "image/jpeg",
      ChecksumSHA256: sha256(image),
    });
  });

  test("refuses another size", async () => {
    const upload = await uploadOf(image);
    expect(await send(upload, image.subarray(1))).toMatchObject(mismatch);
    expect(await send(upload, Buffer.concat([image, image]))).toMatchObject(mismatch);
    expect(await isThere(upload.Key)).toBe(false);
  });

  test("refuses another type, and none", async () => {
    const upload = await uploadOf(image);
    expect(await send(upload, image, { "content-type": "text/html" })).toMatchObject(mismatch);
    const { "content-type": _, ...headers } = upload.headers;
    expect(await send({ url: upload.url, headers }, image)).toMatchObject(mismatch);
    expect(await isThere(upload.Key)).toBe(false);
  });

  test("refuses other bytes of the same size, whether their checksum is told or not", async () => {
    const upload = await uploadOf(image);
    const other = randomBytes(image.length);
    expect(await send(upload, other)).toMatchObject({ status: 400, code: "BadDigest" });
    expect(await send(upload, other, { "x-amz-checksum-sha256": sha256(other) })).toMatchObject(mismatch);
    const { "x-amz-checksum-sha256": _, ...headers } = upload.headers;
    expect(await send({ url: upload.url, headers }, other)).toMatchObject(mismatch);
    expect(await isThere(upload.Key)).toBe(false);
  });

  test("does not hold bytes to a checksum that stands in the query alone, as S3 does not", async () => {
    const other = randomBytes(image.length);
    const hidden = await presign(served.endpoint, served.key, {
      method: "PUT",
      path: "/media/uploads/hidden",
      query: { "x-amz-checksum-sha256": sha256(image) },
    });
    expect(await send(hidden, other)).toEqual({ status: 200 });
  });

  test("refuses another key, method and parameter", async () => {
    const upload = await uploadOf(image);
    expect(await send({ ...upload, url: upload.url.replace("/uploads/", "/other/") }, image)).toMatchObject(
      mismatch,
    );
    expect(
      await send({ ...upload, url: upload.url.replace("X-Amz-Expires=900", "X-Amz-Expires=901") }, image),
    ).toMatchObject(mismatch);
    expect(await send({ ...upload, url: `${upload.url}&tagging` }, image)).toMatchObject(mismatch);
    expect(await outcome(await fetch(upload.url))).toMatchObject(mismatch);
  });

  test("refuses headers that were not signed: tags, a storage class, a copy", async () => {
    const upload = await uploadOf(image);
    for (const header of ["x-amz-tagging", "x-amz-storage-class", "x-amz-copy-source", "x-amz-meta-a"]) {
      expect(await send(upload, image, { [header]: "x" })).toEqual({
        status: 403,
        code: "AccessDenied",
        message: "There were headers present in the request which were not signed",
      });
    }
  });

  test("gives an object the tags that were signed", async () => {
    const upload = await uploadOf(image, { headers: { "x-amz-tagging": "state=new" } });
    expect(await send(upload, image)).toEqual({ status: 200 });
    expect(await send({ ...upload, url: upload.url }, image, { "x-amz-tagging": "state=old" })).toMatchObject(
      mismatch,
    );
  });

  test("writes once where it was signed so", async () => {
    const upload = await uploadOf(image);
    expect(await send(upload, image)).toEqual({ status: 200 });
    expect(await send(upload, image)).toMatchObject({ status: 412, code: "PreconditionFailed" });
    const { "if-none-match": _, ...headers } = upload.headers;
    expect(await send({ url: upload.url, headers }, image)).toMatchObject(mismatch);
  });

  test("writes once also where two begin before one has ended", async () => {
    const { url, headers } = await uploadOf(image);
    /** Begins the upload; the body's end is sent by what this resolves with, which answers the status. */
    const begin = async (): Promise<() => Promise<number | undefined>> => {
      const outgoing = httpRequest(url, { method: "PUT", headers: { ...headers, expect: "100-continue" } });
      const answered = new Promise<number | undefined>((resolve, reject) => {
        outgoing.on("error", reject);
        outgoing.on("response", (response) => {
          response.resume().on("end", () => resolve(response.statusCode));
        });
      });
      outgoing.flushHeaders();
      await new Promise<void>((resolve) => outgoing.on("continue", resolve));
      return async () => {
        outgoing.end(image);
        return await answered;
      };
    };
    const [first, second] = [await begin(), await begin()];
    expect(await first()).toBe(200);
    expect(await second()).toBe(412);
  });

  test("is of no use after its end, nor long before it was signed, nor for more than a week", async () => {
    const upload = await uploadOf(image, { expiresInSec: 60 });
    const before = served.clock.now;
    served.clock.now = Date.now() + 61_000;
    expect(await send(upload, image)).toMatchObject({
      status: 403,
      code: "AccessDenied",
      message: "Request has expired",
    });
    served.clock.now = before;
    const early = await uploadOf(image, { signedAtMs: Date.now() + 16 * 60_000 });
    expect(await send(early, image)).toMatchObject({ status: 403, code: "AccessDenied" });
    const { url } = upload;
    expect(
      await send({ ...upload, url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=604801") }, image),
    ).toMatchObject({ status: 400, code: "AuthorizationQueryParametersError" });
    expect(await send(upload, image)).toEqual({ status: 200 });
  });

  test("whose body ends early stores nothing", async () => {
    const upload = await uploadOf(image);
    await new Promise<void>((resolve, reject) => {
      const outgoing = httpRequest(upload.url, { method: "PUT", headers: upload.headers });
      outgoing.on("error", () => resolve());
      outgoing.on("response", () => reject(new Error("it was answered")));
      outgoing.write(image.subarray(0, 20_000), () => outgoing.destroy());
    });
    expect(await isThere(upload.Key)).toBe(false);
    expect(await send(upload, image)).toEqual({ status: 200 });
  });

  test("of 100 MB arrives whole", async () => {
    const large = Buffer.alloc(100_000_000, image);
    const { url, headers, path } = await uploadOf(large);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = httpRequest(url, { method: "PUT", headers }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      outgoing.on("error", reject);
      outgoing.end(large);
    });
    expect(status).toBe(200);
    const got = await presign(served.endpoint, served.key, { method: "GET", path });
    const hash = createHash("sha256");
    for await (const chunk of (await fetch(got.url)).body ?? []) hash.update(chunk);
    expect(hash.digest("base64")).toBe(headers["x-amz-checksum-sha256"]);
  });
});

describe("[MED3] a presigned GET", () => {
  test("gives the bytes, or a range of them, with the headers that it asks for", async () => {
    await served.s3.send(
      new PutObjectCommand({ Bucket, Key: "got", Body: image, ContentType: "image/jpeg" }),
    );
    const { url } = await presign(served.endpoint, served.key, {
      method: "GET",
      path: "/media/got",
      query: {
        "response-content-disposition": 'attachment; filename="my cat.jpg"',
        "response-content-type": "application/octet-stream",
      },
    });
    const whole = await fetch(url);
    expect(whole.headers.get("content-disposition")).toBe('attachment; filename="my cat.jpg"');
    expect(whole.headers.get("content-type")).toBe("application/octet-stream");
    expect(Buffer.from(await whole.arrayBuffer()).equals(image)).toBe(true);
    const part = await fetch(url, { headers: { range: "bytes=100-199" } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe(`bytes 100-199/${image.length}`);
    expect(Buffer.from(await part.arrayBuffer()).equals(image.subarray(100, 200))).toBe(true);
    expect(await outcome(await fetch(url.replace("my%20cat.jpg", "x.html")))).toMatchObject(mismatch);
  });

  test("reads on while the object is deleted", async () => {
    const large = Buffer.alloc(20_000_000, image);
    await served.s3.send(new PutObjectCommand({ Bucket, Key: "going", Body: large }));
    const { url } = await presign(served.endpoint, served.key, { method: "GET", path: "/media/going" });
    const answer = await fetch(url);
    const deletion = await presign(served.endpoint, served.key, { method: "DELETE", path: "/media/going" });
    expect((await fetch(deletion.url, { method: "DELETE" })).status).toBe(204);
    expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(sha256(large));
    expect(await isThere("going")).toBe(false);
  });
});

describe("who signed", () => {
  const denied = { status: 403, code: "AccessDenied" };

  test("may what its role may: a role without the grant cannot presign its way in", async () => {
    const reader = served.newKey(({ action }) => action === "s3:GetObject");
    const writer = served.newKey(
      ({ action, resource }) =>
        action === "s3:PutObject" && resource.startsWith("arn:aws:s3:::media/uploads/"),
    );
    const denials = await uploadOf(image, { key: reader });
    expect(await send(denials, image)).toMatchObject(denied);
    const allowed = await uploadOf(image, { key: writer });
    expect(await send(allowed, image)).toEqual({ status: 200 });
    const { url } = await presign(served.endpoint, writer, { method: "GET", path: allowed.path });
    expect(await outcome(await fetch(url))).toMatchObject(denied);
    // Tags are a permission of their own.
    const tagged = await uploadOf(image, { key: writer, headers: { "x-amz-tagging": "a=b" } });
    expect(await send(tagged, image)).toMatchObject(denied);
  });

  test("learns that a key is not there only when it may list the bucket, else is denied", async () => {
    const none = { Bucket, Key: "none" };
    const reader = served.newKey(({ action }) => action === "s3:GetObject");
    const lister = served.newKey(({ action }) => ["s3:GetObject", "s3:ListBucket"].includes(action));
    await expect(served.clientOf(reader).send(new GetObjectCommand(none))).rejects.toMatchObject({
      name: "AccessDenied",
    });
    await expect(served.clientOf(reader).send(new HeadObjectCommand(none))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 403 },
    });
    await expect(served.clientOf(lister).send(new GetObjectCommand(none))).rejects.toMatchObject({
      name: "NoSuchKey",
    });
  });

  test("may read by an object's tags, where its policy goes by them", async () => {
    const clean = served.newKey(
      ({ action, context }) =>
        action === "s3:GetObject" &&
        context?.["s3:ExistingObjectTag/GuardDutyMalwareScanStatus"]?.[0] === "NO_THREATS_FOUND",
    );
    const { url } = await presign(served.endpoint, clean, { method: "GET", path: "/media/scanned" });
    const put = async (Tagging?: string) =>
      await served.s3.send(
        new PutObjectCommand({
          Bucket,
          Key: "scanned",
          Body: image,
          ...(Tagging !== undefined && { Tagging }),
        }),
      );
    await put();
    expect(await outcome(await fetch(url))).toMatchObject(denied);
    await put("GuardDutyMalwareScanStatus=THREATS_FOUND");
    expect(await outcome(await fetch(url))).toMatchObject(denied);
    await put("GuardDutyMalwareScanStatus=NO_THREATS_FOUND");
    expect((await fetch(url)).status).toBe(200);
  });

  test("must be known, with its own secret, its session's token and the bucket's region", async () => {
    const of = async (key: Partial<Key>) => await uploadOf(image, { key: { ...served.key, ...key } });
    expect(await send(await of({ accessKeyId: "ASIANOBODY" }), image)).toMatchObject({
      status: 403,
      code: "InvalidAccessKeyId",
    });
    expect(await send(await of({ secretAccessKey: "another" }), image)).toMatchObject(mismatch);
    expect(await send(await of({ sessionToken: "another" }), image)).toMatchObject({
      status: 400,
      code: "InvalidToken",
    });
    const upload = await uploadOf(image);
    expect(await send({ ...upload, url: upload.url.replace("eu-west-1", "us-east-1") }, image)).toMatchObject(
      { status: 400, code: "AuthorizationQueryParametersError" },
    );
    expect(await outcome(await fetch(`${served.endpoint}/media/got`))).toMatchObject(denied);
  });

  test("signs requests in their header too: another secret is refused", async () => {
    const forged = served.clientOf({ ...served.key, secretAccessKey: "another" });
    await expect(forged.send(new GetObjectCommand({ Bucket, Key: "got" }))).rejects.toMatchObject({
      name: "SignatureDoesNotMatch",
    });
  });
});
