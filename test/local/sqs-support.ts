/** Queues behind plain HTTP, for the real SDK: what the platform's front does, without its checks. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SQSClient } from "@aws-sdk/client-sqs";
import { AwsFault, type JsonObject } from "../../local/contracts.ts";
import { createQueues, type Queues, type QueuesOptions } from "../../local/sqs/queues.ts";

export const ACCOUNT = "123456789012";
export const REGION = "eu-west-1";
export const arnOf = (name: string): string => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;

export interface Served {
  readonly queues: Queues;
  readonly endpoint: string;
  readonly sqs: SQSClient;
  /** How many calls have come and are not answered yet: of those, the ones that wait are receivers. */
  readonly underWay: number;
  close(): Promise<void>;
}

export async function serveQueues(options: Partial<QueuesOptions> = {}): Promise<Served> {
  let endpoint = "";
  const queues = createQueues({
    region: REGION,
    accountId: ACCOUNT,
    onLog: () => {},
    endpoint: () => endpoint,
    ...options,
  });
  let underWay = 0;
  const answer = async (
    action: string,
    input: JsonObject,
    signal: AbortSignal,
  ): Promise<[number, JsonObject]> => {
    underWay += 1;
    try {
      return [200, await queues.call(action, input, signal)];
    } catch (error) {
      const fault = error instanceof AwsFault ? error : new AwsFault("InternalFailure", String(error), 500);
      return [fault.statusCode, { __type: `com.amazonaws.sqs#${fault.code}`, message: fault.message }];
    } finally {
      underWay -= 1;
    }
  };
  // A connection that stands idle while the machine is busy must not be closed under the next request.
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    const target = request.headers["x-amz-target"];
    if (typeof target !== "string") {
      response.writeHead(400).end();
      return;
    }
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      void answer(target.replace("AmazonSQS.", ""), JSON.parse(body) as JsonObject, gone.signal).then(
        ([status, content]) =>
          response
            .writeHead(status, { "Content-Type": "application/x-amz-json-1.0" })
            .end(JSON.stringify(content)),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const shared = {
    endpoint,
    region: REGION,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  };
  const sqs = new SQSClient(shared);
  return {
    queues,
    endpoint,
    sqs,
    get underWay() {
      return underWay;
    },
    close: async () => {
      sqs.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      queues.close();
    },
  };
}
