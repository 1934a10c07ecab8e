/**
 * The engine's disk: a snapshot and the log of all that came after it, one line a record, each with its checksum.
 * A record is written before the call that made it is answered, so a killed process loses nothing that was
 * answered (a lost machine may: nothing is synced). Snapshot and log carry a generation: the snapshot becomes
 * valid by its rename, and the log of the generation before it is then of no more use.
 */

import { isAlive } from "./is-alive.ts";
import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import type { JsonValue } from "./contracts.ts";

const READ_BYTES = 1 << 20;
const LINE_END = 10;
const CRC_LENGTH = 8;

const lineOf = (record: JsonValue): string => {
  const text = JSON.stringify(record);
  return `${crc32(text).toString(16).padStart(CRC_LENGTH, "0")} ${text}\n`;
};

/** Writes all of it: the system may take less than it was given. */
const writeFully = (file: number, text: string): number => {
  const buffer = Buffer.from(text);
  for (let at = 0; at < buffer.length;) at += fs.writeSync(file, buffer, at);
  return buffer.length;
};

/** Gives each whole line with the offset after it; returns the bytes of an unfinished last line. */
const readLines = (file: string, onLine: (line: string, end: number) => void): number => {
  const descriptor = fs.openSync(file, "r");
  try {
    let rest: Buffer = Buffer.alloc(0);
    let offset = 0;
    for (;;) {
      const block = Buffer.allocUnsafe(READ_BYTES);
      const length = fs.readSync(descriptor, block, 0, READ_BYTES, null);
      if (length === 0) return rest.length;
      const data = Buffer.concat([rest, block.subarray(0, length)]);
      let start = 0;
      for (let end = data.indexOf(LINE_END); end >= 0; end = data.indexOf(LINE_END, start)) {
        onLine(data.toString("utf8", start, end), offset + end + 1);
        start = end + 1;
      }
      offset += start;
      rest = data.subarray(start);
    }
  } finally {
    fs.closeSync(descriptor);
  }
};

const parseLine = (line: string): JsonValue | undefined => {
  const text = line.slice(CRC_LENGTH + 1);
  if (Number.parseInt(line.slice(0, CRC_LENGTH), 16) !== crc32(text)) return undefined;
  return JSON.parse(text) as JsonValue;
};

/** Folders that this process has open. A container's next process may have the dead one's pid, so pids alone lie. */
const openHere = new Set<string>();

const lockFolder = (folder: string): void => {
  const file = path.join(folder, "lock");
  const owner = fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) : 0;
  if (openHere.has(folder) || (owner > 0 && owner !== process.pid && isAlive(owner))) {
    throw new Error(
      `the data folder ${folder} is in use by process ${owner}; two would damage it (if that is wrong, delete ${file})`,
    );
  }
  fs.writeFileSync(file, String(process.pid));
  openHere.add(folder);
};

export class Journal {
  readonly #folder: string;
  #generation = 0;
  #log = -1;
  #size = 0;
  #snapshotSize = 0;

  /** Opens the folder and gives every record of its snapshot and log, oldest first. Throws where one is damaged. */
  constructor(folder: string, onRecord: (record: JsonValue) => void) {
    fs.mkdirSync(folder, { recursive: true });
    this.#folder = fs.realpathSync(folder);
    lockFolder(this.#folder);
    try {
      this.#load(onRecord);
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  /** Bytes of the log since the snapshot. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the snapshot. */
  get snapshotSize(): number {
    return this.#snapshotSize;
  }

  get closed(): boolean {
    return this.#log < 0;
  }

  append(record: JsonValue): void {
    if (this.#log < 0) throw new Error("the journal is closed");
    try {
      this.#size += writeFully(this.#log, lineOf(record));
    } catch (error) {
      // Half a record in the middle of the log would make it unreadable: back to where it was.
      fs.ftruncateSync(this.#log, this.#size);
      throw error;
    }
  }

  /** Begins the next generation: these records are all that is so far. */
  compact(records: Iterable<JsonValue>): void {
    const next = this.#generation + 1;
    const temporary = path.join(this.#folder, "snapshot.tmp");
    const file = fs.openSync(temporary, "w");
    let size = 0;
    try {
      let block = "";
      for (const record of records) {
        block += lineOf(record);
        if (block.length >= READ_BYTES) {
          size += writeFully(file, block);
          block = "";
        }
      }
      size += writeFully(file, block);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(temporary, this.#path("snapshot", next));
    this.#snapshotSize = size;
    const old = this.#generation;
    fs.closeSync(this.#log);
    this.#generation = next;
    this.#openLog();
    fs.rmSync(this.#path("log", old), { force: true });
    fs.rmSync(this.#path("snapshot", old), { force: true });
  }

  close(): void {
    if (this.#log < 0) return;
    fs.closeSync(this.#log);
    this.#log = -1;
    this.#unlock();
  }

  #load(onRecord: (record: JsonValue) => void): void {
    const generations = fs
      .readdirSync(this.#folder)
      .map((name) => /^(?:snapshot|log)-(\d+)\.jsonl$/.exec(name)?.[1])
      .map((text) => Number(text ?? 0));
    const snapshots = generations.filter((one) => fs.existsSync(this.#path("snapshot", one)));
    this.#generation = Math.max(0, ...snapshots);
    for (const old of generations) {
      if (old >= this.#generation) continue;
      fs.rmSync(this.#path("log", old), { force: true });
      fs.rmSync(this.#path("snapshot", old), { force: true });
    }
    const snapshot = this.#path("snapshot", this.#generation);
    if (fs.existsSync(snapshot)) {
      if (this.#read(snapshot, onRecord) > 0) throw new Error(`${snapshot} is damaged: it has no end`);
      this.#snapshotSize = fs.statSync(snapshot).size;
    }
    const log = this.#path("log", this.#generation);
    if (fs.existsSync(log)) {
      const torn = this.#read(log, onRecord);
      // What a killed process left unfinished was never answered.
      if (torn > 0) fs.truncateSync(log, fs.statSync(log).size - torn);
    }
    this.#openLog();
  }

  #read(file: string, onRecord: (record: JsonValue) => void): number {
    return readLines(file, (line, end) => {
      const record = parseLine(line);
      if (record === undefined) {
        throw new Error(`${file} is damaged: the record that ends at byte ${end} fails its checksum`);
      }
      onRecord(record);
    });
  }

  #openLog(): void {
    this.#log = fs.openSync(this.#path("log", this.#generation), "a");
    this.#size = fs.fstatSync(this.#log).size;
  }

  #path(kind: "snapshot" | "log", generation: number): string {
    return path.join(this.#folder, `${kind}-${generation}.jsonl`);
  }

  #unlock(): void {
    openHere.delete(this.#folder);
    fs.rmSync(path.join(this.#folder, "lock"), { force: true });
  }
}
