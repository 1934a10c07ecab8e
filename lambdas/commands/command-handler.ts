/**
 * The edge of every command: the WebSocket event in, one reply out. Checks the token's age [CON8] and the
 * request's form [CON9], calls one domain function, and maps what comes of it to a reply [REQ1] [REQ2].
 */
import type { Context } from "aws-lambda";
import {
  type ErrorCode,
  failure,
  type Failure,
  type Outcome,
  type WireError,
} from "../../protocol/errors.ts";
import { type ReplyFields } from "../../protocol/frames.ts";
import { type CommandName, parseRequest, requestIdOf, type RequestOf } from "../../protocol/requests.ts";
import { isPersonalId } from "../chats/chat-id.ts";
import { describe, log } from "../telemetry/log.ts";
import { type Caller, type CommandEvent, identityOf } from "./identity.ts";

export type Command<C extends CommandName> = (
  request: RequestOf<C>,
  caller: Caller,
  context: Pick<Context, "getRemainingTimeInMillis">,
) => Promise<Outcome<ReplyFields[C]> | typeof answeredLater>;

/** The reply to this request will be posted to its connection, by whoever finishes the work. */
export const answeredLater = Symbol("answered later");

export type Commands = { readonly [C in CommandName]?: Command<C> };

export type CommandHandler = (
  event: CommandEvent,
  context: Pick<Context, "getRemainingTimeInMillis">,
) => Promise<{ statusCode: number; body?: string }>;

/** Commands that are answered only when they carry a requestId, [REQ1]. */
const quiet: ReadonlySet<string> = new Set<CommandName>(["ack", "setTyping"]);

/** Serves the given commands; a request for any other is answered with what is wrong with it. */
export function commandHandler(commands: Commands, now: () => number): CommandHandler {
  return async (event, context) => {
    const request = parseJson(event.body);
    const name = ownText(request, "command") ?? null;
    const requestId = requestIdOf(request);
    const outcome = await run(commands, name, request, event, context, now);
    if (outcome === answeredLater) return { statusCode: 200 };
    if (outcome.ok && name !== null && quiet.has(name) && requestId === undefined) return { statusCode: 200 };

    return { statusCode: 200, body: replyText(name?.slice(0, 64) ?? null, requestId, outcome) };
  };
}

/** [REQ1] The reply to a request, as it goes over the wire. */
export function replyText(
  command: string | null,
  requestId: string | undefined,
  outcome: Outcome<object>,
): string {
  const head = { command, ...(requestId !== undefined && { requestId }) };
  const reply = outcome.ok
    ? { ...head, status: "SUCCESS", ...outcome.value }
    : { ...head, status: "FAILURE", error: outcome.error satisfies WireError };
  return JSON.stringify(reply);
}

async function run(
  commands: Commands,
  name: string | null,
  request: unknown,
  event: CommandEvent,
  context: Pick<Context, "getRemainingTimeInMillis">,
  now: () => number,
): Promise<Outcome<object> | typeof answeredLater> {
  const caller = identityOf(event);
  if (caller.tokenExpiresAt * 1000 <= now()) {
    return failure("token_expired", "the connection's token has expired; connect with a new one");
  }
  if (request === undefined) return failure("bad_request", "request: must be a JSON object");
  if (name === null) return failure("bad_request", "command: is missing or not a string");
  if (!isServed(commands, name)) return failure("unknown_command", "command: is not known to this server");
  const parsed = parseRequest(name, request);
  if (!parsed.ok) return parsed;
  // [EDT1] A user's own log is no chat that one could ask for.
  if ("chatId" in parsed.value && isPersonalId(parsed.value.chatId))
    return failure("not_found", "chatId: no such chat");
  try {
    const command = commands[name] as Command<typeof name>;
    return await command(parsed.value, caller, context);
  } catch (error) {
    log.error("request failed", { command: name, userId: caller.userId, ...describe(error) });
    return fault(error);
  }
}

const isServed = (commands: Commands, name: string): name is CommandName => Object.hasOwn(commands, name);

/** Names of service errors after which the same request may well succeed. */
const passing: ReadonlySet<string> = new Set([
  "InternalServerError",
  "InternalServerErrorException",
  "LimitExceededException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ServiceUnavailable",
  "ThrottlingException",
  "TimeoutError",
  "TransactionCanceledException",
  "TransactionConflictException",
]);

/** A fault, as little of it as a client may know. */
function fault(error: unknown): Failure {
  const code: ErrorCode = error instanceof Error && passing.has(error.name) ? "unavailable" : "internal";
  return code === "unavailable"
    ? failure(code, "a service is busy; send the request again", 500)
    : failure(code, "the server failed; send the request again", 1_000);
}

/** The body as a JSON object; undefined when it is none. */
function parseJson(body: string | undefined): object | undefined {
  try {
    const value: unknown = JSON.parse(body ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function ownText(value: unknown, field: string): string | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, field)) return undefined;
  const text: unknown = Reflect.get(value, field);
  return typeof text === "string" ? text : undefined;
}
