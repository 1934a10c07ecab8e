/** Signatures against the examples that S3's own documentation computes. */
import { expect, test } from "vitest";
import { presignedUrl, signedHeaders } from "../../lambdas/aws/s3-signature.ts";

const signer = {
  credentials: {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  },
  region: "us-east-1",
  at: new Date("2013-05-24T00:00:00Z"),
};
const url = (path: string): URL => new URL(`https://examplebucket.s3.amazonaws.com/${path}`);
const signatureIn = (text: string | undefined): string | undefined =>
  /Signature=([0-9a-f]{64})$/.exec(text ?? "")?.[1];

test.each([
  [
    "GET Object",
    { method: "GET", url: url("test.txt"), query: {}, headers: { range: "bytes=0-9" } },
    "",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "PUT Object",
    {
      method: "PUT",
      url: url("test%24file.text"),
      query: {},
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    },
    "Welcome to Amazon S3.",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "GET Bucket Lifecycle",
    { method: "GET", url: url(""), query: { lifecycle: "" }, headers: {} },
    "",
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  [
    "Get Bucket (List Objects)",
    { method: "GET", url: url(""), query: { "max-keys": "2", prefix: "J" }, headers: {} },
    "",
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
] as const)("[SEC2] the headers of %s are signed as S3 documents it", (_, request, body, signature) => {
  expect(signatureIn(signedHeaders(request, signer, body)["authorization"])).toBe(signature);
});

test("[MED1] a presigned URL is the one that S3 documents", () => {
  const request = { method: "GET", url: url("test.txt"), query: {}, headers: {} } as const;
  expect(presignedUrl(request, signer, 86_400)).toBe(
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
  );
});
