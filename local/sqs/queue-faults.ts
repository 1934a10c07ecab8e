/** Failures as SQS answers them, by their shape's name in the JSON protocol. */

import { AwsFault } from "../contracts.ts";

export function invalid(code: string, message: string): AwsFault {
  return new AwsFault(code, message, 400);
}

export function noSuchQueue(): AwsFault {
  return new AwsFault("QueueDoesNotExist", "The specified queue does not exist.", 400);
}
