/** What IAM must allow for an SQS call, by the queue that its input names. */
import { AwsFault, type JsonObject, type NeededPermission } from "../contracts.ts";

export interface QueuePlace {
  readonly region: string;
  readonly accountId: string;
}

/** Operations on a queue URL, with the IAM action of each: a batch needs that of the single call. */
const urlOperations: Readonly<Record<string, string>> = {
  ChangeMessageVisibility: "ChangeMessageVisibility",
  ChangeMessageVisibilityBatch: "ChangeMessageVisibility",
  DeleteMessage: "DeleteMessage",
  DeleteMessageBatch: "DeleteMessage",
  GetQueueAttributes: "GetQueueAttributes",
  ListDeadLetterSourceQueues: "ListDeadLetterSourceQueues",
  ListQueueTags: "ListQueueTags",
  PurgeQueue: "PurgeQueue",
  ReceiveMessage: "ReceiveMessage",
  SendMessage: "SendMessage",
  SendMessageBatch: "SendMessage",
};

/** Throws AwsFault for an operation that is not supported, or an input that names no queue. */
export const queuePermissions = (
  place: QueuePlace,
  operation: string,
  input: JsonObject,
): readonly NeededPermission[] => {
  const arnOf = (name: string): string => `arn:aws:sqs:${place.region}:${place.accountId}:${name}`;
  const text = (member: string): string => {
    const value = input[member];
    if (typeof value === "string" && value !== "") return value;
    throw new AwsFault("MissingParameter", `The request must contain the parameter ${member}.`);
  };
  const action = Object.hasOwn(urlOperations, operation) ? urlOperations[operation] : undefined;
  if (action !== undefined) {
    const url = text("QueueUrl");
    return [{ action: `sqs:${action}`, resource: arnOf(url.slice(url.lastIndexOf("/") + 1)) }];
  }
  switch (operation) {
    case "GetQueueUrl":
      return [{ action: "sqs:GetQueueUrl", resource: arnOf(text("QueueName")) }];
    case "ListQueues":
      return [{ action: "sqs:ListQueues", resource: "*" }];
    case "StartMessageMoveTask": {
      const source = text("SourceArn");
      const destination = input["DestinationArn"];
      return [
        ...["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"].map((name) => ({
          action: `sqs:${name}`,
          resource: source,
        })),
        ...(typeof destination === "string" ? [{ action: "sqs:SendMessage", resource: destination }] : []),
      ];
    }
    case "ListMessageMoveTasks":
      return [{ action: "sqs:ListMessageMoveTasks", resource: text("SourceArn") }];
    case "CancelMessageMoveTask":
      return [{ action: "sqs:CancelMessageMoveTask", resource: taskSource(text("TaskHandle")) }];
    default:
      throw new AwsFault("UnknownOperationException", `SQS ${operation} is not supported locally`);
  }
};

/** The queue in a task's handle: base64 of JSON with its `sourceArn`. */
const taskSource = (handle: string): string => {
  try {
    const { sourceArn } = JSON.parse(Buffer.from(handle, "base64").toString("utf8")) as {
      sourceArn?: unknown;
    };
    if (typeof sourceArn === "string") return sourceArn;
  } catch {
    // Falls through to the answer for any other handle that is none.
  }
  throw new AwsFault("ResourceNotFoundException", "The task handle names no task.", 404);
};
