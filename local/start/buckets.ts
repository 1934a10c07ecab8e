/** Buckets as a template has them, held to what S3 itself would say when they are made. */
import { isObject } from "../json.ts";
import type { JsonObject } from "../contracts.ts";
import { arnWildcard } from "../iam/wildcard.ts";
import type { BucketSpec, LifecycleRule, QueueNotification } from "../s3/bucket-spec.ts";
import type { CorsRule } from "../s3/cors.ts";
import { textOf } from "../template/load.ts";
import { ofType, type PropertyReader, readerOf, readProperties } from "../template/read-properties.ts";
import type { Resolver, Resource } from "../template/resolve.ts";

/** Throws, naming the bucket, for what S3 would refuse. */
export const describeBuckets = (resolver: Resolver): BucketSpec[] =>
  ofType(resolver, "AWS::S3::Bucket").map((resource) => {
    const { name } = resolver.identity(resource);
    const read = readProperties(resolver, resource);
    const within = (property: string): PropertyReader => readerOf(read.object(property), read.where);
    return {
      name,
      cors: within("CorsConfiguration")
        .objects("CorsRules")
        .map((rule) => corsRule(readerOf(rule, `${read.where}: CorsConfiguration.CorsRules`))),
      lifecycle: within("LifecycleConfiguration")
        .objects("Rules")
        .flatMap((rule, index) =>
          lifecycleRule(readerOf(rule, `${read.where}: LifecycleConfiguration.Rules[${index}]`), index),
        ),
      notifications: within("NotificationConfiguration")
        .objects("QueueConfigurations")
        .map((one, index) => {
          const where = `${read.where}: NotificationConfiguration.QueueConfigurations[${index}]`;
          return queueNotification(resolver, resource, readerOf(one, where), index);
        }),
    };
  });

const corsRule = (read: PropertyReader): CorsRule => ({
  origins: read.texts("AllowedOrigins"),
  methods: read.texts("AllowedMethods"),
  headers: read.texts("AllowedHeaders"),
  exposed: read.texts("ExposedHeaders"),
  ...(read.has("MaxAge") && { maxAgeSec: read.number("MaxAge", 0) }),
});

/** "A minimum of 30 days in the S3 Standard storage class before transitioning to the two IA classes." */
const minDaysBefore: Readonly<Record<string, number>> = { STANDARD_IA: 30, ONEZONE_IA: 30 };

/** None for a rule that is not enabled. */
const lifecycleRule = (read: PropertyReader, index: number): LifecycleRule[] => {
  const tags = Object.fromEntries(
    read.objects("TagFilters").map((one) => {
      const filter = readerOf(one, `${read.where}.TagFilters`);
      return [filter.text("Key"), filter.text("Value")];
    }),
  );
  const transitions = read.objects("Transitions").map((one) => {
    const transition = readerOf(one, `${read.where}.Transitions`);
    const storageClass = transition.text("StorageClass");
    const afterDays = transition.number("TransitionInDays", 0);
    const least = minDaysBefore[storageClass] ?? 0;
    if (afterDays < least)
      throw transition.fault(`objects go to ${storageClass} after ${least} days at the earliest`);
    return { storageClass, afterDays };
  });
  const expirationDays = read.has("ExpirationInDays") ? read.number("ExpirationInDays", 0) : undefined;
  if (expirationDays !== undefined && (expirationDays < 1 || !Number.isInteger(expirationDays)))
    throw read.fault(`ExpirationInDays must be a whole number of 1 or more, not ${expirationDays}`);
  const latest = Math.max(0, ...transitions.map(({ afterDays }) => afterDays));
  if (expirationDays !== undefined && expirationDays <= latest)
    throw read.fault(
      `it expires objects after ${expirationDays} days, before their transition after ${latest}`,
    );
  const abort = readerOf(read.object("AbortIncompleteMultipartUpload"), read.where);
  const abortUploadsAfterDays = abort.has("DaysAfterInitiation")
    ? abort.number("DaysAfterInitiation", 0)
    : undefined;
  const bySize = ["ObjectSizeGreaterThan", "ObjectSizeLessThan"].filter((name) => read.has(name));
  if (abortUploadsAfterDays !== undefined && (Object.keys(tags).length > 0 || bySize.length > 0))
    throw read.fault("AbortIncompleteMultipartUpload cannot be in a rule that filters by tags or sizes");
  if (expirationDays === undefined && abortUploadsAfterDays === undefined && transitions.length === 0)
    throw read.fault("it has no action");
  if (read.text("Status") === "Disabled") return [];
  return [
    {
      id: read.optionalText("Id") ?? `rule-${index}`,
      filter: {
        prefix: read.optionalText("Prefix") ?? "",
        tags,
        ...(read.has("ObjectSizeGreaterThan") && { largerThan: read.number("ObjectSizeGreaterThan", 0) }),
        ...(read.has("ObjectSizeLessThan") && { smallerThan: read.number("ObjectSizeLessThan", 0) }),
      },
      ...(expirationDays !== undefined && { expirationDays }),
      transitions,
      ...(abortUploadsAfterDays !== undefined && { abortUploadsAfterDays }),
    },
  ];
};

const knownEvents = [
  "s3:ObjectCreated:*",
  "s3:ObjectCreated:Put",
  "s3:ObjectCreated:Copy",
  "s3:ObjectCreated:CompleteMultipartUpload",
  "s3:ObjectRemoved:*",
  "s3:ObjectRemoved:Delete",
  "s3:ObjectTagging:*",
  "s3:ObjectTagging:Put",
  "s3:ObjectTagging:Delete",
  "s3:LifecycleExpiration:*",
  "s3:LifecycleExpiration:Delete",
  "s3:LifecycleTransition",
];

const queueNotification = (
  resolver: Resolver,
  bucket: Resource,
  read: PropertyReader,
  index: number,
): QueueNotification => {
  const event = read.text("Event");
  if (!knownEvents.includes(event)) throw read.fault(`the event ${event} is not supported locally`);
  const queueArn = read.text("Queue");
  const queue = ofType(resolver, "AWS::SQS::Queue").find(
    (resource) => resolver.identity(resource).attributes["Arn"] === queueArn,
  );
  if (queue === undefined) throw read.fault(`no queue of the template has the ARN ${queueArn}`);
  if (readProperties(resolver, queue).flag("FifoQueue"))
    throw read.fault("S3 sends no notifications to FIFO queues");
  checkDestination(resolver, bucket, queue, read);
  const rules = readerOf(readerOf(read.object("Filter"), read.where).object("S3Key"), read.where)
    .objects("Rules")
    .map((rule) => readerOf(rule, read.where));
  const value = (name: string): string =>
    rules.find((rule) => rule.text("Name").toLowerCase() === name)?.text("Value") ?? "";
  return { id: `notification-${index}`, event, queueArn, prefix: value("prefix"), suffix: value("suffix") };
};

/**
 * S3 makes no bucket whose notifications it may not send: the queue's policy must let it, and must be there
 * before the bucket.
 */
const checkDestination = (
  resolver: Resolver,
  bucket: Resource,
  queue: Resource,
  read: PropertyReader,
): void => {
  const url = resolver.identity(queue).ref;
  const bucketName = resolver.identity(bucket).name;
  const allowing = ofType(resolver, "AWS::SQS::QueuePolicy").find((policy) => {
    const of = readProperties(resolver, policy);
    const statements = [of.object("PolicyDocument")["Statement"]].flat();
    return (
      of.texts("Queues").includes(url) &&
      statements.some((one) => isObject(one) && letsBucketSend(one, bucketName, resolver.place.accountId))
    );
  });
  if (allowing === undefined)
    throw read.fault(
      `the policy of the queue ${queue.logicalId} does not let s3.amazonaws.com sqs:SendMessage to it`,
    );
  const needs = [bucket.entry["DependsOn"] ?? []].flat();
  if (!needs.includes(allowing.logicalId))
    throw read.fault(
      `the bucket must depend on ${allowing.logicalId}, since S3 checks its queue when it is made`,
    );
};

const letsBucketSend = (statement: JsonObject, bucketName: string, accountId: string): boolean => {
  const principal = statement["Principal"];
  const services = isObject(principal) ? [principal["Service"]].flat() : [];
  const actions = [statement["Action"]].flat();
  if (statement["Effect"] !== "Allow" || !services.includes("s3.amazonaws.com")) return false;
  if (!actions.some((action) => /^sqs:(SendMessage|Send\*|\*)$/i.test(textOf(action)))) return false;
  const conditions = isObject(statement["Condition"]) ? Object.values(statement["Condition"]) : [];
  return conditions.every(
    (keys) =>
      isObject(keys) &&
      Object.entries(keys).every(([key, values]) =>
        [values]
          .flat()
          .some((value) =>
            key.toLowerCase() === "aws:sourcearn"
              ? arnWildcard(textOf(value))(`arn:aws:s3:::${bucketName}`)
              : textOf(value) === accountId,
          ),
      ),
  );
};
