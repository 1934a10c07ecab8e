/** The lines that the alarm on failed requests counts, lib/web-socket-api.ts. */
import type { APIGatewayRequestAuthorizerEvent } from "aws-lambda";
import { afterEach, expect, test, vi } from "vitest";
import { commandHandler } from "../../lambdas/commands/command-handler.ts";
import type { CommandEvent } from "../../lambdas/commands/identity.ts";

afterEach(() => void vi.restoreAllMocks());

const linesOf = (): unknown[] => {
  const lines: unknown[] = [];
  vi.spyOn(console, "error").mockImplementation((line: unknown) => void lines.push(line));
  return lines;
};

test("[REQ2] a command that fails by the server's own fault says so in one line of the log, without the request", async () => {
  const lines = linesOf();
  const serve = commandHandler(
    { getPrivacy: async () => await Promise.reject(new Error("broken")) },
    () => 0,
  );
  const event = {
    body: JSON.stringify({ command: "getPrivacy", secret: "text" }),
    requestContext: {
      connectionId: "c",
      authorizer: { userId: "alice", deviceId: "phone", tokenExpiresAt: 10 },
    },
  } as unknown as CommandEvent;
  const { body } = await serve(event, { getRemainingTimeInMillis: () => 1_000 });
  expect(JSON.parse(body ?? "")).toMatchObject({ status: "FAILURE", error: { code: "internal" } });
  expect(lines).toMatchObject([{ event: "request failed", command: "getPrivacy", userId: "alice" }]);
  expect(JSON.stringify(lines)).not.toContain("text");
});

test("[CON3] [REQ2] a handshake that cannot be judged says so too; one that is refused does not", async () => {
  process.env["TOKEN_ISSUER"] = process.env["TOKEN_AUDIENCE"] = "tidings";
  process.env["TOKEN_JWKS_URL"] = "http://localhost/keys";
  const { makeHandler } = await import("../../lambdas/handlers/authorize.ts");
  const lines = linesOf();
  vi.spyOn(console, "info").mockImplementation(() => {});
  const judge = makeHandler(async () => await Promise.reject(new Error("no keys")));
  const handshake = (headers: Readonly<Record<string, string>>) =>
    ({
      headers,
      queryStringParameters: { deviceId: "phone" },
    }) as unknown as APIGatewayRequestAuthorizerEvent;
  await expect(judge(handshake({}))).rejects.toThrow("Unauthorized");
  expect(lines).toEqual([]);
  await expect(judge(handshake({ Authorization: "Bearer a.b.c" }))).rejects.toThrow("no keys");
  expect(lines).toMatchObject([{ event: "request failed", command: "$connect" }]);
});
