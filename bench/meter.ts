/**
 * Counts what happens inside a running local platform, from the services' own answers: DynamoDB's units from its
 * engine, everything else as the platform tells it (local/usage.ts). What it cannot see it does not count: polls
 * of an empty queue, the start of an environment, connection time.
 */
import type { Platform } from "../local/platform.ts";
import type { OnUsage } from "../local/usage.ts";
import { countKinds, type Counts, gatewayUnits, gbSeconds, queueUnits, type Tally } from "./prices.ts";
import { callingFunction, inFifoRequest, markCallers, onStreamBatch, onUnits } from "./tap.ts";

type Metered = Pick<Platform, "dynamo" | "functions" | "outputs" | "idle">;

/**
 * What of the system is counted: the functions that tell of delivered and read marks, which follow each ack and read
 * by streams, or everything else.
 */
export type Part = "receipts" | "others";

export class CostMeter {
  readonly #invocations = new Map<string, number>();
  readonly #lambdaMs = new Map<string, number>();
  readonly #gbSeconds = new Map<string, number>();
  readonly #gatewayMessages = new Map<string, number>();
  readonly #queueRequests = new Map<string, number>();
  readonly #fifoRequests = new Map<string, number>();
  readonly #objectWrites = new Map<string, number>();
  readonly #objectReads = new Map<string, number>();
  readonly #streamBatches = new Map<string, number>();
  readonly #streamRecords = new Map<string, number>();
  /** What the receipts' functions take, which in the tallies above is among the rest: posts, and units by table. */
  readonly #receiptPosts = new Map<string, number>();
  readonly #receiptUnits = {
    readUnits: new Map<string, number>(),
    writeUnits: new Map<string, number>(),
  };
  #receiptFunctions: ReadonlySet<string> = new Set();
  readonly #waiting = new Set<() => void>();

  /** For the platform's option of this name. */
  readonly onUsage: OnUsage = (usage) => {
    switch (usage.service) {
      case "lambda":
        add(this.#invocations, usage.functionName, 1);
        add(this.#lambdaMs, usage.functionName, Math.ceil(usage.durationMs));
        add(this.#gbSeconds, usage.functionName, gbSeconds(usage.memoryMb, usage.durationMs));
        break;
      case "api-gateway":
        add(
          this.#isOfReceipts() ? this.#receiptPosts : this.#gatewayMessages,
          usage.kind,
          gatewayUnits(usage.bytes),
        );
        break;
      case "sqs":
        add(
          inFifoRequest() ? this.#fifoRequests : this.#queueRequests,
          usage.operation,
          queueUnits(usage.bytes),
        );
        break;
      case "s3":
        if (usage.tier === "write") add(this.#objectWrites, usage.operation, 1);
        if (usage.tier === "read") add(this.#objectReads, usage.operation, 1);
        break;
      default:
        usage satisfies never;
    }
    for (const look of this.#waiting) look();
  };

  /** Begins to count stream batches, and to tell FIFO queues and callers apart, which `onUsage` is not told. */
  attach(platform: Pick<Platform, "lambda" | "queues" | "dispatcher" | "functions">): void {
    this.#receiptFunctions = new Set(
      platform.functions.filter((of) => of.logicalId.startsWith("Receipts")).map((of) => of.functionName),
    );
    markCallers(platform);
    onUnits((table, kind, units) => {
      if (this.#isOfReceipts()) add(this.#receiptUnits[kind], table, units);
    });
    onStreamBatch(platform, (functionName, records) => {
      add(this.#streamBatches, functionName, 1);
      add(this.#streamRecords, functionName, records);
    });
  }

  #isOfReceipts(): boolean {
    const caller = callingFunction();
    return caller !== undefined && this.#receiptFunctions.has(caller);
  }

  /** All of a part since the start. */
  counts(platform: Metered, part: Part = "others"): Counts {
    const ofReceipts = part === "receipts";
    const functions = new Map(
      platform.functions.map((of) => [of.functionName, nameOfFunction(of.logicalId)]),
    );
    const byFunction = (tally: ReadonlyMap<string, number>): Tally =>
      renamed(
        new Map([...tally].filter(([name]) => this.#receiptFunctions.has(name) === ofReceipts)),
        functions,
      );
    const unlessReceipts = (tally: ReadonlyMap<string, number>): Tally => (ofReceipts ? {} : renamed(tally));
    const tables = tableNames(platform);
    const units = Object.entries(platform.dynamo.consumption());
    const byTable = (of: "readUnits" | "writeUnits"): Tally =>
      Object.fromEntries(
        units.map(([table, consumed]) => {
          const taken = this.#receiptUnits[of].get(table) ?? 0;
          return [tables.get(table) ?? table, ofReceipts ? taken : consumed[of] - taken];
        }),
      );
    return {
      writeUnits: byTable("writeUnits"),
      readUnits: byTable("readUnits"),
      invocations: byFunction(this.#invocations),
      lambdaMs: byFunction(this.#lambdaMs),
      gbSeconds: byFunction(this.#gbSeconds),
      gatewayMessages: renamed(ofReceipts ? this.#receiptPosts : this.#gatewayMessages),
      queueRequests: unlessReceipts(this.#queueRequests),
      fifoRequests: unlessReceipts(this.#fifoRequests),
      objectWrites: unlessReceipts(this.#objectWrites),
      objectReads: unlessReceipts(this.#objectReads),
      streamBatches: byFunction(this.#streamBatches),
      streamRecords: byFunction(this.#streamRecords),
    };
  }

  /** What the work took of a part, and all that followed from it in streams and queues. */
  async measure(platform: Metered, work: () => Promise<void>, part: Part = "others"): Promise<Counts> {
    await platform.idle();
    const before = this.counts(platform, part);
    await work();
    await platform.idle();
    return difference(this.counts(platform, part), before);
  }

  /**
   * Does the work, and waits until the function whose logical id holds this has ended so many times more than
   * before: for what a client is not answered, such as an `ack` without requestId.
   */
  async untilRun(
    platform: Metered,
    logicalIdPart: string,
    work: () => Promise<void> | void,
    times = 1,
  ): Promise<void> {
    const found = platform.functions.filter(({ logicalId }) => logicalId.includes(logicalIdPart));
    const [of] = found;
    if (of === undefined || found.length > 1)
      throw new Error(`${found.length} functions are called ${logicalIdPart}`);
    const runs = () => this.#invocations.get(of.functionName) ?? 0;
    const wanted = runs() + times;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (runs() >= wanted) resolve();
    };
    this.#waiting.add(look);
    try {
      await work();
      await promise;
    } finally {
      this.#waiting.delete(look);
    }
  }
}

/** The CDK ends logical ids in a hash, and our functions' ids in `Function`. */
const nameOfFunction = (logicalId: string): string => logicalId.replace(/(Function)?[0-9A-F]{8}$/, "");

/** Short names of tables, by their physical ones: from the outputs that the template has for them. */
const tableNames = ({ outputs }: Metered): Map<string, string> =>
  new Map(
    Object.entries(outputs).flatMap(([key, value]) =>
      key.endsWith("TableName") ? [[value, key.slice(0, -"TableName".length)] as const] : [],
    ),
  );

const add = (to: Map<string, number>, name: string, amount: number): void => {
  to.set(name, (to.get(name) ?? 0) + amount);
};

const renamed = (tally: ReadonlyMap<string, number>, names?: ReadonlyMap<string, string>): Tally =>
  Object.fromEntries([...tally].map(([name, amount]) => [names?.get(name) ?? name, amount]));

/** What came between two readings; what did not change is left out. */
export const difference = (after: Counts, before: Counts): Counts =>
  mapCounts(after, (tally, key) =>
    Object.fromEntries(
      Object.entries(tally)
        .map(([name, amount]) => [name, amount - (before[key][name] ?? 0)] as const)
        .filter(([, amount]) => amount !== 0),
    ),
  );

export const sumOf = (counts: readonly Counts[]): Counts =>
  Object.fromEntries(
    countKinds.map((key) => {
      const tally = new Map<string, number>();
      for (const one of counts)
        for (const [name, amount] of Object.entries(one[key])) add(tally, name, amount);
      return [key, Object.fromEntries(tally)];
    }),
  ) as Record<keyof Counts, Tally>;

/** Counts times a factor. */
export const times = (counts: Counts, factor: number): Counts =>
  mapCounts(counts, (tally) =>
    Object.fromEntries(Object.entries(tally).map(([name, amount]) => [name, amount * factor])),
  );

/** The share of one of so many operations. */
export const perOperation = (counts: Counts, operations: number): Counts => times(counts, 1 / operations);

const mapCounts = (counts: Counts, change: (tally: Tally, key: keyof Counts) => Tally): Counts =>
  Object.fromEntries(countKinds.map((key) => [key, change(counts[key], key)])) as Record<keyof Counts, Tally>;
