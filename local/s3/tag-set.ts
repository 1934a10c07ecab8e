/** The tags of objects ("Categorizing your objects using tags", S3 User Guide): up to ten of a key and a value. */
import { AwsFault } from "../contracts.ts";
import { invalidArgument, malformedXml } from "./faults.ts";
import { decoded } from "./sigv4.ts";
import { childrenOf, document, parseXml, tag, textIn } from "./xml.ts";

export type Tags = Readonly<Record<string, string>>;

const maxTags = 10;
const maxKeyLength = 128;
const maxValueLength = 256;
const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

const checked = (pairs: readonly (readonly [string, string])[]): Tags => {
  if (pairs.length > maxTags) throw new AwsFault("BadRequest", "Object tags cannot be greater than 10");
  if (new Set(pairs.map(([key]) => key)).size < pairs.length)
    throw new AwsFault("InvalidTag", "Cannot provide multiple Tags with the same key");
  for (const [key, value] of pairs) {
    if (key === "" || key.length > maxKeyLength || !allowed.test(key))
      throw new AwsFault("InvalidTag", "The TagKey you have provided is invalid", 400, { TagKey: key });
    if (value.length > maxValueLength || !allowed.test(value))
      throw new AwsFault("InvalidTag", "The TagValue you have provided is invalid", 400, { TagValue: value });
  }
  return Object.fromEntries(pairs);
};

/** Of `x-amz-tagging`: pairs as in a query. Throws AwsFault. */
export const readTagHeader = (text: string | undefined): Tags => {
  if (text === undefined || text === "") return {};
  const pairs = text.split("&").map((pair) => {
    const [key = "", value = "", more] = pair.split("=").map((part) => decoded(part.replaceAll("+", " ")));
    if (more !== undefined || key === "") {
      throw invalidArgument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        "x-amz-tagging",
        text,
      );
    }
    return [key, value] as const;
  });
  return checked(pairs);
};

/** Of the body of PutObjectTagging. Throws AwsFault. */
export const readTagXml = (text: string): Tags => {
  const [set] = childrenOf(parseXml(text, "Tagging"), "TagSet");
  if (set === undefined) throw malformedXml();
  return checked(
    childrenOf(set, "Tag").map((one) => {
      const key = textIn(one, "Key");
      const value = textIn(one, "Value");
      if (key === undefined || value === undefined) throw malformedXml();
      return [key, value] as const;
    }),
  );
};

export const tagXml = (tags: Tags): string =>
  document(
    "Tagging",
    `<TagSet>${Object.entries(tags)
      .map(([key, value]) => `<Tag>${tag("Key", key)}${tag("Value", value)}</Tag>`)
      .join("")}</TagSet>`,
  );
