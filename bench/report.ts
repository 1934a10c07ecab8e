/** Tables and notes in Markdown whose columns line up, so that one text serves the terminal and the docs. */
import { cpus, loadavg } from "node:os";
import type { Chart } from "./svg.ts";

export interface Section {
  readonly title: string;
  /** Paragraphs, tables. */
  readonly parts: readonly string[];
  /** What of it a picture shows better. */
  readonly charts?: readonly Chart[];
}

export const sectionText = ({ title, parts }: Section): string => `## ${title}\n\n${parts.join("\n\n")}\n`;

/** The first column reads as text, the others as numbers unless `textColumns` says more of them are text. */
export const table = (
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns = 1,
): string => {
  const widths = headers.map((header, at) =>
    Math.max(3, header.length, ...rows.map((row) => (row[at] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, at) => pad(cells[at] ?? "", width, at < textColumns)).join(" | ")} |`;
  const rule = widths.map((width, at) => "-".repeat(width - 1) + (at < textColumns ? "-" : ":"));
  return [line(headers), line(rule), ...rows.map(line)].join("\n");
};

const pad = (cell: string, width: number, left: boolean): string =>
  left ? cell.padEnd(width) : cell.padStart(width);

/** At most so many decimals, and none that are zeros. */
export const number = (value: number, decimals = 2): string => String(Number(value.toFixed(decimals)));

export const fixed = (value: number, decimals: number): string => value.toFixed(decimals);

/** The value below or at which this share of the sorted values lies (nearest rank). Throws for no values. */
export const percentile = (sorted: readonly number[], share: number): number => {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error("a percentile of nothing");
  return value;
};

export const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

export const median = (values: readonly number[]): number => percentile(ascending(values), 0.5);

/** The cells for p50, p95 and p99. */
export const percentiles = (values: readonly number[]): string[] => {
  const sorted = ascending(values);
  return [0.5, 0.95, 0.99].map((share) => fixed(percentile(sorted, share), 1));
};

/** Processes that ran or waited to run, on average over the last minute. */
export const load = (): string => fixed(loadavg()[0] ?? 0, 1);

export const machine = (): string => {
  const cores = cpus();
  return `${cores.length} cores (${cores[0]?.model.trim() ?? "unknown"}), Node ${process.versions.node}`;
};
