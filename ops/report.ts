/** What a redrive did, queue by queue. */

export interface QueueReport {
  /** The output's key without `Url`. */
  readonly queue: string;
  /** Messages that lay in the queue, those in another's hands included; undefined where SQS did not say. */
  readonly found: number | undefined;
  readonly sentAgain: number;
  readonly left: number | undefined;
  /** Why some are left, or what else is worth knowing. */
  readonly note: string;
}

const columns = ["queue", "found", "sent again", "left", "note"] as const;

/** The reports as a table of text, a line each. */
export function tableOf(reports: readonly QueueReport[]): string {
  const rows = [
    [...columns],
    ...reports.map(({ queue, found, sentAgain, left, note }) => [
      queue,
      String(found ?? "?"),
      String(sentAgain),
      String(left ?? "?"),
      note,
    ]),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => {
          const width = widths[at] ?? 0;
          return at >= 1 && at <= 3 ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `3 are …`, joined; nothing for what did not happen. */
export function noteOf(...parts: readonly (readonly [count: number, what: string])[]): string {
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} ${what}`)
    .join("; ");
}
