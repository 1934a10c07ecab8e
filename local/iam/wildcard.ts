/** IAM's wildcards: `*` is any number of characters, `?` is one. */

export type Matcher = (value: string) => boolean;

/** Matches a whole value. Resources and string values are case-sensitive, actions are not. */
export function wildcard(pattern: string, options: { readonly ignoreCase?: boolean } = {}): Matcher {
  const ignoreCase = options.ignoreCase === true;
  if (pattern === "*") return () => true;
  if (!/[*?]/.test(pattern)) {
    if (!ignoreCase) return (value) => value === pattern;
    const folded = pattern.toLowerCase();
    return (value) => value.toLowerCase() === folded;
  }
  const source = pattern
    .replaceAll(/[\\^$.|+()[\]{}]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, ".*")
    .replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`, ignoreCase ? "isu" : "su");
  return (value) => expression.test(value);
}

/**
 * `ArnEquals` and `ArnLike`, which behave identically: "each of the six colon-delimited components of the ARN
 * is checked separately and each can include multi-character match wildcards" (IAM User Guide).
 */
export function arnWildcard(pattern: string): Matcher {
  const parts = arnParts(pattern).map((part) => wildcard(part));
  return (value) => {
    const values = arnParts(value);
    return values.length === parts.length && parts.every((matches, index) => matches(values[index] ?? ""));
  };
}

function arnParts(arn: string): string[] {
  const parts = arn.split(":");
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(":")];
}
