/** What a redrive makes of records of the log's stream that were given up. */
import { expect, test } from "vitest";
import { goneOf } from "../../ops/stream-failures.ts";
import type { StreamRecord } from "../../ops/streams-client.ts";

const carrying = {
  chatId: { S: "chat" },
  seq: { N: "7" },
  userId: { S: "alice" },
  clientMessageId: { S: "first" },
  attachments: { S: JSON.stringify([{ attachmentId: "a" }, { attachmentId: "b" }]) },
};
const { attachments: _, ...without } = carrying;
const record = (eventName: StreamRecord["eventName"], images: object): StreamRecord => ({
  eventName,
  dynamodb: { SequenceNumber: "1", Keys: { chatId: carrying.chatId, seq: carrying.seq }, ...images },
});

const job = {
  chatId: "chat",
  seq: 7,
  userId: "alice",
  clientMessageId: "first",
  attachmentIds: ["a", "b"],
  gone: true,
};

test("[MED4] [DLV6] messages with files that were deleted or have expired are followed again, no others", () => {
  const deleted = record("MODIFY", { OldImage: carrying, NewImage: without });
  const expired = record("REMOVE", { OldImage: carrying });
  expect(goneOf([deleted, expired])).toEqual([job, job]);
  expect(
    goneOf([
      record("INSERT", { NewImage: carrying }),
      record("MODIFY", { OldImage: carrying, NewImage: carrying }),
      record("REMOVE", { OldImage: without }),
    ]),
  ).toEqual([]);
});
