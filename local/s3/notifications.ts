/** Messages to queues about what happens to objects ("Event message structure", S3 User Guide). */
import { randomBytes } from "node:crypto";
import type { BucketSpec, QueueNotification } from "./bucket-spec.ts";
import { bucketArn, type Happened } from "./call.ts";
import { encoded } from "./sigv4.ts";

/** "2.1 for events before", 2.3 for those of lifecycle, tags and classes. */
const versionOf = (name: string): string => (/^s3:Object(Created|Removed):/.test(name) ? "2.1" : "2.3");

const isAsked = (asked: QueueNotification, { name, object }: Happened): boolean =>
  (asked.event === name || (asked.event.endsWith("*") && name.startsWith(asked.event.slice(0, -1)))) &&
  object.key.startsWith(asked.prefix) &&
  object.key.endsWith(asked.suffix);

/** Keys stand in events as in the query of a URL, a space as `+`. */
const eventKey = (key: string): string => key.split("/").map(encoded).join("/").replaceAll("%20", "+");

let sequence = 0;

const sequencer = (nowMs: number): string => {
  sequence += 1;
  return (BigInt(nowMs) * 1_000_000n + BigInt(sequence % 1_000_000))
    .toString(16)
    .toUpperCase()
    .padStart(18, "0");
};

const requestIds = () => ({
  "x-amz-request-id": randomBytes(8).toString("hex").toUpperCase(),
  "x-amz-id-2": randomBytes(48).toString("base64"),
});

/** The messages that the bucket's notifications ask for, each with its queue. */
export const notificationsOf = (
  spec: BucketSpec,
  happened: Happened,
  { region, nowMs }: { readonly region: string; readonly nowMs: number },
): readonly { readonly queueArn: string; readonly body: string }[] =>
  spec.notifications
    .filter((asked) => isAsked(asked, happened))
    .map(({ id, queueArn }) => {
      const { object, name, bucket } = happened;
      const isCreation = name.startsWith("s3:ObjectCreated:");
      const record = {
        eventVersion: versionOf(name),
        eventSource: "aws:s3",
        awsRegion: region,
        eventTime: new Date(nowMs).toISOString(),
        eventName: name.slice("s3:".length),
        userIdentity: { principalId: "local" },
        requestParameters: { sourceIPAddress: "127.0.0.1" },
        responseElements: requestIds(),
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: id,
          bucket: { name: bucket, ownerIdentity: { principalId: "local" }, arn: bucketArn(bucket) },
          object: {
            key: eventKey(object.key),
            ...(isCreation && { size: object.size }),
            ...(!name.startsWith("s3:ObjectRemoved:") && { eTag: object.etag }),
            sequencer: sequencer(nowMs),
          },
        },
      };
      return { queueArn, body: JSON.stringify({ Records: [record] }) };
    });

/** What S3 sends once to each queue when it is configured. */
export const testEvent = (bucket: string, nowMs: number): string => {
  const { "x-amz-request-id": RequestId, "x-amz-id-2": HostId } = requestIds();
  return JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: new Date(nowMs).toISOString(),
    Bucket: bucket,
    RequestId,
    HostId,
  });
};
