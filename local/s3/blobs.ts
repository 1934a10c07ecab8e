/**
 * The bytes of objects, in memory or in a folder, as they arrived: an object is a list of blobs, so that parts
 * become an object, and an object another's copy, without a byte being moved. A blob lives for as long as
 * somebody holds it: an object, a part, or a reader.
 */
import { randomUUID } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

export interface Blob {
  readonly id: string;
  readonly size: number;
}

export interface BlobWriter {
  write(chunk: Uint8Array): Promise<void>;
  /** The blob, held by the caller until it releases it. */
  finish(): Promise<Blob>;
  discard(): Promise<void>;
}

interface Medium {
  begin(id: string): Promise<{
    write(chunk: Uint8Array): Promise<void>;
    end(): Promise<void>;
  }>;
  /** From the first byte to the last, both included. */
  read(id: string, first: number, last: number): AsyncIterable<Uint8Array>;
  remove(id: string): void;
  ids(): readonly string[];
}

export class Blobs {
  readonly #medium: Medium;
  readonly #holders = new Map<string, number>();

  /** @param folder where they are kept; without one they are in memory. */
  constructor(folder: string | undefined) {
    this.#medium = folder === undefined ? inMemory() : inFolder(folder);
  }

  async begin(): Promise<BlobWriter> {
    const id = randomUUID();
    const writing = await this.#medium.begin(id);
    let size = 0;
    return {
      write: async (chunk) => {
        size += chunk.length;
        await writing.write(chunk);
      },
      finish: async () => {
        await writing.end();
        this.hold([{ id, size }]);
        return { id, size };
      },
      discard: async () => {
        await writing.end();
        this.#medium.remove(id);
      },
    };
  }

  hold(blobs: readonly Blob[]): void {
    for (const { id } of blobs) this.#holders.set(id, (this.#holders.get(id) ?? 0) + 1);
  }

  /** Removes those that nobody holds any more. */
  release(blobs: readonly Blob[]): void {
    for (const { id } of blobs) {
      const left = (this.#holders.get(id) ?? 0) - 1;
      if (left > 0) this.#holders.set(id, left);
      else {
        this.#holders.delete(id);
        this.#medium.remove(id);
      }
    }
  }

  /** Their bytes one after the other, from the first to the last of the whole, both included; held meanwhile. */
  async *read(blobs: readonly Blob[], first: number, last: number): AsyncGenerator<Uint8Array> {
    this.hold(blobs);
    try {
      let start = 0;
      for (const { id, size } of blobs) {
        const from = Math.max(first - start, 0);
        const to = Math.min(last - start, size - 1);
        if (from <= to) yield* this.#medium.read(id, from, to);
        start += size;
      }
    } finally {
      this.release(blobs);
    }
  }

  /** Removes what nobody holds: what an ended process had begun. */
  removeUnheld(): void {
    for (const id of this.#medium.ids()) if (!this.#holders.has(id)) this.#medium.remove(id);
  }
}

const inMemory = (): Medium => {
  const known = new Map<string, Uint8Array[]>();
  return {
    begin: async (id) => {
      const chunks: Uint8Array[] = [];
      known.set(id, chunks);
      return {
        write: async (chunk) => {
          chunks.push(chunk);
        },
        end: async () => {},
      };
    },
    read: async function* (id, first, last) {
      let start = 0;
      for (const chunk of known.get(id) ?? []) {
        const from = Math.max(first - start, 0);
        const to = Math.min(last - start, chunk.length - 1);
        if (from <= to) yield chunk.subarray(from, to + 1);
        start += chunk.length;
        if (start > last) return;
      }
    },
    remove: (id) => {
      known.delete(id);
    },
    ids: () => [...known.keys()],
  };
};

const readBytes = 256 * 1024;

const inFolder = (folder: string): Medium => {
  mkdirSync(folder, { recursive: true });
  return {
    begin: async (id) => {
      const file = await open(join(folder, id), "wx");
      let isOpen = true;
      return {
        write: async (chunk) => {
          for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
        },
        end: async () => {
          if (isOpen) await file.close();
          isOpen = false;
        },
      };
    },
    read: (id, first, last) =>
      createReadStream(join(folder, id), { start: first, end: last, highWaterMark: readBytes }),
    remove: (id) => rmSync(join(folder, id), { force: true }),
    ids: () => readdirSync(folder),
  };
};
