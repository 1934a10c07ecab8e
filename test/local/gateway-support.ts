/** A gateway on port 0 with real Lambdas behind it, real `ws` clients, and clients that speak raw TCP. */
import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";
import type { GatewaySpec, InvokeResult, JsonObject, JsonValue, RouteSpec } from "../../local/contracts.ts";
import { createGateway, type GatewayOptions } from "../../local/gateway/gateway.ts";
import type { GatewayLogEntry } from "../../local/gateway/settings.ts";
import { lambdaLab } from "./lambda-support.ts";

/** Waits in a queue until asked for, so that no message can be missed. */
export class Client {
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly frames: string[] = [];
  readonly #waiting: ((text: string) => void)[] = [];

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, options);
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", () => resolve());
      this.socket.once("error", reject);
    });
    // Who waits for `closed` alone does not care that it never opened.
    this.opened.catch(() => {});
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on("message", (data) => {
      const text = Buffer.isBuffer(data) ? data.toString() : "(not a buffer)";
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.frames.push(text);
      else waiting(text);
    });
  }

  async text(): Promise<string> {
    return this.frames.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  async json(): Promise<JsonObject> {
    return JSON.parse(await this.text()) as JsonObject;
  }

  send(message: JsonValue | string): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Sends and waits for the next message. */
  async ask(message: JsonValue | string): Promise<JsonObject> {
    this.send(message);
    return await this.json();
  }
}

/** Logs its event, then does what `do` in the message says. */
const ROUTE = `
  let events = 0;
  const gates = new Map();
  export const handler = async (event) => {
    events += 1;
    console.log(JSON.stringify({ event }));
    let order = {};
    try { order = JSON.parse(event.body); } catch {}
    const { routeKey, connectionId } = event.requestContext;
    const reply = (extra) => ({ statusCode: order.status ?? 200, body: JSON.stringify({ routeKey, connectionId, ...extra }) });
    if (order.do === "throw") throw new Error("told to");
    if (order.do === "hang") await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (order.do === "wait") { await new Promise((resolve) => setTimeout(resolve, order.ms)); return reply({ waited: order.ms }); }
    if (order.do === "nothing") return undefined;
    if (order.do === "no body") return { statusCode: 200 };
    if (order.do === "object body") return { statusCode: 200, body: { no: "text" } };
    if (order.do === "large") return { statusCode: 200, body: JSON.stringify({ text: "x".repeat(order.bytes) }) };
    return reply({ events, length: event.body.length, raw: event.body.slice(0, 100) });
  };`;

const AUTHORIZER = `
  export const handler = async (event) => {
    console.log(JSON.stringify({ event }));
    const how = event.queryStringParameters.auth ?? "allow";
    if (how === "unauthorized") throw new Error("Unauthorized");
    if (how === "throw") throw new Error("broken");
    if (how === "null") return null;
    if (how === "no principal") return { policyDocument: { Statement: [] } };
    const resource = how === "other" ? event.methodArn.replace("$connect", "other") : event.methodArn.replace(/[^/]+$/, "*");
    const statement = { Action: "execute-api:Invoke", Effect: how === "deny" ? "Deny" : "Allow", Resource: resource };
    const context = how === "bad context" ? { list: [1] } : { device: "d1", level: 3, admin: true };
    return { principalId: "alice", context, policyDocument: { Version: "2012-10-17",
      Statement: how === "condition" ? [{ ...statement, Condition: {} }] : how === "no statement" ? [] : [statement] } };
  };`;

const CONNECT = `
  export const handler = async (event) => {
    console.log(JSON.stringify({ event }));
    const how = event.queryStringParameters?.connect ?? "200";
    if (how === "throw") throw new Error("told to");
    if (how === "empty") return {};
    if (how === "hang") await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (how === "protocol") return { statusCode: 200, headers: { "sec-websocket-PROTOCOL": "chat.v1" } };
    return { statusCode: Number(how) };
  };`;

const DISCONNECT = `
  export const handler = async (event) => {
    console.log(JSON.stringify({ event }));
    if (event.requestContext.authorizer?.device === "throws") throw new Error("told to");
  };`;

export const lambda = (routeKey: string, functionName: string, rest: Partial<RouteSpec> = {}): RouteSpec => ({
  routeKey,
  integration: { type: "lambda", functionName, timeoutMs: 29_000 },
  returnsResponse: true,
  ...rest,
});

export const AUTHORIZED = { authorizer: { functionName: "authorizer", identitySources: [] } };

export const SPEC: GatewaySpec = {
  apiId: "abc123",
  stage: "dev",
  region: "eu-west-1",
  accountId: "123456789012",
  routeSelectionExpression: "$request.body.action",
  routes: [
    lambda("$connect", "connect", AUTHORIZED),
    lambda("$disconnect", "disconnect"),
    lambda("$default", "route"),
    lambda("echo", "route"),
    lambda("quiet", "route", { returnsResponse: false }),
    {
      routeKey: "ping",
      integration: { type: "mock", responseTemplate: '{"pong":"$context.connectionId"}' },
      returnsResponse: true,
    },
    { routeKey: "mute", integration: { type: "mock" }, returnsResponse: true },
  ],
};

export interface StartOptions extends Partial<Omit<GatewayOptions, "invoke">> {
  readonly spec?: Partial<GatewaySpec>;
  /** Sees each call before it is made; what it returns is the result instead of the function's. */
  readonly intercept?: (functionName: string, event: JsonObject) => Promise<InvokeResult | undefined>;
}

/** One Lambda runtime for all gateways of a test file. */
export function gatewayLab() {
  const lab = lambdaLab();
  lab.define("route", ROUTE);
  lab.define("authorizer", AUTHORIZER);
  lab.define("connect", CONNECT);
  lab.define("disconnect", DISCONNECT);
  const endings: (() => Promise<void>)[] = [];

  /** The events that a function got, oldest first; of one connection when given. */
  const eventsOf = (functionName: string, connectionId?: string): JsonObject[] =>
    lab.logs
      .filter((line) => line.functionName === functionName)
      .map(({ message }) => (message as JsonObject)["event"] as JsonObject | undefined)
      .filter((event) => event !== undefined)
      .filter((event) => connectionId === undefined || contextOf(event)["connectionId"] === connectionId);

  const start = async (options: StartOptions = {}) => {
    const { spec, intercept, ...rest } = options;
    const entries: GatewayLogEntry[] = [];
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const gateway = createGateway(
      { ...SPEC, ...spec },
      {
        clock: Date.now,
        onLog: (entry) => entries.push(entry),
        endpointHost: host,
        invoke: async (functionName, event) =>
          (await intercept?.(functionName, event as JsonObject)) ??
          (await lab.runtime.invoke(functionName, event)),
        ...rest,
      },
    );
    server.on("upgrade", (request, socket, head) => gateway.upgrade(request, socket, head));
    const clients: Client[] = [];
    const raws: Socket[] = [];
    const client = (query = "", protocols: string[] = [], clientOptions: ClientOptions = {}): Client => {
      const made = new Client(`ws://${host}/dev${query}`, protocols, clientOptions);
      clients.push(made);
      return made;
    };
    endings.push(async () => {
      for (const { socket } of clients) socket.terminate();
      await gateway.close();
      for (const socket of raws) socket.destroy();
      server.closeAllConnections();
      server.close();
    });
    return {
      gateway,
      host,
      server,
      entries,
      client,
      /** An open client and its connection id. */
      open: async (query = "", protocols: string[] = [], clientOptions: ClientOptions = {}) => {
        const made = client(query, protocols, clientOptions);
        await made.opened;
        const { pong } = await made.ask({ action: "ping" });
        return { client: made, connectionId: typeof pong === "string" ? pong : "" };
      },
      /** Status and body with which the handshake is refused. */
      refusal: async (path: string, clientOptions: ClientOptions = {}) =>
        await new Promise<{ status: number | undefined; body: JsonObject }>((resolve, reject) => {
          const socket = new WebSocket(`ws://${host}${path}`, clientOptions);
          socket.on("error", () => {});
          socket.once("open", () => reject(new Error(`${path} was accepted`)));
          socket.once("unexpected-response", (_request, response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (part: string) => (text += part));
            response.on("end", () =>
              resolve({ status: response.statusCode, body: JSON.parse(text) as JsonObject }),
            );
          });
        }),
      /** A WebSocket over bare TCP which never answers anything, neither pings nor the end of the socket. */
      raw: async (): Promise<Socket> => {
        const socket = connectTcp({
          port: Number(host.split(":")[1]),
          host: "127.0.0.1",
          allowHalfOpen: true,
        });
        socket.on("error", () => {});
        raws.push(socket);
        socket.write(
          `GET /dev HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        const [answer] = (await once(socket, "data")) as [Buffer];
        if (!answer.toString().startsWith("HTTP/1.1 101")) throw new Error(answer.toString());
        return socket;
      },
    };
  };

  return {
    ...lab,
    eventsOf,
    start,
    end: async (): Promise<void> => {
      await Promise.all(endings.map(async (end) => await end()));
      await lab.close();
    },
  };
}

export const contextOf = (event: JsonObject | undefined): JsonObject =>
  (event?.["requestContext"] ?? {}) as JsonObject;

export function connectionIdOf(event: JsonObject | undefined): string {
  const { connectionId } = contextOf(event);
  if (typeof connectionId !== "string") throw new Error("an event without a connectionId");
  return connectionId;
}
