/**
 * The chunks in which SDKs send a body whose checksum is known only at its end (`aws-chunked`, unsigned): the
 * size in hex, the bytes, and after the last the trailers. ("Signature calculations: transfer payload in
 * multiple chunks", S3 API Reference.)
 */
import { AwsFault } from "../contracts.ts";

const lineFeed = 10;
const maxLineBytes = 16 * 1024;

const incomplete = (): AwsFault => new AwsFault("IncompleteBody", "The request body terminated unexpectedly");

/** Gives the content's bytes; puts the trailers into the map, names in lower case. Throws AwsFault. */
export async function* readChunked(
  stream: AsyncIterable<Uint8Array>,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  /** Bytes of a line that has not ended. */
  let line = "";
  /** Bytes of the current chunk that are to come; with the line end after it. */
  let left = 0;
  let state: "size" | "content" | "end" | "trailers" | "over" = "size";
  for await (const bytes of stream) {
    let at = 0;
    while (at < bytes.length) {
      if (state === "content") {
        const piece = bytes.subarray(at, at + left);
        at += piece.length;
        left -= piece.length;
        if (left === 0) state = "end";
        yield piece;
        continue;
      }
      const end = bytes.indexOf(lineFeed, at);
      line += Buffer.from(bytes.subarray(at, end < 0 ? bytes.length : end + 1)).toString("latin1");
      if (line.length > maxLineBytes) throw incomplete();
      if (end < 0) break;
      at = end + 1;
      const text = line.trimEnd();
      line = "";
      if (state === "size") {
        left = sizeIn(text);
        state = left === 0 ? "trailers" : "content";
      } else if (state === "end") {
        if (text !== "") throw incomplete();
        state = "size";
      } else if (state === "trailers") {
        if (text === "") state = "over";
        else addTrailer(text, trailers);
      }
    }
  }
  if (state !== "over" && state !== "trailers") throw incomplete();
}

const sizeIn = (line: string): number => {
  const [size = ""] = line.split(";");
  if (!/^[0-9a-f]{1,8}$/i.test(size)) throw incomplete();
  return Number.parseInt(size, 16);
};

const addTrailer = (line: string, trailers: Map<string, string>): void => {
  const colon = line.indexOf(":");
  if (colon > 0) trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
};
