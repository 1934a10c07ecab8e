/** What the parts of the gateway share: its limits, its log, and the facts of a connection. */
import { randomBytes } from "node:crypto";
import type { Clock, ConnectionInfo, GatewayLimits, GatewaySpec, JsonObject } from "../contracts.ts";
import type { OnUsage } from "../usage.ts";

/** API Gateway's quotas for WebSocket APIs; none of them can be raised there. */
export const AWS_LIMITS: GatewayLimits = {
  idleMs: 10 * 60_000,
  durationMs: 2 * 3_600_000,
  maxMessageBytes: 128 * 1024,
  maxFrameBytes: 32 * 1024,
};

/** The longest that API Gateway waits for an integration or an authorizer. */
export const MAX_INTEGRATION_MS = 29_000;

/**
 * What may wait in this process for one client to read it. AWS names no number ("the WebSocket client side
 * buffer is full"); this is eight of the largest messages.
 */
export const MAX_BUFFERED_BYTES = 1024 * 1024;

/** One line of the gateway's own log: what a client was refused or why a reply did not come. */
export interface GatewayLogEntry {
  readonly level: "INFO" | "WARN" | "ERROR";
  readonly message: string;
  readonly connectionId?: string;
  readonly requestId?: string;
  readonly routeKey?: string;
  readonly detail?: JsonObject;
}

export interface Setting {
  readonly spec: GatewaySpec;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  /** `host:port` of the endpoint: the `domainName` of events, which handlers post back to. */
  readonly endpointHost: string;
  readonly log: (entry: GatewayLogEntry) => void;
  readonly onUsage: OnUsage;
}

/** What is known of a connection from its handshake on. */
export interface ConnectionFacts {
  readonly connectionId: string;
  readonly connectedAt: number;
  readonly identity: ConnectionInfo["identity"];
  /** principalId and context of the authorizer's answer. */
  readonly authorizer?: JsonObject;
}

/** An id in the form that API Gateway gives connections, messages and requests: 15 URL-safe characters and `=`. */
export const newId = (): string => `${randomBytes(11).toString("base64url")}=`;
