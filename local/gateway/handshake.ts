/**
 * The upgrade request, from its first byte to the answer: path, authorizer, `$connect` integration. Nothing here
 * opens a WebSocket; it says whether one may be opened and with what.
 */
import { isObject } from "../json.ts";
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { JsonObject, JsonValue, RouteSpec } from "../contracts.ts";
import { identityCheck, judge } from "./authorizer.ts";
import { authorizerEvent, connectEvent, httpPart } from "./events.ts";
import type { Integrations } from "./integrations.ts";
import { type ConnectionFacts, MAX_INTEGRATION_MS, newId, type Setting } from "./settings.ts";
import type { RouteThrottles } from "./throttle.ts";

export type Handshake =
  | { readonly type: "accepted"; readonly facts: ConnectionFacts; readonly subprotocol: string | undefined }
  | { readonly type: "refused"; readonly status: number; readonly body: string };

const refused = (status: number, body: JsonObject): Handshake => ({
  type: "refused",
  status,
  body: JSON.stringify(body),
});

/** A refusal without any call; undefined: the request may go on. */
export function badRequest(request: IncomingMessage, stage: string): Handshake | undefined {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path !== `/${stage}` && path !== `/${stage}/`) return refused(403, { message: "Forbidden" });
  const { upgrade, "sec-websocket-key": key, "sec-websocket-version": version } = request.headers;
  // The same conditions as `ws` has: a request that it would refuse must not reach `$connect`.
  if (
    request.method !== "GET" ||
    upgrade?.toLowerCase() !== "websocket" ||
    key === undefined ||
    !/^[+/0-9A-Za-z]{22}==$/.test(key) ||
    version !== "13"
  )
    return refused(400, { message: "Bad Request" });
  return undefined;
}

function sourceIpOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

/** The header of a `$connect` answer, whatever its case, from `headers` or `multiValueHeaders`. */
function headerOf(answer: JsonObject, name: string): string | undefined {
  for (const part of [answer["headers"], answer["multiValueHeaders"]]) {
    if (!isObject(part)) continue;
    for (const [key, value] of Object.entries(part)) {
      const one = Array.isArray(value) ? value.at(-1) : value;
      if (key.toLowerCase() === name && typeof one === "string") return one;
    }
  }
  return undefined;
}

/** The statusCode of a proxy integration's answer, or undefined when the answer is malformed. */
function statusOf(answer: JsonValue): number | undefined {
  const status = isObject(answer) ? Number(answer["statusCode"]) : Number.NaN;
  return Number.isInteger(status) && status >= 100 && status <= 599 ? status : undefined;
}

export class Handshakes {
  readonly #setting: Setting;
  readonly #integrations: Integrations;
  readonly #throttles: RouteThrottles;
  readonly #route: RouteSpec | undefined;
  readonly #methodArn: string;
  readonly #hasIdentity: ReturnType<typeof identityCheck>;

  constructor(
    setting: Setting,
    integrations: Integrations,
    throttles: RouteThrottles,
    route: RouteSpec | undefined,
  ) {
    const { region, accountId, apiId, stage } = setting.spec;
    this.#setting = setting;
    this.#integrations = integrations;
    this.#throttles = throttles;
    this.#route = route;
    this.#methodArn = `arn:aws:execute-api:${region}:${accountId}:${apiId}/${stage}/$connect`;
    this.#hasIdentity = identityCheck(route?.authorizer?.identitySources ?? []);
  }

  /** Runs authorizer and `$connect`. Never rejects. */
  async run(request: IncomingMessage): Promise<Handshake> {
    const sourceIp = sourceIpOf(request);
    const userAgent = request.headers["user-agent"];
    const http = httpPart(request, sourceIp);
    const facts: ConnectionFacts = {
      connectionId: newId(),
      connectedAt: this.#setting.clock(),
      identity: { ...(userAgent === undefined ? {} : { userAgent }), sourceIp },
    };
    if (!this.#throttles.take("$connect")) {
      const { connectionId } = facts;
      this.#setting.log({ level: "WARN", message: "throttled", connectionId, routeKey: "$connect" });
      return refused(429, { message: "Too Many Requests", connectionId, requestId: newId() });
    }
    const verdict = await this.#authorize(request, facts, http);
    if (verdict.type === "refused") return verdict;
    return await this.#connect(verdict.facts, http);
  }

  async #authorize(
    request: IncomingMessage,
    facts: ConnectionFacts,
    http: ReturnType<typeof httpPart>,
  ): Promise<Handshake> {
    const accepted: Handshake = { type: "accepted", facts, subprotocol: undefined };
    const authorizer = this.#route?.authorizer;
    if (authorizer === undefined) return accepted;
    const query = (name: string): unknown => (Object.hasOwn(http.query, name) ? http.query[name] : undefined);
    if (!this.#hasIdentity((name) => request.headers[name], query))
      return refused(401, { message: "Unauthorized" });
    const event = authorizerEvent(this.#setting, facts, http, this.#methodArn);
    const outcome = await this.#integrations.call(authorizer.functionName, event, MAX_INTEGRATION_MS);
    if (outcome.type !== "answer") {
      if (outcome.type === "error" && outcome.errorMessage === "Unauthorized")
        return refused(401, { message: "Unauthorized" });
      return this.#failed(facts, 500, `the authorizer ${authorizer.functionName} failed`, { ...outcome });
    }
    const verdict = judge(outcome.payload, this.#methodArn);
    if (verdict.type === "allow") return { ...accepted, facts: { ...facts, authorizer: verdict.authorizer } };
    if (verdict.type === "malformed")
      return this.#failed(facts, 500, `the authorizer ${authorizer.functionName}: ${verdict.why}`, {});
    const how = verdict.explicit ? " with an explicit deny" : "";
    return refused(403, { Message: `User is not authorized to access this resource${how}` });
  }

  async #connect(facts: ConnectionFacts, http: ReturnType<typeof httpPart>): Promise<Handshake> {
    const accepted: Handshake = { type: "accepted", facts, subprotocol: undefined };
    if (this.#route === undefined || this.#route.integration.type === "mock") return accepted;
    const { functionName, timeoutMs } = this.#route.integration;
    const event = connectEvent(this.#setting, facts, http, newId());
    const outcome = await this.#integrations.call(functionName, event, timeoutMs);
    if (outcome.type === "timeout")
      return this.#failed(facts, 504, `the $connect integration ${functionName} took too long`, {});
    if (outcome.type === "error")
      return this.#failed(facts, 502, `the $connect integration ${functionName} failed`, { ...outcome });
    const status = statusOf(outcome.payload);
    if (status === undefined || !isObject(outcome.payload))
      return this.#failed(facts, 502, `$connect: ${functionName} answered without a valid statusCode`, {
        answer: outcome.payload,
      });
    if (status >= 200 && status < 300)
      return { ...accepted, subprotocol: headerOf(outcome.payload, "sec-websocket-protocol") };
    const { body } = outcome.payload;
    return typeof body === "string"
      ? { type: "refused", status, body }
      : refused(status, { message: STATUS_CODES[status] ?? "Refused", connectionId: facts.connectionId });
  }

  #failed(facts: ConnectionFacts, status: number, why: string, detail: JsonObject): Handshake {
    const { connectionId } = facts;
    const requestId = newId();
    this.#setting.log({
      level: "ERROR",
      message: why,
      connectionId,
      requestId,
      routeKey: "$connect",
      detail,
    });
    const message = status === 504 ? "Endpoint request timed out" : "Internal server error";
    return refused(status, { message, connectionId, requestId });
  }
}
