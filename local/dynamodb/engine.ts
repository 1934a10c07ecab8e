/**
 * DynamoDB in this process: tables with indexes, streams, transactions and time to live, in memory and, with a
 * data folder, on disk. Every call runs within one turn of the event loop, so calls never interleave.
 */

import type {
  Clock,
  DynamoEngine,
  JsonObject,
  NeededPermission,
  TableSpec,
  TableStream,
} from "../contracts.ts";
import { AwsFault } from "../contracts.ts";
import { batchGetItem, batchWriteItem } from "./actions/batch.ts";
import type { Action, Context } from "./actions/context.ts";
import { describeTable, describeTimeToLive, listTables } from "./actions/describe.ts";
import { deleteItem, getItem, putItem, updateItem } from "./actions/items.ts";
import { query, queriedPartition } from "./actions/query.ts";
import { scan } from "./actions/scan.ts";
import { describeStream, getRecords, getShardIterator } from "./actions/streams.ts";
import { transactGetItems, transactWriteItems } from "./actions/transactions.ts";
import type { Consumption } from "./capacity.ts";
import { Meter } from "./capacity.ts";
import { permissionsOf } from "./permissions.ts";
import { Store } from "./store.ts";

export interface DynamoEngineOptions {
  readonly region: string;
  readonly accountId: string;
  readonly clock: Clock;
  /** Where the data live. @default none: memory only */
  readonly dataDir?: string;
  /** @default 4 */
  readonly shardsPerStream?: number;
  /** How often expired items are looked for; AWS may take days. 0: only by `sweep()`. @default 1000 */
  readonly ttlSweepMs?: number;
  /** AWS's limit of 400 KB, unless a test wants another. @default 400 */
  readonly maxItemSizeKb?: number;
  /** The log is compacted into a snapshot past this size (and twice the snapshot's). @default 64 MiB */
  readonly compactLogBytes?: number;
}

export interface LocalDynamoEngine extends DynamoEngine {
  /** Deletes what has expired, and drops old stream records, now. Returns how many items it deleted. */
  sweep(): number;
  /** Units that each table has served since the start, failed conditions included (AWS answers none for those). */
  consumption(): Readonly<Record<string, Consumption>>;
  /** Writes a snapshot and begins a new log, if there is a data folder. */
  compact(): void;
}

const DEFAULT_SHARDS = 4;
const DEFAULT_SWEEP_MS = 1000;
const DEFAULT_ITEM_KB = 400;
const DEFAULT_COMPACT_BYTES = 64 * 1024 * 1024;
/** Deletions of one turn of the sweep, so that it never holds up calls for long. */
const SWEEP_BATCH = 500;

const ACTIONS = new Map<string, Action>([
  ["PutItem", putItem],
  ["UpdateItem", updateItem],
  ["DeleteItem", deleteItem],
  ["GetItem", getItem],
  ["Query", query],
  ["Scan", scan],
  ["BatchGetItem", batchGetItem],
  ["BatchWriteItem", batchWriteItem],
  ["TransactWriteItems", transactWriteItems],
  ["TransactGetItems", transactGetItems],
  ["DescribeTable", describeTable],
  ["DescribeTimeToLive", describeTimeToLive],
  ["ListTables", listTables],
  ["DescribeStream", describeStream],
  ["GetShardIterator", getShardIterator],
  ["GetRecords", getRecords],
]);

class Engine implements LocalDynamoEngine {
  readonly checkpoints: DynamoEngine["checkpoints"];
  readonly #options: DynamoEngineOptions;
  readonly #store: Store;
  readonly #context: Context;
  readonly #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: DynamoEngineOptions) {
    this.#options = options;
    this.#store = new Store({
      region: options.region,
      accountId: options.accountId,
      clock: options.clock,
      shardsPerStream: options.shardsPerStream ?? DEFAULT_SHARDS,
      compactLogBytes: options.compactLogBytes ?? DEFAULT_COMPACT_BYTES,
      ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
    });
    this.#context = {
      store: this.#store,
      meter: new Meter(),
      maxItemBytes: (options.maxItemSizeKb ?? DEFAULT_ITEM_KB) * 1024,
    };
    this.checkpoints = {
      get: (key) => this.#store.checkpoints.get(key),
      set: (key, value) => this.#store.setCheckpoint(key, value),
    };
    const every = options.ttlSweepMs ?? DEFAULT_SWEEP_MS;
    if (every > 0) {
      this.#timer = setInterval(() => this.#sweepSome(), every);
      this.#timer.unref();
    }
  }

  // oxlint-disable-next-line require-await -- a throw must become a rejection
  async createTable(spec: TableSpec): Promise<{ readonly arn: string; readonly streamArn?: string }> {
    const { arn, stream } = this.#store.createTable(spec);
    return stream === undefined ? { arn } : { arn, streamArn: stream.arn };
  }

  // oxlint-disable-next-line require-await -- a throw must become a rejection
  async call(operation: string, input: JsonObject): Promise<JsonObject> {
    if (this.#closed) throw new AwsFault("InternalServerError", "the local DynamoDB is closed", 500);
    const action = ACTIONS.get(operation);
    if (action === undefined) {
      throw new AwsFault("UnknownOperationException", `${operation} is not supported by the local DynamoDB`);
    }
    try {
      return action(this.#context, input);
    } catch (error) {
      if (error instanceof AwsFault) throw error;
      const fault = new AwsFault("InternalServerError", `${operation}: ${String(error)}`, 500);
      fault.cause = error;
      throw fault;
    }
  }

  permissions(operation: string, input: JsonObject): readonly NeededPermission[] {
    const { region, accountId } = this.#options;
    const schemaOf = (name: string) =>
      this.#store.activeTables().find((table) => table.name === name)?.schema;
    return permissionsOf({ region, accountId, schemaOf }, operation, input, () =>
      queriedPartition(this.#context, input),
    );
  }

  stream(tableName: string): TableStream {
    const { stream } = this.#store.table(tableName);
    if (stream === undefined) throw new Error(`table ${tableName} has no stream`);
    return stream;
  }

  sweep(): number {
    let deleted = 0;
    for (const table of this.#store.activeTables()) {
      const now = this.#options.clock();
      for (const entry of table.expired(now, Number.POSITIVE_INFINITY)) {
        this.#store.commit([{ table, before: entry, after: undefined }], { byTimeToLive: true });
        deleted++;
      }
    }
    this.#store.trim();
    return deleted;
  }

  consumption(): Readonly<Record<string, Consumption>> {
    return this.#context.meter.consumption();
  }

  compact(): void {
    this.#store.compact();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearInterval(this.#timer);
      this.#store.close();
    }
    return Promise.resolve();
  }

  #sweepSome(): void {
    const now = this.#options.clock();
    for (const table of this.#store.activeTables()) {
      for (const entry of table.expired(now, SWEEP_BATCH)) {
        this.#store.commit([{ table, before: entry, after: undefined }], { byTimeToLive: true });
      }
    }
    this.#store.trim();
  }
}

/** Starts the engine; with a data folder, it first reads what an earlier run left there. */
// oxlint-disable-next-line require-await -- a throw must become a rejection
export const createDynamoEngine = async (options: DynamoEngineOptions): Promise<LocalDynamoEngine> =>
  new Engine(options);
