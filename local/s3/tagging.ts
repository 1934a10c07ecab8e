/** The operations on an object's tags. */
import { receiveText } from "./body.ts";
import { type ObjectCall, onObject, type Operation, type OperationParts, xmlAnswer } from "./call.ts";
import { tagContext } from "./description.ts";
import { existing } from "./objects.ts";
import { readTagXml, type Tags, tagXml } from "./tag-set.ts";

const withTags = (call: ObjectCall, { store }: OperationParts) =>
  tagContext("s3:ExistingObjectTag", store.object(call.bucket, call.key)?.tags ?? {});

export const getTagging: Operation = {
  name: "GetObjectTagging",
  tier: "read",
  needs: (call, parts) => [onObject(call, "GetObjectTagging", withTags(call, parts))],
  run: async (call, parts) => xmlAnswer(tagXml(existing(call, parts).tags)),
};

const setTags = (call: ObjectCall, parts: OperationParts, tags: Tags): void => {
  const { store } = parts;
  store.commit({ type: "put", bucket: call.bucket, object: { ...existing(call, parts), tags } });
};

/** Authorized when its document has been read: policies may go by the tags in it. */
export const putTagging: Operation = {
  name: "PutObjectTagging",
  tier: "write",
  needs: () => [],
  run: async (call, parts) => {
    const tags = readTagXml(await receiveText(call));
    call.authorize([
      onObject(call, "PutObjectTagging", {
        ...withTags(call, parts),
        ...tagContext("s3:RequestObjectTag", tags),
      }),
    ]);
    setTags(call, parts, tags);
    parts.onHappened({ name: "s3:ObjectTagging:Put", bucket: call.bucket, object: existing(call, parts) });
    return { status: 200, headers: {} };
  },
};

export const deleteTagging: Operation = {
  name: "DeleteObjectTagging",
  tier: "free",
  needs: (call, parts) => [onObject(call, "DeleteObjectTagging", withTags(call, parts))],
  run: async (call, parts) => {
    setTags(call, parts, {});
    parts.onHappened({ name: "s3:ObjectTagging:Delete", bucket: call.bucket, object: existing(call, parts) });
    return { status: 204, headers: {} };
  },
};
