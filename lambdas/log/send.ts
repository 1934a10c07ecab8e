/** Sending a message: [SND1] [SND2] [SND4] [SND5], [REQ3]. The slot itself is append.ts. */
import { failure, type Outcome, success } from "../../protocol/errors.ts";
import type { ReplyFields } from "../../protocol/frames.ts";
import { limits } from "../../protocol/limits.ts";
import type { RequestOf } from "../../protocol/requests.ts";
import { append, type AppendDependencies } from "./append.ts";

export interface SendDependencies extends AppendDependencies {
  readonly isMember: (chatId: string, userId: string) => Promise<boolean>;
}

export async function sendMessage(
  deps: SendDependencies,
  request: RequestOf<"sendMessage">,
  sender: { readonly userId: string; readonly deviceId: string },
): Promise<Outcome<ReplyFields["sendMessage"]>> {
  const { chatId, clientMessageId, message, after, replyTo } = request;
  const unfit = checkText(message);
  if (unfit) return unfit;
  if (!(await deps.isMember(chatId, sender.userId))) return failure("not_found", "chatId: no such chat");

  const stored = await append(deps, {
    chatId,
    clientMessageId,
    userId: sender.userId,
    deviceId: sender.deviceId,
    text: message,
    ...(after !== undefined && { after }),
    ...(replyTo !== undefined && { replyTo }),
  });
  if (!stored.ok) return stored;
  const { messageId, seq, sentAt } = stored.value;
  return success({ chatId, messageId, seq, sentAt, clientMessageId });
}

function checkText(text: string) {
  if (text === "") return failure("bad_request", "message: must not be empty");
  if (!text.isWellFormed()) return failure("bad_request", "message: holds half of a surrogate pair");
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > limits.textBytes) {
    return failure("too_large", `message: is ${bytes} bytes of UTF-8; at most ${limits.textBytes} fit`);
  }
  return undefined;
}
