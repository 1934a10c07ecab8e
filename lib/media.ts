import { Duration } from "aws-cdk-lib";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  HttpMethods,
  ObjectOwnership,
} from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { removalPolicyOf } from "./chat-table.ts";
import type { StageConfig } from "./config.ts";

export interface MediaProps {
  readonly stage: StageConfig;
}

/**
 * The bucket for attachments: private, encrypted, spoken to over TLS alone. Clients will upload and download
 * by presigned URLs; no function uses it yet.
 */
export class Media extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: MediaProps) {
    super(scope, id);
    const { protection, allowedOrigins = [] } = props.stage;
    this.bucket = new Bucket(this, "Bucket", {
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      cors: allowedOrigins.length === 0 ? [] : [browserAccess(allowedOrigins)],
      // Emptying a disposable bucket with its stack would take a custom resource: one that holds objects
      // stops the stack's deletion until it has been emptied by hand.
      removalPolicy: removalPolicyOf(protection),
    });
  }
}

const browserAccess = (origins: readonly string[]) => ({
  allowedOrigins: [...origins],
  allowedMethods: [HttpMethods.GET, HttpMethods.PUT, HttpMethods.POST],
  allowedHeaders: ["*"],
  exposedHeaders: ["ETag"],
  maxAge: Duration.hours(1).toSeconds(),
});
