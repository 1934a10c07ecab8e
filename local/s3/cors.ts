/** Cross-origin rules of buckets, for browsers that put and get objects by presigned URLs. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface CorsRule {
  /** Each with at most one `*`. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  /** Each with at most one `*`; compared without regard to case. */
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSec?: number;
}

/** Adds the headers of the first rule that fits the request's origin and method; without one, none. */
export const addCorsHeaders = (
  rules: readonly CorsRule[],
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const { origin } = request.headers;
  if (origin === undefined) return;
  const rule = ruleFor(rules, origin, request.method ?? "GET", []);
  if (rule !== undefined) addHeaders(response, rule, origin);
};

/** Answers a browser's question whether it may send a request. */
export const answerPreflight = (
  rules: readonly CorsRule[],
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const { origin = "" } = request.headers;
  const method = request.headers["access-control-request-method"] ?? "";
  const asked = (request.headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  const rule = ruleFor(rules, origin, method, asked);
  if (rule === undefined) {
    response.writeHead(403, { "Content-Type": "application/xml" });
    response.end(
      '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessForbidden</Code><Message>CORSResponse: This CORS request is not allowed.</Message></Error>',
    );
    return;
  }
  addHeaders(response, rule, origin);
  if (asked.length > 0) response.setHeader("Access-Control-Allow-Headers", asked.join(", "));
  if (rule.maxAgeSec !== undefined) response.setHeader("Access-Control-Max-Age", rule.maxAgeSec);
  response.writeHead(200).end();
};

const ruleFor = (
  rules: readonly CorsRule[],
  origin: string,
  method: string,
  asked: readonly string[],
): CorsRule | undefined =>
  rules.find(
    (rule) =>
      rule.origins.some((pattern) => fits(pattern, origin)) &&
      rule.methods.includes(method) &&
      asked.every((name) => rule.headers.some((pattern) => fits(pattern.toLowerCase(), name))),
  );

const addHeaders = (response: ServerResponse, rule: CorsRule, origin: string): void => {
  response.setHeader("Access-Control-Allow-Origin", rule.origins.includes("*") ? "*" : origin);
  response.setHeader("Access-Control-Allow-Methods", rule.methods.join(", "));
  if (rule.exposed.length > 0) response.setHeader("Access-Control-Expose-Headers", rule.exposed.join(", "));
  response.setHeader("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
};

const fits = (pattern: string, text: string): boolean => {
  const [start = "", end] = pattern.split("*");
  if (end === undefined) return pattern === text;
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
};
