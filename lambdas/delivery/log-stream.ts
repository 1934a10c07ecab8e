import type { Entry } from "../log/entry.ts";
import { orLater, streamHandler } from "../aws/batches.ts";
import type { RetryJob } from "./job.ts";

/**
 * The edge of a consumer of the log's stream: the new entries of each chat worked on by themselves. A chat that fails
 * goes to the retry queue and holds up no other ([DLV5] [DLV6]).
 */
export const logStreamHandler = (
  readEntry: (image: object | undefined) => Entry,
  work: (chatId: string, entries: readonly Entry[]) => Promise<void>,
  retryLater: (job: RetryJob) => Promise<void>,
) =>
  streamHandler(
    (record) => readEntry(record?.NewImage),
    ({ chatId }) => chatId,
    orLater(
      "entries",
      async (entries, chatId) => await work(chatId, entries),
      async (entries, chatId) => await retryLater({ chatId, seqs: entries.map(({ seq }) => seq) }),
    ),
  );
