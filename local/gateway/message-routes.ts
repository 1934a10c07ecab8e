/** A client's messages: each goes to its route's integration at once, and its reply back when it is there. */
import { isObject } from "../json.ts";
import type { JsonObject, JsonValue, RouteSpec } from "../contracts.ts";
import type { Connection } from "./connection.ts";
import { messageEvent, requestContext } from "./events.ts";
import type { Integrations, Outcome } from "./integrations.ts";
import { mockTemplate } from "./mock-template.ts";
import { routeSelector } from "./route-selection.ts";
import { newId, type Setting } from "./settings.ts";
import type { RouteThrottles } from "./throttle.ts";

/** What goes back to the caller of a Lambda proxy integration. */
type Reply =
  | { readonly type: "none" }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "fault"; readonly why: string; readonly detail: JsonObject };

export class MessageRoutes {
  readonly #setting: Setting;
  readonly #integrations: Integrations;
  readonly #throttles: RouteThrottles;
  readonly #select: (body: string) => RouteSpec | undefined;
  readonly #templates = new Map<RouteSpec, (context: JsonObject) => string>();

  constructor(setting: Setting, integrations: Integrations, throttles: RouteThrottles) {
    this.#setting = setting;
    this.#integrations = integrations;
    this.#throttles = throttles;
    this.#select = routeSelector(setting.spec.routeSelectionExpression, setting.spec.routes);
    for (const route of setting.spec.routes) {
      const { integration } = route;
      if (integration.type === "mock" && integration.responseTemplate !== undefined)
        this.#templates.set(route, mockTemplate(route.routeKey, integration.responseTemplate));
    }
  }

  /** Messages of one connection run side by side: API Gateway promises no order between them. */
  handle(connection: Connection, body: string): void {
    this.#setting.onUsage({ service: "api-gateway", kind: "received", bytes: Buffer.byteLength(body) });
    const requestId = newId();
    const route = this.#select(body);
    if (route === undefined) this.#error(connection, "Forbidden", requestId);
    else if (!this.#throttles.take(route.routeKey)) this.#throttled(connection, route, requestId);
    else if (route.integration.type === "mock") this.#mock(connection, route, requestId);
    else
      void this.#lambda(connection, route, route.integration.functionName, {
        requestId,
        body,
        timeoutMs: route.integration.timeoutMs,
      });
  }

  #throttled(connection: Connection, { routeKey }: RouteSpec, requestId: string): void {
    const { connectionId } = connection.facts;
    this.#setting.log({ level: "WARN", message: "throttled", connectionId, requestId, routeKey });
    this.#error(connection, "Too Many Requests", requestId);
  }

  #mock(connection: Connection, route: RouteSpec, requestId: string): void {
    const template = this.#templates.get(route);
    if (template === undefined || !route.returnsResponse) return;
    const extra = { messageId: newId() };
    const { facts } = connection;
    this.#send(
      connection,
      template(requestContext(this.#setting, facts, route.routeKey, "MESSAGE", requestId, extra)),
      requestId,
    );
  }

  async #lambda(
    connection: Connection,
    route: RouteSpec,
    functionName: string,
    call: { readonly requestId: string; readonly body: string; readonly timeoutMs: number },
  ): Promise<void> {
    const { requestId, body, timeoutMs } = call;
    const event = messageEvent(this.#setting, connection.facts, route.routeKey, requestId, body);
    const reply = this.#replyOf(route, await this.#integrations.call(functionName, event, timeoutMs));
    if (reply.type === "text") this.#send(connection, reply.text, requestId);
    if (reply.type !== "fault") return;
    this.#setting.log({
      level: "ERROR",
      message: `${functionName}: ${reply.why}`,
      connectionId: connection.facts.connectionId,
      requestId,
      routeKey: route.routeKey,
      detail: reply.detail,
    });
    this.#error(connection, "Internal server error", requestId);
  }

  #replyOf(route: RouteSpec, outcome: Outcome): Reply {
    if (outcome.type === "timeout") return { type: "fault", why: "took too long", detail: {} };
    if (outcome.type === "error") return { type: "fault", why: "failed", detail: { ...outcome } };
    if (!route.returnsResponse) return { type: "none" };
    const answer: JsonValue = outcome.payload;
    const body = isObject(answer) ? answer["body"] : undefined;
    if (body === undefined || body === null || body === "") return { type: "none" };
    if (typeof body !== "string")
      return { type: "fault", why: "answered a body that is no string", detail: { answer } };
    if (isObject(answer) && answer["isBase64Encoded"] === true)
      return { type: "fault", why: "answered binary, which is not supported", detail: {} };
    const bytes = Buffer.byteLength(body);
    if (bytes > this.#setting.limits.maxMessageBytes)
      return { type: "fault", why: `answered ${bytes} bytes, which is too large`, detail: {} };
    return { type: "text", text: body };
  }

  #error(connection: Connection, message: string, requestId: string): void {
    const { connectionId } = connection.facts;
    this.#send(connection, JSON.stringify({ message, connectionId, requestId }), requestId);
  }

  #send(connection: Connection, text: string, requestId: string): void {
    if (!connection.open) return;
    const bytes = Buffer.from(text);
    if (connection.send(bytes)) {
      this.#setting.onUsage({ service: "api-gateway", kind: "sent", bytes: bytes.byteLength });
      return;
    }
    // It has not read for a megabyte: a lost reply would be silent, a lost connection is not.
    const { connectionId } = connection.facts;
    this.#setting.log({
      level: "WARN",
      message: "the client does not read: cut off",
      connectionId,
      requestId,
    });
    connection.destroy();
  }
}
