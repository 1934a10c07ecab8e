/**
 * API Gateway's WebSocket API on one machine: handshake with authorizer and `$connect`, route selection,
 * Lambda and mock integrations, route responses, `@connections`, `$disconnect`, and its fixed limits.
 *
 * Where AWS is silent, this gateway chooses: ping frames are answered but do not keep an idle connection open
 * (the quota speaks of messages); a vanished peer is found by our own pings within half the idle limit; a client
 * that does not read is cut off when a reply finds over 1 MB waiting (a post gets 429). A stage's throttle holds
 * for `$connect` (429) and for messages (a frame `Too Many Requests`; the connection stays), not for
 * `$disconnect`; the account's (500 new connections and 10,000 requests a second) are not imitated.
 */
import { isUtf8 } from "node:buffer";
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import {
  AwsFault,
  type Clock,
  type Gateway,
  type GatewayLimits,
  type GatewaySpec,
  type Invoke,
} from "../contracts.ts";
import type { OnUsage } from "../usage.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { disconnectEvent } from "./events.ts";
import { badRequest, Handshakes } from "./handshake.ts";
import { Integrations } from "./integrations.ts";
import { MessageRoutes } from "./message-routes.ts";
import {
  AWS_LIMITS,
  type ConnectionFacts,
  type GatewayLogEntry,
  MAX_INTEGRATION_MS,
  newId,
  type Setting,
} from "./settings.ts";
import { RouteThrottles } from "./throttle.ts";

/** How long `close` waits for integrations that are under way. */
const DRAIN_MS = 2000;
const MAX_SWEEP_MS = 1000;
const MIN_SWEEP_MS = 5;

export interface GatewayOptions {
  readonly invoke: Invoke;
  /** Shorter limits, for tests only. @default API Gateway's */
  readonly limits?: Partial<GatewayLimits>;
  readonly clock: Clock;
  readonly onLog?: (entry: GatewayLogEntry) => void;
  /** Told of every message, in either direction. @default nobody is */
  readonly onUsage?: OnUsage;
  /** `host:port` under which clients and handlers reach this gateway. */
  readonly endpointHost: string;
  /** After this silence a peer is pinged; after as much again without an answer it is gone. @default idleMs / 4 */
  readonly livenessMs?: number;
}

/** @throws Error naming what of the specification is not supported */
export function createGateway(spec: GatewaySpec, options: GatewayOptions): Gateway {
  return new LocalGateway(spec, options);
}

function refuse(socket: Duplex, status: number, body: string): void {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

class LocalGateway implements Gateway {
  readonly #setting: Setting;
  readonly #integrations: Integrations;
  readonly #handshakes: Handshakes;
  readonly #routes: MessageRoutes;
  readonly #livenessMs: number;
  readonly #open = new Map<string, Connection>();
  /** Ended, but the socket is not gone yet. */
  readonly #closing = new Set<Connection>();
  /** Upgrades under way, with their sockets. */
  readonly #upgrading = new Map<Duplex, Promise<void>>();
  readonly #subprotocols = new WeakMap<IncomingMessage, string>();
  readonly #server: WebSocketServer;
  readonly #events: ConnectionEvents;
  readonly #sweep: NodeJS.Timeout;
  /** Resolved when, after `close`, the last socket is gone. */
  readonly #allGone = Promise.withResolvers<void>();
  #closed = false;

  constructor(spec: GatewaySpec, options: GatewayOptions) {
    const { clock, endpointHost, invoke, onLog = () => {}, onUsage = () => {} } = options;
    const limits = { ...AWS_LIMITS, ...options.limits };
    this.#setting = { spec, limits, clock, endpointHost, log: onLog, onUsage };
    for (const { routeKey, authorizer, integration } of spec.routes) {
      if (authorizer !== undefined && routeKey !== "$connect")
        throw new Error(`route ${routeKey}: only $connect can have an authorizer`);
      if (integration.type === "lambda" && integration.timeoutMs > MAX_INTEGRATION_MS)
        throw new Error(`route ${routeKey}: an integration timeout is at most ${MAX_INTEGRATION_MS} ms`);
    }
    this.#integrations = new Integrations(invoke);
    const throttles = new RouteThrottles(spec.throttle);
    const connectRoute = spec.routes.find(({ routeKey }) => routeKey === "$connect");
    this.#handshakes = new Handshakes(this.#setting, this.#integrations, throttles, connectRoute);
    this.#routes = new MessageRoutes(this.#setting, this.#integrations, throttles);
    this.#livenessMs = options.livenessMs ?? limits.idleMs / 4;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maxMessageBytes,
      handleProtocols: (_offered, request) => this.#subprotocols.get(request) ?? false,
    });
    this.#events = {
      message: (connection, body) => this.#routes.handle(connection, body),
      ended: (connection, code, reason) => {
        this.#open.delete(connection.facts.connectionId);
        this.#closing.add(connection);
        void this.#disconnected(connection.facts, code, reason);
      },
      gone: (connection) => {
        this.#closing.delete(connection);
        if (this.#closed && this.#closing.size === 0) this.#allGone.resolve();
      },
    };
    // One timer for all limits of all connections and calls.
    const timeouts = spec.routes.map(({ integration }) =>
      integration.type === "lambda" ? integration.timeoutMs : MAX_INTEGRATION_MS,
    );
    const shortest = Math.min(limits.idleMs, limits.durationMs, this.#livenessMs, ...timeouts);
    const sweepMs = Math.max(MIN_SWEEP_MS, Math.min(MAX_SWEEP_MS, shortest / 8));
    this.#sweep = setInterval(() => this.#check(), sweepMs).unref();
  }

  get size(): number {
    return this.#open.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // An upgrade's socket has no listener of Node's any more; an error without one would end the process.
    socket.on("error", () => socket.destroy());
    const bad = badRequest(request, this.#setting.spec.stage);
    if (bad?.type === "refused") refuse(socket, bad.status, bad.body);
    else if (this.#closed) this.#unavailable(socket);
    else {
      const done = this.#accept(request, socket, head).finally(() => this.#upgrading.delete(socket));
      this.#upgrading.set(socket, done);
    }
  }

  // The contract answers failures as rejections, so these are async without an await.
  // oxlint-disable-next-line typescript/require-await
  async post(connectionId: string, data: Uint8Array): Promise<void> {
    if (data.byteLength > this.#setting.limits.maxMessageBytes)
      throw new AwsFault("PayloadTooLargeException", "Message too long", 413);
    const connection = this.#connection(connectionId);
    if (!isUtf8(data))
      throw new AwsFault("BadRequestException", "Binary data is not supported by WebSocket APIs", 400);
    if (!connection.send(data))
      throw new AwsFault("LimitExceededException", "The client's buffer is full", 429);
    this.#setting.onUsage({ service: "api-gateway", kind: "posted", bytes: data.byteLength });
  }

  // oxlint-disable-next-line typescript/require-await
  async get(connectionId: string): ReturnType<Gateway["get"]> {
    const { facts, lastActiveAt } = this.#connection(connectionId);
    return {
      connectedAt: new Date(facts.connectedAt).toISOString(),
      lastActiveAt: new Date(lastActiveAt).toISOString(),
      identity: facts.identity,
    };
  }

  // oxlint-disable-next-line typescript/require-await
  async disconnect(connectionId: string): Promise<void> {
    this.#connection(connectionId).close(1000, "Connection Closed Normally");
  }

  vanish(connectionId: string): void {
    this.#connection(connectionId).destroy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const connection of this.#open.values()) connection.close(1001, "Going away");
    const gaveUp = Promise.withResolvers<void>();
    const timer = setTimeout(() => gaveUp.resolve(), DRAIN_MS);
    const drained = Promise.all([
      this.#closing.size === 0 ? undefined : this.#allGone.promise,
      this.#drained(),
    ]);
    await Promise.race([drained, gaveUp.promise]);
    clearTimeout(timer);
    clearInterval(this.#sweep);
    for (const socket of this.#upgrading.keys()) socket.destroy();
    for (const connection of this.#closing) connection.destroy();
  }

  /** Resolves when no handshake, integration or `$disconnect` is under way. */
  async #drained(): Promise<void> {
    for (;;) {
      const underWay = [...this.#upgrading.values(), ...this.#integrations.underWay];
      if (underWay.length === 0) return;
      await Promise.allSettled(underWay);
      // What an ended call starts, such as the $disconnect of a handshake, starts before this.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #connection(connectionId: string): Connection {
    const connection = this.#open.get(connectionId);
    if (connection === undefined || !connection.open)
      throw new AwsFault("GoneException", "The connection is gone or not yet established", 410);
    return connection;
  }

  async #accept(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const handshake = await this.#handshakes.run(request);
    if (handshake.type === "refused") {
      refuse(socket, handshake.status, handshake.body);
      return;
    }
    const { facts, subprotocol } = handshake;
    if (this.#closed) {
      void this.#disconnected(facts, 1001, "Going away");
      this.#unavailable(socket);
      return;
    }
    if (subprotocol !== undefined) this.#subprotocols.set(request, subprotocol);
    let opened = false;
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      opened = true;
      const connection = new Connection(this.#setting, facts, webSocket, socket, this.#events);
      this.#open.set(facts.connectionId, connection);
    });
    // `$connect` was told of it, so `$disconnect` must be: the client left meanwhile or its headers are malformed.
    if (!opened) void this.#disconnected(facts, 1006, "Connection closed abnormally");
  }

  #unavailable(socket: Duplex): void {
    refuse(socket, 503, JSON.stringify({ message: "Service Unavailable" }));
  }

  /** Best effort, as on AWS: a failure is only logged. Never rejects. */
  async #disconnected(facts: ConnectionFacts, code: number, reason: string): Promise<void> {
    const route = this.#setting.spec.routes.find(({ routeKey }) => routeKey === "$disconnect");
    if (route === undefined || route.integration.type === "mock") return;
    const { functionName, timeoutMs } = route.integration;
    const requestId = newId();
    const event = disconnectEvent(this.#setting, facts, requestId, code, reason);
    const outcome = await this.#integrations.call(functionName, event, timeoutMs);
    if (outcome.type === "answer") return;
    this.#setting.log({
      level: "ERROR",
      message: `the $disconnect integration ${functionName} failed`,
      connectionId: facts.connectionId,
      requestId,
      routeKey: "$disconnect",
      detail: { ...outcome },
    });
  }

  #check(): void {
    const now = this.#setting.clock();
    const monotonicNow = performance.now();
    this.#integrations.sweep(monotonicNow);
    for (const connection of this.#open.values()) connection.check(now, monotonicNow, this.#livenessMs);
    for (const connection of this.#closing) connection.check(now, monotonicNow, this.#livenessMs);
  }
}
