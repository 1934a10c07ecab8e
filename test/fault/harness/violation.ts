export interface Violation {
  /** Of docs/SPEC.md. */
  readonly rule: string;
  readonly evidence: string;
}

export const violation = (rule: string, what: string, ...details: readonly unknown[]): Violation => ({
  rule,
  evidence: [what, ...details.map((detail) => JSON.stringify(detail))].join(" "),
});
