/** A process that uses queues in a data folder, says so, and waits to be killed. */

import { arnOf, serveQueues } from "./sqs-support.ts";

const [dataDir = ""] = process.argv.slice(2);
const { queues } = await serveQueues({ dataDir });
queues.createQueue({ QueueName: "dead" });
queues.createQueue({
  QueueName: "jobs",
  VisibilityTimeout: 1,
  RedrivePolicy: { deadLetterTargetArn: arnOf("dead"), maxReceiveCount: 1 },
});
const { url } = queues.createQueue({
  QueueName: "ordered.fifo",
  FifoQueue: true,
  ContentBasedDeduplication: true,
});
const jobs = { QueueUrl: url.replace("ordered.fifo", "jobs") };
await queues.call("SendMessage", { ...jobs, MessageBody: "in flight" });
await queues.call("ReceiveMessage", jobs);
await queues.call("SendMessage", { ...jobs, MessageBody: "waiting 🎉" });
await queues.call("SendMessage", { ...jobs, MessageBody: "deleted" });
const { Messages } = (await queues.call("ReceiveMessage", {
  ...jobs,
  MaxNumberOfMessages: 10,
})) as unknown as {
  Messages: { Body: string; ReceiptHandle: string }[];
};
for (const { Body, ReceiptHandle } of Messages) {
  if (Body === "deleted") await queues.call("DeleteMessage", { ...jobs, ReceiptHandle });
  else await queues.call("ChangeMessageVisibility", { ...jobs, ReceiptHandle, VisibilityTimeout: 0 });
}
for (const body of ["one", "two"]) {
  await queues.call("SendMessage", { QueueUrl: url, MessageBody: body, MessageGroupId: "g" });
}
process.send?.("ready");
setInterval(() => {}, 1_000);
