/** S3's errors, by the codes and statuses of its API reference ("Error responses"). */
import { AwsFault, type JsonObject } from "../contracts.ts";

export const invalidRequest = (message: string): AwsFault => new AwsFault("InvalidRequest", message);

export const invalidArgument = (message: string, name: string, value: string): AwsFault =>
  new AwsFault("InvalidArgument", message, 400, { ArgumentName: name, ArgumentValue: value });

export const accessDenied = (message: string, members: JsonObject = {}): AwsFault =>
  new AwsFault("AccessDenied", message, 403, members);

/** What S3 has and the platform has not. */
export const notImplemented = (what: string): AwsFault =>
  new AwsFault("NotImplemented", `${what} is not supported locally`, 501);

export const malformedXml = (): AwsFault =>
  new AwsFault(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );

export const noSuchBucket = (name: string): AwsFault =>
  new AwsFault("NoSuchBucket", "The specified bucket does not exist", 404, { BucketName: name });

export const noSuchKey = (key: string): AwsFault =>
  new AwsFault("NoSuchKey", "The specified key does not exist.", 404, { Key: key });

export const noSuchUpload = (uploadId: string): AwsFault =>
  new AwsFault(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    404,
    { UploadId: uploadId },
  );

export const preconditionFailed = (condition: string): AwsFault =>
  new AwsFault("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, {
    Condition: condition,
  });

export const badDigest = (what: string): AwsFault =>
  new AwsFault("BadDigest", `The ${what} you specified did not match the calculated checksum.`);

export const tooLarge = (maxBytes: number): AwsFault =>
  new AwsFault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, {
    MaxSizeAllowed: maxBytes,
  });
