import type { IncomingMessage } from "node:http";

/** The whole body; undefined when it is over the limit, of which the rest is read and dropped. */
export const readBody = (request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> => {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
  });
  request.on("end", () => resolve(size > maxBytes ? undefined : joined(chunks)));
  request.on("error", reject);
  request.on("close", () => reject(new Error("the caller left before its request ended")));
  return promise;
};

const joined = (chunks: readonly Buffer[]): Buffer => {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
};
