import type { LogLine } from "../contracts.ts";

const colors: Readonly<Record<string, string>> = { ERROR: "\u001B[31m", WARN: "\u001B[33m" };

/** A log line for eyes: time, level, function and text, in color where it is a warning or worse. */
export const shortForm = ({ timestamp, level, functionName, requestId, message }: LogLine): string => {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  const who = requestId === undefined ? functionName : `${functionName} ${requestId.slice(0, 8)}`;
  const line = `${timestamp.slice(11, 23)} ${level.padEnd(5)} ${who}  ${text.trimEnd()}`;
  const color = colors[level];
  return color === undefined ? line : `${color}${line}\u001B[39m`;
};
