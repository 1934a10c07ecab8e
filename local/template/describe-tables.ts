/** `AWS::DynamoDB::Table` and `GlobalTable` as the DynamoDB engine takes them. */
import { isObject } from "../json.ts";
import type { JsonObject, TableSpec } from "../contracts.ts";
import { textOf } from "./load.ts";
import { ofType, type PropertyReader, readProperties } from "./read-properties.ts";
import type { Resolver, Resource } from "./resolve.ts";

export interface DescribedTable {
  readonly resource: Resource;
  readonly spec: TableSpec;
}

export const describeTables = (resolver: Resolver): DescribedTable[] =>
  ofType(resolver, "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable").map((resource) => {
    const read = readProperties(resolver, resource);
    if (resource.type === "AWS::DynamoDB::GlobalTable") checkReplicas(read, resolver.place.region);
    // Without BillingMode a table is provisioned, which wants throughput that the platform does not hold.
    if (read.text("BillingMode") !== "PAY_PER_REQUEST")
      throw read.fault("BillingMode must be PAY_PER_REQUEST");
    const stream = read.object("StreamSpecification")["StreamViewType"];
    const ttl = read.object("TimeToLiveSpecification");
    return {
      resource,
      spec: {
        tableName: resolver.identity(resource).name,
        keySchema: read.objects("KeySchema") as unknown as TableSpec["keySchema"],
        attributeDefinitions: read.objects(
          "AttributeDefinitions",
        ) as unknown as TableSpec["attributeDefinitions"],
        ...(read.has("GlobalSecondaryIndexes") && {
          globalSecondaryIndexes: read.objects("GlobalSecondaryIndexes").map(indexOf),
        }),
        ...(stream !== undefined && { streamViewType: stream as NonNullable<TableSpec["streamViewType"]> }),
        ...(textOf(ttl["Enabled"]) === "true" && { timeToLiveAttribute: textOf(ttl["AttributeName"]) }),
      },
    };
  });

const indexOf = (index: JsonObject): JsonObject => {
  const { IndexName, KeySchema, Projection } = index;
  return { IndexName: IndexName ?? null, KeySchema: KeySchema ?? null, Projection: Projection ?? null };
};

const checkReplicas = (read: PropertyReader, region: string): void => {
  const regions = read.list("Replicas").map((replica) => (isObject(replica) ? replica["Region"] : undefined));
  if (regions.length !== 1 || regions[0] !== region) {
    throw read.fault(`Replicas must be the one in ${region}, not ${JSON.stringify(regions)}`);
  }
};
