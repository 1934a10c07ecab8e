import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { eventually } from "../support/eventually.ts";
import { lambdaLab } from "./lambda-support.ts";

const lab = lambdaLab({ maxEnvironments: 3 });
const { runtime, logs, define } = lab;
afterAll(async () => await lab.close());

const logsOf = (functionName: string) => logs.filter((line) => line.functionName === functionName);
const messages = (functionName: string) => logsOf(functionName).map((line) => line.message);

describe("an environment", () => {
  test("has the function's own variables and nothing of the platform's", async () => {
    define("env", "export const handler = async () => process.env;", { environment: { TABLE: "t" } });
    expect(process.env["PATH"]).toBeDefined();
    expect(await runtime.invoke("env", {})).toEqual({ ok: true, payload: { TABLE: "t" } });
  });

  test("keeps its module state from one event to the next", async () => {
    define("state", "let n = 0; export const handler = async () => ++n;");
    expect(await runtime.invoke("state", {})).toEqual({ ok: true, payload: 1 });
    expect(await runtime.invoke("state", {})).toEqual({ ok: true, payload: 2 });
  });

  test("gets the event as JSON and answers undefined as null", async () => {
    define("echo", "export const handler = async (event) => event.none ? undefined : event;");
    const event = { text: "ü\u2028", list: [1, null, { deep: true }], __proto__x: 1 };
    expect(await runtime.invoke("echo", event)).toEqual({ ok: true, payload: event });
    expect(await runtime.invoke("echo", { none: true })).toEqual({ ok: true, payload: null });
  });

  test("gives the handler Lambda's context", async () => {
    define(
      "context",
      `export const handler = async (event, context) => ({ ...context, left: context.getRemainingTimeInMillis() });`,
      { timeoutSec: 7 },
    );
    const result = await runtime.invoke("context", {});
    expect(result).toMatchObject({
      ok: true,
      payload: {
        functionName: "context",
        functionVersion: "$LATEST",
        invokedFunctionArn: "arn:aws:lambda:us-east-1:000000000000:function:context",
        memoryLimitInMB: "128",
        logGroupName: "/aws/lambda/context",
        awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    });
    const left = result.ok ? (result.payload as { left: number }).left : 0;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(7000);
  });

  test("loads CommonJS bundles and nested handler names too", async () => {
    define("cjs", "exports.api = { handler: async () => require('node:path').sep };", {
      file: "index.cjs",
      handler: "index.api.handler",
    });
    expect(await runtime.invoke("cjs", {})).toEqual({ ok: true, payload: "/" });
  });

  test("stands still between events: what was left running goes on with the next event", async () => {
    define(
      "frozen",
      `import { writeFileSync } from "node:fs";
       let ticks = 0;
       export const handler = async (event) => {
         if (event.leave) { setTimeout(() => { ticks += 1; writeFileSync(event.leave, "late"); }, 200); return ticks; }
         await new Promise((resolve) => setTimeout(resolve, 20));
         return ticks;
       };`,
    );
    const file = join(lab.root, "late.txt");
    await runtime.invoke("frozen", { leave: file });
    // Another function's event takes longer than those 200 ms.
    define("meanwhile", "export const handler = async () => new Promise((r) => setTimeout(r, 400, 1));");
    await runtime.invoke("meanwhile", {});
    expect(existsSync(file)).toBe(false);
    expect(await runtime.invoke("frozen", {})).toEqual({ ok: true, payload: 1 });
    expect(existsSync(file)).toBe(true);
  });
});

/** A handler that meets `event.size` others through files, so that overlap is seen and not guessed. */
const MEETING = `
  import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
  let running = 0;
  export const handler = async ({ folder, id, size }, context) => {
    running += 1;
    mkdirSync(folder, { recursive: true });
    writeFileSync(folder + "/" + id, "");
    while (readdirSync(folder).length < size) await new Promise((resolve) => setTimeout(resolve, 2));
    const seen = running;
    running -= 1;
    return { seen, stream: context.logStreamName };
  };`;

describe("concurrency", () => {
  test("each environment runs one event at a time, more are started under load up to the limit", async () => {
    define("meet", MEETING);
    const folder = join(lab.root, "meet-files");
    const results = await Promise.all(
      [0, 1, 2].map(async (id) => await runtime.invoke("meet", { folder, id, size: 3 })),
    );
    const payloads = results.map((result) => (result.ok ? result.payload : result.error));
    expect(payloads).toMatchObject([{ seen: 1 }, { seen: 1 }, { seen: 1 }]);
    expect(new Set(payloads.map((payload) => (payload as { stream: string }).stream)).size).toBe(3);
    expect(runtime.environments("meet")).toBe(3);
  });

  test("of several idle environments the one used last gets the next event", async () => {
    define("lifo", MEETING);
    const folder = join(lab.root, "lifo-files");
    const streamOf = async (id: number, size: number) => {
      const result = await runtime.invoke("lifo", { folder, id, size });
      return result.ok ? (result.payload as { stream: string }).stream : result.error;
    };
    await Promise.all([streamOf(0, 2), streamOf(1, 2)]);
    const first = await streamOf(2, 0);
    expect([await streamOf(3, 0), await streamOf(4, 0)]).toEqual([first, first]);
    expect(runtime.environments("lifo")).toBe(2);
  });

  test("events beyond the limit wait, first come first served, in warm environments", async () => {
    define(
      "order",
      "let seen = []; export const handler = async ({ n }) => { seen.push(n); return seen; };",
      {
        reservedConcurrency: 1,
      },
    );
    const results = await Promise.all([1, 2, 3, 4].map(async (n) => await runtime.invoke("order", { n })));
    expect(results.at(-1)).toEqual({ ok: true, payload: [1, 2, 3, 4] });
    expect(runtime.environments("order")).toBe(1);
  });

  test("a reserved concurrency of 0 is throttled", async () => {
    define("off", "export const handler = async () => 1;", { reservedConcurrency: 0 });
    expect(await runtime.invoke("off", {})).toMatchObject({
      ok: false,
      error: { errorType: "TooManyRequestsException" },
    });
  });

  test("a warm environment is used again rather than a new one started", async () => {
    define("warm", "let n = 0; export const handler = async () => ++n;");
    expect(await runtime.prewarm("warm")).toBeUndefined();
    for (let n = 1; n <= 5; n += 1)
      expect(await runtime.invoke("warm", {})).toEqual({ ok: true, payload: n });
    expect(runtime.environments("warm")).toBe(1);
  });

  test("environments that were idle for minutes are ended, the one used last is kept", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let now = 0;
    const other = lambdaLab({ clock: () => now });
    try {
      other.define("meet", MEETING);
      const folder = join(other.root, "meet-files");
      await Promise.all(
        [0, 1].map(async (id) => await other.runtime.invoke("meet", { folder, id, size: 2 })),
      );
      expect(other.runtime.environments("meet")).toBe(2);
      vi.advanceTimersByTime(60_000);
      expect(other.runtime.environments("meet")).toBe(2);
      now += 5 * 60_000;
      vi.advanceTimersByTime(60_000);
      await eventually(() => expect(other.runtime.environments("meet")).toBe(1));
    } finally {
      vi.useRealTimers();
      await other.close();
    }
  });
});

describe("failures", () => {
  test("an uncaught throw answers its name, message and trace; the environment lives on", async () => {
    define(
      "throws",
      `let n = 0; class Odd extends Error { name = "OddError"; }
       export const handler = async () => { n += 1; if (n === 1) throw new Odd("no way"); return n; };`,
    );
    expect(await runtime.invoke("throws", {})).toEqual({
      ok: false,
      error: {
        errorType: "OddError",
        errorMessage: "no way",
        trace: expect.arrayContaining([expect.stringContaining("index.mjs")]),
      },
    });
    expect(await runtime.invoke("throws", {})).toEqual({ ok: true, payload: 2 });
    expect(logsOf("throws")[0]).toMatchObject({ level: "ERROR", message: { errorType: "OddError" } });
  });

  test("a rejection with something else than an error answers its type", async () => {
    define("rejects", "export const handler = () => Promise.reject('just text');");
    expect(await runtime.invoke("rejects", {})).toMatchObject({
      ok: false,
      error: { errorType: "string", errorMessage: "just text" },
    });
  });

  test("an event that takes too long is ended with its environment", async () => {
    define(
      "slow",
      "let n = 0; export const handler = async ({ hang }) => { n += 1; while (hang); return n; };",
      {
        timeoutSec: 1,
      },
    );
    expect(await runtime.invoke("slow", {})).toEqual({ ok: true, payload: 1 });
    expect(await runtime.invoke("slow", { hang: true })).toEqual({
      ok: false,
      error: {
        errorType: "Sandbox.Timedout",
        errorMessage: expect.stringMatching(
          /^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$/,
        ),
      },
    });
    expect(await runtime.invoke("slow", {})).toEqual({ ok: true, payload: 1 });
  });

  test.each([
    ["process.exit(3)", "Runtime exited with error: exit status 3"],
    ["process.exit(0)", "Runtime exited without providing a reason"],
    ["await new Promise(() => {})", "Runtime exited without providing a reason"],
    ["const keep = []; for (;;) keep.push(new Array(1e6).fill(keep.length))", "out of memory"],
  ])("%s answers Runtime.ExitError and the next event gets a new environment", async (code, reason) => {
    const name = `dies-${reason.length}-${code.length}`;
    define(
      name,
      `let n = 0; export const handler = async ({ die }) => { n += 1; if (die) { ${code}; } return n; };`,
    );
    expect(await runtime.invoke(name, {})).toEqual({ ok: true, payload: 1 });
    expect(await runtime.invoke(name, { die: true })).toMatchObject({
      ok: false,
      error: { errorType: "Runtime.ExitError", errorMessage: expect.stringContaining(reason) },
    });
    expect(await runtime.invoke(name, {})).toEqual({ ok: true, payload: 1 });
  });

  test("an unhandled rejection ends the environment by its name", async () => {
    define(
      "unhandled",
      `let n = 0; export const handler = async ({ lose }) => {
         n += 1; if (!lose) return n;
         void Promise.reject(new TypeError("lost")); await new Promise((r) => setTimeout(r, 10_000)); };`,
    );
    expect(await runtime.invoke("unhandled", { lose: true })).toMatchObject({
      ok: false,
      error: { errorType: "Runtime.UnhandledPromiseRejection", errorMessage: "TypeError: lost" },
    });
    expect(await runtime.invoke("unhandled", {})).toEqual({ ok: true, payload: 1 });
  });

  test("kill ends the environments that run an event now, and only those", async () => {
    define(
      "killed",
      `let n = 0; export const handler = async ({ hang }) => {
         n += 1; console.log("started"); if (hang) await new Promise((r) => setTimeout(r, 60_000)); return n; };`,
    );
    expect(await runtime.invoke("killed", {})).toEqual({ ok: true, payload: 1 });
    expect(runtime.kill("killed")).toBe(0);
    const hanging = runtime.invoke("killed", { hang: true });
    await eventually(() => expect(messages("killed")).toHaveLength(2));
    expect(runtime.kill("killed")).toBe(1);
    expect(await hanging).toEqual({
      ok: false,
      error: {
        errorType: "Runtime.ExitError",
        errorMessage: expect.stringMatching(
          /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed$/,
        ),
      },
    });
    expect(await runtime.invoke("killed", {})).toEqual({ ok: true, payload: 1 });
  });

  test("events that wait behind a killed one run in a new environment", async () => {
    define("behind", "export const handler = async ({ hang }) => { while (hang); return 'ran'; };", {
      reservedConcurrency: 1,
    });
    const hanging = runtime.invoke("behind", { hang: true });
    const waiting = runtime.invoke("behind", {});
    await eventually(() => expect(runtime.kill("behind")).toBe(1));
    expect(await hanging).toMatchObject({ ok: false });
    expect(await waiting).toEqual({ ok: true, payload: "ran" });
  });

  test.each([
    ["import 'not-there';", {}, "Runtime.ImportModuleError", "not-there"],
    ["export const handler = (;", {}, "Runtime.UserCodeSyntaxError", "SyntaxError"],
    ["throw new RangeError('at import');", {}, "RangeError", "at import"],
    ["export const other = 1;", {}, "Runtime.HandlerNotFound", "index.handler is undefined or not exported"],
    ["export const handler = 1;", {}, "Runtime.HandlerNotFound", "is not a function"],
    ["export const handler = 1;", { handler: "main.handler" }, "Runtime.ImportModuleError", "'main'"],
    ["export const handler = 1;", { handler: "index" }, "Runtime.MalformedHandlerName", "index"],
    [
      "export const handler = (event, context, callback) => callback(null, 1);",
      {},
      "Runtime.CallbackHandlerDeprecated",
      "index.handler takes a callback",
    ],
    ["export const handler = async () => 1n;", {}, "Runtime.MarshalError", "BigInt"],
    [
      "export const handler = async () => 'x'.repeat(7e6);",
      {},
      "Function.ResponseSizeTooLarge",
      "6291556 bytes",
    ],
    ["process.exit(4); export const handler = 1;", {}, "Runtime.ExitError", "exit status 4"],
  ])("bundle `%s` %j answers %s", async (code, spec, errorType, message) => {
    const name = `broken-${code.length}-${errorType}-${JSON.stringify(spec).length}`;
    define(name, code, spec);
    expect(await runtime.invoke(name, {})).toMatchObject({
      ok: false,
      error: { errorType, errorMessage: expect.stringContaining(message) },
    });
  });

  test("a bundle that could not be imported is tried again at the next event", async () => {
    define("repaired", "import 'not-there';");
    expect(await runtime.invoke("repaired", {})).toMatchObject({ ok: false });
    expect(await runtime.prewarm("repaired")).toMatchObject({ errorType: "Runtime.ImportModuleError" });
    lab.write("repaired", "export const handler = async () => 'well';");
    expect(await runtime.invoke("repaired", {})).toEqual({ ok: true, payload: "well" });
  });

  test("an unknown function and an event over 6 MB are the caller's faults", async () => {
    await expect(runtime.invoke("nobody", {})).rejects.toMatchObject({ code: "ResourceNotFoundException" });
    await expect(runtime.invoke("echo", "x".repeat(7e6))).rejects.toMatchObject({
      code: "RequestTooLargeException",
    });
  });

  test("close ends every environment and answers what was running or waiting", async () => {
    const other = lambdaLab({ maxEnvironments: 1 });
    other.define("hang", "export const handler = async () => { for (;;); };");
    const both = [other.runtime.invoke("hang", {}), other.runtime.invoke("hang", {})];
    await other.close();
    for (const result of await Promise.all(both))
      expect(result).toMatchObject({ ok: false, error: { errorType: "Runtime.ExitError" } });
    expect(other.runtime.environments("hang")).toBe(0);
  });
});

describe("logs", () => {
  test("console calls and stream writes become lines with function, request id and level, objects kept", async () => {
    define(
      "talks",
      `export const handler = async (event, context) => {
         console.log("plain %d", 1, { a: 1 });
         console.info({ structured: true });
         console.warn(JSON.stringify({ level: "error", text: "own level" }));
         console.debug("fine");
         console.error("went wrong", new TypeError("bad"));
         process.stdout.write(JSON.stringify({ raw: 1 }) + "\\n");
         process.stderr.write("on stderr\\n");
         return context.awsRequestId;
       };`,
    );
    const result = await runtime.invoke("talks", {});
    const requestId = result.ok ? result.payload : undefined;
    expect(logsOf("talks").map(({ level, message }) => [level, message])).toEqual([
      ["INFO", "plain 1 { a: 1 }"],
      ["INFO", { structured: true }],
      ["ERROR", { level: "error", text: "own level" }],
      ["DEBUG", "fine"],
      ["ERROR", expect.objectContaining({ errorType: "TypeError", errorMessage: "bad" })],
      ["INFO", { raw: 1 }],
      ["ERROR", "on stderr"],
    ]);
    for (const line of logsOf("talks")) {
      expect(line.requestId).toBe(requestId);
      expect(Number.isNaN(Date.parse(line.timestamp))).toBe(false);
    }
  });

  test("what a bundle writes at import has no request id", async () => {
    define("early", "console.log('loading'); export const handler = async () => 1;");
    await runtime.invoke("early", {});
    expect(logsOf("early")).toMatchObject([{ message: "loading", level: "INFO" }]);
    expect(logsOf("early")[0]).not.toHaveProperty("requestId");
  });
});
