/** What the platform does with the properties of an `AWS::S3::Bucket`. */
import { acts, each, fields, noEffect, type Shape, values } from "./shapes.ts";

const label = noEffect("a text for people");

const lifecycleRule = fields({
  Id: label,
  Status: values("Enabled", "Disabled"),
  Prefix: acts,
  TagFilters: each(fields({ Key: acts, Value: acts })),
  ObjectSizeGreaterThan: acts,
  ObjectSizeLessThan: acts,
  ExpirationInDays: acts,
  Transitions: each(
    fields({
      // Those whose objects can be read at once: nothing is restored locally.
      StorageClass: values("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"),
      TransitionInDays: acts,
    }),
  ),
  AbortIncompleteMultipartUpload: fields({ DaysAfterInitiation: acts }),
});

const queueConfiguration = fields({
  Event: acts,
  Queue: acts,
  Filter: fields({
    S3Key: fields({
      Rules: each(fields({ Name: values("prefix", "suffix", "Prefix", "Suffix"), Value: acts })),
    }),
  }),
});

export const bucketShape: Readonly<Record<string, Shape>> = {
  BucketName: acts,
  CorsConfiguration: fields({
    CorsRules: each(
      fields({
        Id: label,
        AllowedHeaders: acts,
        AllowedMethods: acts,
        AllowedOrigins: acts,
        ExposedHeaders: acts,
        MaxAge: acts,
      }),
    ),
  }),
  BucketEncryption: noEffect("encryption at rest does not change what a caller sees"),
  LifecycleConfiguration: fields({
    Rules: each(lifecycleRule),
    TransitionDefaultMinimumObjectSize: values("all_storage_classes_128K"),
  }),
  NotificationConfiguration: fields({
    QueueConfigurations: each(queueConfiguration),
    EventBridgeConfiguration: fields({
      EventBridgeEnabled: noEffect("a rule that would listen to it is refused by its type"),
    }),
  }),
  OwnershipControls: fields({ Rules: each(fields({ ObjectOwnership: values("BucketOwnerEnforced") })) }),
  PublicAccessBlockConfiguration: noEffect("nothing is public locally"),
  Tags: noEffect("a label for bills and people"),
};
