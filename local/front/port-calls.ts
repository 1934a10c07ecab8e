/**
 * Answers the calls that a function's environment hands over by a port instead of a socket, as the HTTP front
 * answers them: by the same key, the same permissions and the same services, in the same wire form.
 */
import type { MessagePort } from "node:worker_threads";
import { AwsFault, type CallAnswer, type FromPort, type ToPort } from "../contracts.ts";
import { faultAnswer, jsonAnswer, type Service } from "./answers.ts";
import { answerCall, bodyTooLarge, type CallParts, maxBodyBytes, principalOf, serviceOf } from "./calls.ts";
import { asFault } from "./dispatch.ts";
import { type Principals, signingScope } from "./principals.ts";

/** `services` answers undefined until the platform serves. */
export const servePort = (
  port: MessagePort,
  services: () => (CallParts & { readonly principals: Principals }) | undefined,
): void => {
  /** What ends each call in hand that can be ended; of the others nobody is told that the caller has left. */
  const polls = new Map<number, AbortController>();

  const answer = async ([id, method, url, authorization, target, body]: FromPort): Promise<CallAnswer> => {
    const parts = services();
    if (parts === undefined) return jsonAnswer(503, { message: "Service Unavailable" });
    let service: Service = "execute-api";
    try {
      const scope = signingScope(authorization, url);
      if (scope === undefined)
        throw new AwsFault("MissingAuthenticationTokenException", "Missing Authentication Token", 403);
      service = serviceOf(scope);
      // Its bodies may be of any size and are not meant to be held whole: the environment sends them over HTTP.
      if (service === "s3") throw new AwsFault("NotImplemented", "S3 is not served by this way", 501);
      const principal = principalOf(parts.principals, service, scope);
      if (isOver(body, maxBodyBytes)) throw bodyTooLarge();
      return await answerCall(parts, service, principal, { method, url, target, body }, () => {
        const left = new AbortController();
        polls.set(id, left);
        return left.signal;
      });
    } catch (error) {
      return faultAnswer(service, asFault(error));
    } finally {
      polls.delete(id);
    }
  };

  port.on("message", (message: FromPort | number) => {
    if (typeof message === "number") {
      polls.get(message)?.abort();
      return;
    }
    void answer(message).then(({ status, headers, body }) => {
      const reply: ToPort = [message[0], status, { ...headers, date: httpDate() }, body];
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
      port.postMessage(reply);
    });
  });
  port.on("close", () => {
    for (const left of polls.values()) left.abort();
  });
  port.unref();
};

const isOver = (body: string | Uint8Array, bytes: number): boolean =>
  typeof body === "string" ? body.length * 3 > bytes && Buffer.byteLength(body) > bytes : body.length > bytes;

let dateSecond = 0;
let dateText = "";

/** The Date header, which the SDK corrects its clock by; made once a second, as Node's server does. */
const httpDate = (): string => {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
};
