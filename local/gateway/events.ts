/**
 * The events that API Gateway sends to the Lambdas of a WebSocket API, in the shapes of its developer guide
 * ("Set up a proxy integration", "Control access with REQUEST authorizers").
 */
import type { IncomingMessage } from "node:http";
import type { JsonObject } from "../contracts.ts";
import { type ConnectionFacts, newId, type Setting } from "./settings.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The CLF time of `requestTime`: `19/Feb/2024:07:21:46 +0000`. */
export function clfTime(epochMs: number): string {
  const iso = new Date(epochMs).toISOString();
  const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? "";
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

export type EventType = "CONNECT" | "MESSAGE" | "DISCONNECT";

/** `requestContext` of one event; `extra` are the members that only its type has. */
export function requestContext(
  setting: Setting,
  facts: ConnectionFacts,
  routeKey: string,
  eventType: EventType,
  requestId: string,
  extra: JsonObject = {},
): JsonObject {
  const now = setting.clock();
  return {
    routeKey,
    ...extra,
    ...(facts.authorizer === undefined ? {} : { authorizer: facts.authorizer }),
    eventType,
    extendedRequestId: requestId,
    requestTime: clfTime(now),
    messageDirection: "IN",
    stage: setting.spec.stage,
    connectedAt: facts.connectedAt,
    requestTimeEpoch: now,
    identity: { ...facts.identity },
    requestId,
    domainName: setting.endpointHost,
    connectionId: facts.connectionId,
    apiId: setting.spec.apiId,
  };
}

interface HttpPart {
  readonly headers: JsonObject;
  readonly multiValueHeaders: JsonObject;
  readonly query: JsonObject;
  readonly multiValueQuery: JsonObject;
}

/** Last value and all values by name. Own properties only, whatever the names are. */
function byName(pairs: Iterable<readonly [string, string]>): { last: JsonObject; all: JsonObject } {
  const lists = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [value]);
    else list.push(value);
  }
  return {
    last: Object.fromEntries([...lists].map(([name, values]) => [name, values.at(-1) ?? ""])),
    all: Object.fromEntries(lists),
  };
}

/** Headers that belong to the hop and not to the request; the authorizer's event has fixed ones of them. */
const HOP_HEADERS = new Set(["connection", "upgrade", "content-length", "keep-alive", "transfer-encoding"]);

/** The upgrade request as events carry it: headers as the client wrote them, and those that AWS adds. */
export function httpPart(request: IncomingMessage, sourceIp: string): HttpPart {
  const pairs: [string, string][] = [];
  let forwardedFor = "";
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    const value = request.rawHeaders[i + 1] ?? "";
    const lower = name.toLowerCase();
    if (lower === "x-forwarded-for") forwardedFor = `${value}, `;
    else if (!HOP_HEADERS.has(lower) && !lower.startsWith("x-forwarded-") && lower !== "x-amzn-trace-id")
      pairs.push([name, value]);
  }
  const port = String(request.socket.localPort ?? "");
  pairs.push(
    ["X-Amzn-Trace-Id", `Root=1-${newId().slice(0, 8)}-${newId()}`],
    ["X-Forwarded-For", `${forwardedFor}${sourceIp}`],
    ["X-Forwarded-Port", port],
    ["X-Forwarded-Proto", "http"],
  );
  const headers = byName(pairs);
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  const query = byName(new URLSearchParams(mark === -1 ? "" : url.slice(mark + 1)));
  return {
    headers: headers.last,
    multiValueHeaders: headers.all,
    query: query.last,
    multiValueQuery: query.all,
  };
}

export function authorizerEvent(
  setting: Setting,
  facts: ConnectionFacts,
  http: HttpPart,
  methodArn: string,
): JsonObject {
  const hop = { Connection: "upgrade", Upgrade: "websocket", "content-length": "0" };
  return {
    type: "REQUEST",
    methodArn,
    headers: { ...hop, ...http.headers },
    multiValueHeaders: {
      Connection: ["upgrade"],
      Upgrade: ["websocket"],
      "content-length": ["0"],
      ...http.multiValueHeaders,
    },
    queryStringParameters: http.query,
    multiValueQueryStringParameters: http.multiValueQuery,
    stageVariables: {},
    requestContext: requestContext(setting, facts, "$connect", "CONNECT", newId()),
  };
}

export function connectEvent(
  setting: Setting,
  facts: ConnectionFacts,
  http: HttpPart,
  requestId: string,
): JsonObject {
  const query =
    Object.keys(http.query).length === 0
      ? {}
      : { queryStringParameters: http.query, multiValueQueryStringParameters: http.multiValueQuery };
  return {
    headers: http.headers,
    multiValueHeaders: http.multiValueHeaders,
    ...query,
    requestContext: requestContext(setting, facts, "$connect", "CONNECT", requestId),
    isBase64Encoded: false,
  };
}

export function messageEvent(
  setting: Setting,
  facts: ConnectionFacts,
  routeKey: string,
  requestId: string,
  body: string,
): JsonObject {
  const extra = { messageId: newId() };
  return {
    requestContext: requestContext(setting, facts, routeKey, "MESSAGE", requestId, extra),
    body,
    isBase64Encoded: false,
  };
}

export function disconnectEvent(
  setting: Setting,
  facts: ConnectionFacts,
  requestId: string,
  disconnectStatusCode: number,
  disconnectReason: string,
): JsonObject {
  const headers = { Host: setting.endpointHost, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" };
  return {
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    requestContext: requestContext(setting, facts, "$disconnect", "DISCONNECT", requestId, {
      disconnectStatusCode,
      disconnectReason,
    }),
    isBase64Encoded: false,
  };
}
