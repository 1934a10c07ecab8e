/** A process that keeps objects in a data folder, says what it has, and waits to be killed. */
import { CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import { request } from "node:http";
import { presign, serveObjects } from "./s3-support.ts";

const [dataDir = ""] = process.argv.slice(2);
const { s3, endpoint, key } = await serveObjects({}, { dataDir });
const Bucket = "media";
await s3.send(
  new PutObjectCommand({ Bucket, Key: "a/b.bin", Body: Buffer.from([0, 255, 128]), Tagging: "state=new" }),
);
const { UploadId } = await s3.send(
  new CreateMultipartUploadCommand({ Bucket, Key: "video", ChecksumAlgorithm: "SHA256" }),
);
await s3.send(
  new UploadPartCommand({
    Bucket,
    Key: "video",
    UploadId,
    PartNumber: 1,
    Body: Buffer.alloc(5 * 1024 * 1024, "v"),
    ChecksumAlgorithm: "SHA256",
  }),
);
// One whose body has not ended.
const { url } = await presign(endpoint, key, { method: "PUT", path: "/media/half" });
const half = request(url, { method: "PUT", headers: { "content-length": 1_000_000 } });
await new Promise<void>((resolve) => half.write(Buffer.alloc(500_000), () => resolve()));
process.send?.({ uploadId: UploadId });
setInterval(() => {}, 1_000);
