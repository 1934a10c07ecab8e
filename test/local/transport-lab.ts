/**
 * One function whose events are small programs of requests, run twice: in an environment whose calls to the
 * platform go by sockets, and in one whose calls go by its port. Behind both is the same running platform.
 */
import type { MessagePort } from "node:worker_threads";
import type { CallTransport, InvokeResult, JsonObject, JsonValue } from "../../local/contracts.ts";
import type { Dispatcher } from "../../local/front/dispatch.ts";
import type { Credentials } from "../../local/front/principals.ts";
import { openFront } from "../../local/front/server.ts";
import { startTestPlatform } from "../support/platform.ts";
import { lambdaLab } from "./lambda-support.ts";

/** The key of an item whose reading is held until the test lets it go. */
export const heldKey = "held";

export type Way = "socket" | "port";

const moduleUrl = (name: string): string => JSON.stringify(import.meta.resolve(name));

/** Takes the SDK as a bundle does: from modules that import `node:http` when they are loaded. */
const code = `
import { request } from "node:http";
import { Readable } from "node:stream";
import * as dynamo from ${moduleUrl("@aws-sdk/client-dynamodb")};
import * as sqs from ${moduleUrl("@aws-sdk/client-sqs")};
import * as objects from ${moduleUrl("@aws-sdk/client-s3")};
import * as callbacks from ${moduleUrl("@aws-sdk/client-apigatewaymanagementapi")};
const { hostname, port } = new URL(process.env.AWS_ENDPOINT_URL);
const modules = { dynamo, sqs, objects, callbacks };
const background = [];

const signed = (service, key) => "AWS4-HMAC-SHA256 Credential=" + key + "/20260101/us-east-1/" + service +
  "/aws4_request, SignedHeaders=host, Signature=0";

const steps = {
  /** One request of node:http, with the events that its caller sees, in order. */
  raw: async ({ service, key, target, body, parts, piped, destroy, timeoutMs, to, path = "/", method = "POST" }) => {
    const seen = [];
    const { promise, resolve } = Promise.withResolvers();
    const headers = { authorization: signed(service, key ?? process.env.AWS_ACCESS_KEY_ID), "x-amz-target": target };
    if (target === undefined) delete headers["x-amz-target"];
    const req = request({ hostname, port, ...to, method, path, headers });
    let answer;
    req.on("response", (res) => {
      seen.push("response");
      const at = Date.now();
      const chunks = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("end", () => {
        seen.push("end");
        const { connection, "keep-alive": _, "transfer-encoding": __, ...kept } = res.headers;
        answer = { status: res.statusCode, message: res.statusMessage, headers: kept,
          body: Buffer.concat(chunks).toString("utf8"), complete: res.complete, at };
      });
    });
    req.on("timeout", () => seen.push("timeout"));
    req.on("abort", () => seen.push("abort"));
    req.on("error", (error) => seen.push("error " + error.message + (error.code ? " " + error.code : "")));
    req.on("close", () => { seen.push("close"); resolve(); });
    if (timeoutMs !== undefined) req.setTimeout(timeoutMs, () => req.destroy());
    if (piped) Readable.from(parts.map((part) => Buffer.from(part))).pipe(req);
    else if (parts) {
      const scratch = Buffer.alloc(1024);
      for (const part of parts) {
        const size = scratch.write(part);
        // The same buffer again and again: what was written must have been taken by then.
        await new Promise((written) => req.write(scratch.subarray(0, size), written));
      }
      req.end();
    } else req.end(body);
    if (destroy === "plain") setTimeout(() => req.destroy(), 20);
    if (destroy === "error") setTimeout(() => req.destroy(new Error("changed my mind")), 20);
    if (destroy === "abort") setTimeout(() => req.abort(), 20);
    await promise;
    return { seen, answer };
  },
  /** One command of the SDK. */
  sdk: async ({ client, module, command, input, config, abortAfterMs }) => {
    const made = new modules[module][client]({ maxAttempts: 1, ...config });
    const aborter = new AbortController();
    if (abortAfterMs !== undefined) setTimeout(() => aborter.abort(), abortAfterMs);
    try {
      const { $metadata, ...output } = await made.send(new modules[module][command](input), { abortSignal: aborter.signal });
      return { status: $metadata.httpStatusCode, output };
    } catch (error) {
      return { error: error.name, status: error.$metadata?.httpStatusCode };
    }
  },
  /** A call whose answer this event does not wait for. */
  unawaited: async (of) => {
    void steps.raw(of).then((result) => background.push(result));
    // Long enough for the request to be on its way.
    await new Promise((done) => setTimeout(done, 50));
    return background.length;
  },
  /** What came of a call that an earlier event did not wait for. */
  background: async () => {
    while (background.length === 0) await new Promise((done) => setTimeout(done, 5));
    return background.splice(0);
  },
  never: async () => await new Promise(() => {}),
};
export const handler = async (event) => await steps[event.step](event);
`;

export const transportLab = async () => {
  const test = await startTestPlatform();
  const { platform } = test;
  let release = Promise.withResolvers<void>();
  const polls: AbortSignal[] = [];
  const held = { waiting: 0 };
  const dispatcher: Dispatcher = {
    ...platform.dispatcher,
    dispatch: async (principal, service, operation, input, signal) => {
      if (signal !== undefined) polls.push(signal);
      if (JSON.stringify(input).includes(`"${heldKey}"`)) {
        held.waiting += 1;
        await release.promise;
        held.waiting -= 1;
      }
      return await platform.dispatcher.dispatch(principal, service, operation, input, signal);
    },
  };
  const front = await openFront(0);
  const { principals, gateway, issuer, objects } = platform;
  front.serve({
    principals,
    dispatcher,
    gateway,
    issuer,
    stage: "live",
    objects,
  });
  let byPort = 0;
  const transport: CallTransport = {
    ...front.transport,
    connect: (port: MessagePort) => {
      port.on("message", (message) => {
        if (Array.isArray(message)) byPort += 1;
      });
      front.transport.connect(port);
    },
  };
  const labs = { socket: lambdaLab(), port: lambdaLab({ transport }) };
  const endpoint = `http://127.0.0.1:${front.port}`;
  const define = (name: string, credentials: Credentials): void => {
    const environment = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken,
    };
    for (const lab of Object.values(labs)) lab.define(name, code, { environment, memoryMb: 256 });
  };
  define("operator", platform.operator);
  define("nobody", principals.issue({ kind: "role", roleName: "a role without policies" }));

  return {
    test,
    platform,
    endpoint,
    labs,
    polls,
    held,
    /** Calls that came by a port so far. */
    byPort: () => byPort,
    /** Lets go what was held, and holds again what comes from now on. */
    release: (): void => {
      release.resolve();
      release = Promise.withResolvers();
    },
    invoke: async (way: Way, event: JsonObject, functionName = "operator"): Promise<InvokeResult> =>
      await labs[way].runtime.invoke(functionName, event),
    /** What the program answered. Throws when the function failed. */
    run: async (way: Way, event: JsonObject, functionName = "operator"): Promise<JsonValue> => {
      const result = await labs[way].runtime.invoke(functionName, event);
      if (!result.ok) throw new Error(JSON.stringify(result.error));
      return result.payload;
    },
    close: async (): Promise<void> => {
      release.resolve();
      await Promise.all([labs.socket.close(), labs.port.close()]);
      await front.close();
      await test[Symbol.asyncDispose]();
    },
  };
};
