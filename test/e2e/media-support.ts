/** Files as a client has them: bytes, uploaded and downloaded by what the server says and nothing else. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Client, EntryFrame, Frame } from "./client.ts";

export interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Target {
  readonly attachmentId: string;
  readonly upload: Request & {
    readonly expiresAt: number;
    readonly parts?: readonly (Request & { readonly partNumber: number })[];
    readonly partSize?: number;
  };
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export interface File {
  readonly bytes: Buffer;
  readonly contentType: string;
}

export const newImage = (size = 20_000): File => ({ bytes: randomBytes(size), contentType: "image/jpeg" });

const partBytes = 8 * 1024 * 1024;

export const partsOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / partBytes) }, (_, at) =>
    bytes.subarray(at * partBytes, (at + 1) * partBytes),
  );

/** What a client says of a file before it uploads it. */
export const announced = ({ bytes, contentType }: File) => ({
  contentType,
  size: bytes.length,
  sha256: sha256(bytes),
});

export async function getTarget(
  client: Client,
  chatId: string,
  file: File,
  fields: object = {},
): Promise<Target> {
  const reply = await client.ask("getAttachmentTarget", { chatId, ...announced(file), ...fields });
  return reply as unknown as Target;
}

/** Sends a presigned request with these bytes; what HTTP itself says, the client cannot. */
export async function put(request: Request, bytes: Uint8Array, headers: object = {}): Promise<number> {
  const { "content-length": _, ...signed } = request.headers;
  const answer = await fetch(request.url, {
    method: request.method,
    headers: { ...signed, ...headers },
    body: new Uint8Array(bytes),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** Begins a presigned request and loses the connection halfway. */
export async function breakOff({ url, method, headers }: Request, bytes: Uint8Array): Promise<void> {
  const half = bytes.subarray(0, bytes.length / 2);
  await new Promise<void>((resolve, reject) => {
    const sending = (url.startsWith("https:") ? httpsRequest : httpRequest)(url, { method, headers });
    sending.once("response", ({ statusCode }) => reject(new Error(`half was answered ${statusCode}`)));
    sending.once("error", () => resolve());
    sending.write(half, () => sending.destroy(new Error("the tunnel")));
  });
}

/** Uploads a small file; its id. */
export async function upload(client: Client, chatId: string, file: File): Promise<string> {
  const target = await getTarget(client, chatId, file);
  const status = await put(target.upload, file.bytes);
  if (status !== 200) throw new Error(`the upload was answered ${status}`);
  return target.attachmentId;
}

export interface SentFile extends Frame {
  readonly seq: number;
}

/** Sends a message that carries these attachments. */
export async function sendWith(
  client: Client,
  chatId: string,
  attachments: readonly object[],
  message = "",
): Promise<SentFile> {
  return await client.send(chatId, message, { attachments });
}

/** A message with a new image. */
export async function sendImage(
  client: Client,
  chatId: string,
  file = newImage(),
): Promise<{ attachmentId: string; seq: number; file: File }> {
  const attachmentId = await upload(client, chatId, file);
  const { seq } = await sendWith(client, chatId, [{ attachmentId, kind: "image" }]);
  return { attachmentId, seq, file };
}

export async function linkTo(client: Client, chatId: string, attachmentId: string): Promise<string> {
  return (await client.ask("getAttachmentUrl", { chatId, attachmentId }))["url"] as string;
}

export interface Download {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

export async function download(url: string): Promise<Download> {
  const answer = await fetch(url);
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
}

/** The code with which a request fails. */
export async function refusal(
  client: Client,
  command: string,
  fields: object,
): Promise<{ code: string | undefined; message: string | undefined }> {
  const { error } = await client.request(command, fields);
  return { code: error?.code, message: error?.message };
}

/** The code with which a message with one attachment is refused. */
export const refusalToSend = async (client: Client, chatId: string, attachment: object) =>
  await refusal(client, "sendMessage", {
    chatId,
    clientMessageId: randomUUID(),
    message: "",
    attachments: [attachment],
  });

export const attachmentsOf = (entry: EntryFrame | undefined): readonly Record<string, unknown>[] =>
  (entry?.["attachments"] ?? []) as readonly Record<string, unknown>[];
