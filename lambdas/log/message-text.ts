import { failure, type Failure } from "../../protocol/errors.ts";
import { limits } from "../../protocol/limits.ts";

/** [SND5] What is wrong with the text of a message; undefined: nothing is. One with attachments may be empty. */
export function checkText(text: string, mayBeEmpty = false): Failure | undefined {
  if (text === "" && !mayBeEmpty) return failure("bad_request", "message: must not be empty");
  if (!text.isWellFormed()) return failure("bad_request", "message: holds half of a surrogate pair");
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > limits.textBytes) {
    return failure("too_large", `message: is ${bytes} bytes of UTF-8; at most ${limits.textBytes} fit`);
  }
  return undefined;
}
