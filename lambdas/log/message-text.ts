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

/**
 * [MED2] [DLV3] What a message carries fits, with its text, the page that holds it, and the frame.
 * @param field what is to blame where it does not
 */
export function checkSize(
  field: "message" | "attachments",
  message: string,
  attachments: readonly object[],
): Failure | undefined {
  if (attachments.length === 0) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify({ message, attachments }), "utf8");
  const most = limits.attachmentsJsonBytes;
  if (bytes <= most) return undefined;
  return failure(
    "too_large",
    `${field}: text and attachments are ${bytes} bytes of JSON; at most ${most} fit`,
  );
}
