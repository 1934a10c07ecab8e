/** Requests to S3 when it does not answer as it should, by a server that says what a test wants. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { ObjectRequests } from "../../lambdas/aws/object-requests.ts";

type Answer = readonly [status: number, body?: string];

const servers: (() => void)[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const close of servers.splice(0)) close();
});

/** Requests to a server that gives these answers, one after the other and the last ever again. */
async function requestsTo(...answers: readonly Answer[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [status, body = ""] = answers[Math.min(asked.length, answers.length - 1)] ?? [500];
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(() => server.close().closeAllConnections());
  vi.stubEnv("AWS_ENDPOINT_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("AWS_REGION", "us-east-1");
  return { asked, send: async () => await new ObjectRequests("b").send("k", { method: "GET" }) };
}

const errorOf = (code: string): string => `<?xml version="1.0"?>\n<Error><Code>${code}</Code></Error>`;

test("[MED2] what S3 cannot serve at the moment is asked again", async () => {
  const { asked, send } = await requestsTo(
    [503, errorOf("SlowDown")],
    [200, errorOf("InternalError")],
    [200, "ok"],
  );
  expect(await send()).toMatchObject({ status: 200, code: "", text: "ok" });
  expect(asked).toEqual(["GET /b/k?", "GET /b/k?", "GET /b/k?"]);
});

test("[REQ2] after three times it fails as what may be asked again, as does an S3 that nobody reaches", async () => {
  const { asked, send } = await requestsTo([503, errorOf("SlowDown")]);
  await expect(send()).rejects.toMatchObject({ name: "ServiceUnavailable" });
  expect(asked).toHaveLength(3);
  for (const close of servers.splice(0)) close();
  await expect(send()).rejects.toMatchObject({ name: "ServiceUnavailable" });
});

test("[MED2] what is not there is told, and every other refusal is a fault that is not asked again", async () => {
  expect(await (await requestsTo([404, errorOf("NoSuchKey")])).send()).toMatchObject({ status: 404 });
  for (const answer of [
    [403, errorOf("AccessDenied")],
    [404, errorOf("NoSuchBucket")],
    [400, errorOf("InvalidRequest")],
  ] as const) {
    const { asked, send } = await requestsTo(answer);
    await expect(send()).rejects.toMatchObject({ name: "Error" });
    expect(asked).toHaveLength(1);
  }
});
