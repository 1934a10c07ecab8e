/**
 * Grants of exactly the actions named, on exactly one resource. The CDK's own `grantReadData` and the like
 * bring actions that no function here needs, and include every index of a table.
 */
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import type { ChatTable } from "./chat-table.ts";

export type TableAction =
  | "BatchGetItem"
  | "BatchWriteItem"
  | "ConditionCheckItem"
  | "DeleteItem"
  | "GetItem"
  | "PutItem"
  | "Query"
  | "UpdateItem";

const allow = (grantee: IGrantable, actions: readonly string[], resourceArn: string): void => {
  Grant.addToPrincipal({ grantee, actions: [...actions], resourceArns: [resourceArn] }).assertSuccess();
};

/** DynamoDB actions on the table itself, none of its indexes. */
export function grantTable(grantee: IGrantable, table: ChatTable, ...actions: readonly TableAction[]): void {
  const names = actions.map((action) => `dynamodb:${action}`);
  allow(grantee, names, table.tableArn);
}

/** Queries on one index of the table. */
export function grantIndexQuery(grantee: IGrantable, table: ChatTable, indexName: string): void {
  allow(grantee, ["dynamodb:Query"], `${table.tableArn}/index/${indexName}`);
}

/**
 * What an event source mapping needs to read the table's stream in the function's name.
 * Throws when the table has no stream.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html ("Required permissions"); ListStreams is
 * checked on the stream too, so it needs no `*`.
 */
export function grantStreamRead(grantee: IGrantable, table: ChatTable): void {
  const actions = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
  allow(
    grantee,
    actions.map((action) => `dynamodb:${action}`),
    table.streamArn,
  );
}

export function grantSend(grantee: IGrantable, queue: IQueue): void {
  allow(grantee, ["sqs:SendMessage"], queue.queueArn);
}

/**
 * What an event source mapping needs to take messages from the queue in the function's name.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html ("Setting up execution role")
 */
export function grantConsume(grantee: IGrantable, queue: IQueue): void {
  allow(grantee, ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue.queueArn);
}
