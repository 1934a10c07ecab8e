/**
 * Turns what a function writes (console methods, process.stdout, process.stderr) into log messages, inside the
 * worker, so that each keeps the request it belongs to and its order with the replies.
 *
 * The shapes follow Lambda's JSON log format: one object stays an object, text that is a JSON object is parsed,
 * an Error becomes errorType, errorMessage and stackTrace, anything else is formatted as console does.
 */
import { format } from "node:util";

const LEVELS = new Set(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]);

const errorOf = (error) => ({
  errorType: String(error.name),
  errorMessage: String(error.message),
  stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
});

/** A copy that can cross to the parent and is JSON; errors inside keep their message. Undefined: it has none. */
function jsonCopy(value) {
  try {
    const text = JSON.stringify(value, (_key, inner) =>
      inner instanceof Error ? errorOf(inner) : typeof inner === "bigint" ? String(inner) : inner,
    );
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text, or the JSON object that it is. */
function parsed(text) {
  if (text.startsWith("{") && text.endsWith("}")) {
    try {
      return JSON.parse(text);
    } catch {
      // Text that only looks like JSON stays text.
    }
  }
  return text;
}

function messageOf(args) {
  if (args.length === 1) {
    const [only] = args;
    if (typeof only === "string") return parsed(only.trimEnd());
    if (typeof only === "object" && only !== null) {
      const copy = jsonCopy(only);
      if (copy !== undefined) return copy;
    }
  }
  const error = args.find((arg) => arg instanceof Error);
  const text = format(...args);
  return error === undefined ? text : { message: text, ...errorOf(error) };
}

/** A structured line's own level counts more than that of the method it was written with. */
function levelOf(message, fallback) {
  const own = typeof message === "object" && message !== null ? message.level : undefined;
  const upper = typeof own === "string" ? own.toUpperCase() : "";
  return LEVELS.has(upper) ? upper : fallback;
}

/**
 * Takes over the thread's console and standard streams.
 * @param emit called with (level, message) for each line
 * @returns writes one line of the runtime's own, at a level
 */
export function captureOutput(emit) {
  const write = (fallback, args) => {
    const message = messageOf(args);
    emit(levelOf(message, fallback), message);
  };
  const methods = { log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", debug: "DEBUG" };
  for (const [method, level] of Object.entries(methods)) console[method] = (...args) => write(level, args);
  console.trace = (...args) => {
    const stack = new Error("here").stack.split("\n").slice(2);
    emit("TRACE", { message: format(...args), stackTrace: stack });
  };
  for (const [stream, level] of [
    [process.stdout, "INFO"],
    [process.stderr, "ERROR"],
  ]) {
    stream.write = (chunk, encoding, callback) => {
      const done = typeof encoding === "function" ? encoding : callback;
      const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
      if (text.trim() !== "") write(level, [text]);
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
  }
  return emit;
}
