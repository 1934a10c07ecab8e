/**
 * What a function's answer to a batch means under `ReportBatchItemFailures` (Lambda Developer Guide,
 * "Configuring partial batch response": success and failure conditions, the same for streams and queues).
 */

import type { JsonValue, ReceivedMessage } from "../contracts.ts";

/** The identifiers that failed; none: all succeeded; `"all"`: the answer counts as a failure of the whole batch. */
export type BatchVerdict =
  | { readonly failed: ReadonlySet<string> }
  | { readonly failed: "all"; readonly why: string };

const ALL_SUCCEEDED: BatchVerdict = { failed: new Set() };

/** Reads the answer to a batch whose records have these identifiers (sequence numbers or message ids). */
export function readBatchResponse(payload: JsonValue, identifiers: ReadonlySet<string>): BatchVerdict {
  if (payload === null) return ALL_SUCCEEDED;
  if (typeof payload !== "object" || Array.isArray(payload)) {
    return { failed: "all", why: `the response is not an object: ${brief(payload)}` };
  }
  const failures = payload["batchItemFailures"];
  if (failures === undefined || failures === null) return ALL_SUCCEEDED;
  if (!Array.isArray(failures)) {
    return { failed: "all", why: `batchItemFailures is not a list: ${brief(failures)}` };
  }
  const failed = new Set<string>();
  for (const failure of failures) {
    const identifier =
      typeof failure === "object" && failure !== null && !Array.isArray(failure)
        ? failure["itemIdentifier"]
        : undefined;
    if (typeof identifier !== "string" || !identifiers.has(identifier)) {
      return { failed: "all", why: `batchItemFailures names no record of the batch: ${brief(failure)}` };
    }
    failed.add(identifier);
  }
  return { failed };
}

/** The ids of messages that did not fail, each behind one of its group that did. None on a standard queue. */
export function overtakingMessages(
  messages: readonly ReceivedMessage[],
  failed: ReadonlySet<string>,
): string[] {
  const held = new Set<string>();
  const overtaking: string[] = [];
  for (const { MessageId, Attributes } of messages) {
    const group = Attributes["SequenceNumber"] === undefined ? undefined : Attributes["MessageGroupId"];
    if (group === undefined) continue;
    if (failed.has(MessageId)) held.add(group);
    else if (held.has(group)) overtaking.push(MessageId);
  }
  return overtaking;
}

function brief(value: JsonValue): string {
  return JSON.stringify(value).slice(0, 200);
}
