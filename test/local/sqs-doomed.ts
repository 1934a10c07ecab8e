/** A process that uses queues and a bucket in a data folder, says so, and waits to be killed. */

import { PutObjectCommand } from "@aws-sdk/client-s3";
import { arnOf, serveQueues } from "./sqs-support.ts";

const [dataDir = ""] = process.argv.slice(2);
const { queues, s3 } = await serveQueues({ dataDir });
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
await queues.createBucket("media");
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
await s3.send(new PutObjectCommand({ Bucket: "media", Key: "a/b.bin", Body: Buffer.from([0, 255, 128]) }));
process.send?.("ready");
setInterval(() => {}, 1_000);
