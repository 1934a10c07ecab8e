/**
 * The function's own variables, checked once at start: a function whose template forgot one fails at its first
 * invocation with the variable's name, not in the middle of a message.
 */
export function readEnvironment<const Names extends readonly string[]>(
  ...names: Names
): { readonly [N in Names[number]]: string } {
  const missing = names.filter((name) => !process.env[name]);
  if (missing.length > 0) throw new Error(`environment variable ${missing.join(", ")} is not set`);
  return Object.fromEntries(names.map((name) => [name, process.env[name]])) as {
    [N in Names[number]]: string;
  };
}

/** A variable that holds a whole number, 0 or more. */
export function readCount(name: string): number {
  const text = process.env[name] ?? "";
  if (!/^\d{1,9}$/.test(text))
    throw new Error(`environment variable ${name} is not a whole number: ${text || "it is not set"}`);
  return Number(text);
}

/** A variable that may be absent, holding a whole number of at least 1. */
export function readOptionalCount(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new Error(`environment variable ${name} is not a whole number: ${text}`);
  return Number(text);
}
