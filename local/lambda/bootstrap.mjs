/**
 * Runs inside the worker of one execution environment: loads the handler, then takes one event after another.
 *
 * Plain JavaScript, because a worker that must strip types first starts 60 ms later.
 *
 * Between two events the thread is blocked, so whatever the handler left running (unawaited promises, timers,
 * sockets) stands still, as in a frozen environment of AWS Lambda, and goes on with the next event. While a
 * handler runs nothing here keeps the event loop alive: a promise that nobody will settle ends the environment
 * ("exited without providing a reason"), as there.
 *
 * Messages to the parent are described in `environment.ts` (FromWorker).
 */
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { installTransport } from "./transport.mjs";
import { captureOutput } from "./worker-output.mjs";

const { port, signal, fn, compileCacheFolder, clock, transport } = workerData;
/** The true time, also where the function is shown another. */
const trueNow = Date.now;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
const send = (message) => parentPort.postMessage(message);

/** The request id of the event in hand; undefined before the first one. */
let requestId;
const log = captureOutput((level, message) => send({ type: "log", level, message, requestId }));

/** Lambda's answer limit: 6 MB and 100 bytes (Lambda quotas, "Invocation payload"). */
const MAX_RESPONSE_BYTES = 6_291_556;

/** An error that Lambda itself raises, by its name there; without the stack of this file. */
class RuntimeFault extends Error {
  constructor(name, message, trace = []) {
    super(message);
    this.name = name;
    this.stack = trace.join("\n");
  }
}

/** The error payload as the nodejs runtime of Lambda makes it. */
function errorPayload(error) {
  if (error instanceof Error || Object.prototype.toString.call(error) === "[object Error]") {
    return {
      errorType: String(error.name),
      errorMessage: String(error.message),
      trace: typeof error.stack === "string" && error.stack !== "" ? error.stack.split("\n") : [],
    };
  }
  let text;
  try {
    text = String(error);
  } catch {
    text = "(a value that has no text form)";
  }
  return { errorType: typeof error, errorMessage: text, trace: [] };
}

/** Reports what ended the environment and ends it; the exit codes are those of Lambda's runtime. */
function die(error, code) {
  log("ERROR", error);
  send({ type: "fatal", error });
  process.exit(code);
}

process.on("uncaughtException", (error) => die(errorPayload(error), 129));
process.on("unhandledRejection", (reason) => {
  const { errorMessage, errorType, trace } = errorPayload(reason);
  die(
    { errorType: "Runtime.UnhandledPromiseRejection", errorMessage: `${errorType}: ${errorMessage}`, trace },
    128,
  );
});

/** A bundle's file by its name in the handler, in the order in which Lambda looks. */
function findFile(base) {
  for (const extension of [".js", ".mjs", ".cjs"]) {
    const file = join(fn.codeFolder, base + extension);
    if (existsSync(file)) return file;
  }
  throw new RuntimeFault(
    "Runtime.ImportModuleError",
    `Error: Cannot find module '${base}' in ${fn.codeFolder}`,
  );
}

/** What went wrong while importing, by Lambda's names. */
function importError(error) {
  const payload = errorPayload(error);
  if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND")
    return new RuntimeFault("Runtime.ImportModuleError", `Error: ${payload.errorMessage}`, payload.trace);
  if (error instanceof SyntaxError)
    return new RuntimeFault(
      "Runtime.UserCodeSyntaxError",
      `SyntaxError: ${payload.errorMessage}`,
      payload.trace,
    );
  return error;
}

const own = (holder, name) =>
  (typeof holder === "object" || typeof holder === "function") &&
  holder !== null &&
  Object.hasOwn(holder, name)
    ? holder[name]
    : undefined;

/** The handler's function; throws what Lambda answers when there is none. */
async function loadHandler() {
  const slash = fn.handler.lastIndexOf("/") + 1;
  const dot = fn.handler.indexOf(".", slash);
  if (dot < slash + 1 || dot === fn.handler.length - 1)
    throw new RuntimeFault(
      "Runtime.MalformedHandlerName",
      `Bad handler ${fn.handler}: it must be file.export`,
    );
  const url = pathToFileURL(findFile(fn.handler.slice(0, dot))).href;
  let exports;
  try {
    exports = await import(url);
  } catch (error) {
    throw importError(error);
  }
  const path = fn.handler.slice(dot + 1).split(".");
  const handler = path.reduce(own, exports) ?? path.reduce(own, own(exports, "default"));
  if (handler === undefined)
    throw new RuntimeFault("Runtime.HandlerNotFound", `${fn.handler} is undefined or not exported`);
  if (typeof handler !== "function")
    throw new RuntimeFault("Runtime.HandlerNotFound", `${fn.handler} is not a function`);
  if (handler.length > 2)
    throw new RuntimeFault(
      "Runtime.CallbackHandlerDeprecated",
      `${fn.handler} takes a callback: nodejs24.x has no callback-based handlers, return a promise instead`,
    );
  return handler;
}

/** Blocks the thread until the next event is there. */
function take() {
  for (;;) {
    const seen = Atomics.load(signal, 0);
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message;
    Atomics.wait(signal, 0, seen);
  }
}

function contextOf({ id, deadlineMs }) {
  return {
    functionName: fn.functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: fn.arn,
    memoryLimitInMB: String(fn.memoryMb),
    awsRequestId: id,
    logGroupName: `/aws/lambda/${fn.functionName}`,
    logStreamName: fn.logStreamName,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - trueNow()),
  };
}

/** The handler's value as JSON text; undefined and functions answer null, as in Lambda. */
function marshal(value) {
  let text;
  try {
    text = JSON.stringify(value) ?? "null";
  } catch (error) {
    throw new RuntimeFault("Runtime.MarshalError", `Unable to stringify response body: ${error.message}`);
  }
  if (text.length > MAX_RESPONSE_BYTES || Buffer.byteLength(text) > MAX_RESPONSE_BYTES)
    throw new RuntimeFault(
      "Function.ResponseSizeTooLarge",
      `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`,
    );
  return text;
}

async function run(handler, job) {
  requestId = job.id;
  try {
    const payload = marshal(await handler(JSON.parse(job.event), contextOf(job)));
    send({ type: "result", id: job.id, payload });
  } catch (thrown) {
    const error = errorPayload(thrown);
    log("ERROR", error);
    send({ type: "result", id: job.id, error });
  }
}

/** One turn of the event loop before blocking: sockets get back into their pools; one after: closed ones are seen. */
function serve(handler) {
  setImmediate(() => {
    const job = take();
    setImmediate(async () => {
      await run(handler, job);
      serve(handler);
    });
  });
}

if (compileCacheFolder !== undefined) enableCompileCache(compileCacheFolder);
try {
  if (clock !== undefined) (await import("../faults/worker-clock.mjs")).shiftClock(clock);
  if (transport !== undefined) installTransport(transport);
  const handler = await loadHandler();
  send({ type: "ready" });
  serve(handler);
} catch (thrown) {
  const error = errorPayload(thrown);
  log("ERROR", error);
  send({ type: "initError", error });
  process.exit(1);
}
