/** Scan: a table or an index in the order of its tokens, whole or one segment. */

import { parseExpressions } from "../expressions.ts";
import { validationFault } from "../faults.ts";
import { TOKENS, tokenText } from "../keys.ts";
import type { Members } from "../requests.ts";
import { readMembers, tableOf } from "../requests.ts";
import type { Entry } from "../table.ts";
import type { Action } from "./context.ts";
import type { Source } from "./pages.ts";
import { answerPage, checkSelection, sourceOf, startOf } from "./pages.ts";

/** The keys of a segment: from the first token (included) up to the last (not included; undefined: to the end). */
const segmentOf = (members: Members): { readonly first: string; readonly end: string | undefined } => {
  const { Segment: segment, TotalSegments: total } = members;
  if (segment !== undefined && total === undefined) {
    throw validationFault(
      "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
    );
  }
  if (total === undefined) return { first: "", end: undefined };
  if (segment === undefined) {
    throw validationFault(
      "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
    );
  }
  if (segment >= total) {
    throw validationFault(
      "The Segment parameter is zero-based and must be less than parameter TotalSegments: " +
        `Segment: ${segment} is not less than TotalSegments: ${total}`,
    );
  }
  const edge = (at: number) => Math.ceil((TOKENS / total) * at);
  return {
    first: tokenText(edge(segment)),
    end: segment + 1 === total ? undefined : tokenText(edge(segment + 1)),
  };
};

function* walk(
  source: Source,
  first: string,
  end: string | undefined,
  start: string | undefined,
): Generator<Entry> {
  const before = start === undefined ? (key: string) => key < first : (key: string) => key <= start;
  for (const [key, entry] of source.entries.from(before)) {
    if (end !== undefined && key >= end) return;
    yield entry;
  }
}

export const scan: Action = (context, input) => {
  const members = readMembers("Scan", input);
  const table = context.store.table(tableOf(members));
  const expressions = parseExpressions(members, ["ProjectionExpression", "FilterExpression"]);
  const source = sourceOf(table, members);
  const { first, end } = segmentOf(members);
  checkSelection(source, members, expressions);
  const start = startOf(source, members)?.key;
  if (start !== undefined && (start < first || (end !== undefined && start >= end))) {
    throw validationFault(
      "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. " +
        `TotalSegments: ${members.TotalSegments} Segment: ${members.Segment}`,
    );
  }
  return answerPage(context, source, members, expressions, walk(source, first, end, start));
};
