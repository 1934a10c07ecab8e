/** Faults around invocations: batches that come late, twice or in another order; sockets that break around a message. */
import { setTimeout as pause } from "node:timers/promises";
import type { Invoke, InvokeResult, JsonObject, JsonValue } from "../contracts.ts";
import { isObject } from "../json.ts";
import type { FaultPlan, SourceBatch } from "./fault-plan.ts";
import { shuffled } from "./seeded.ts";

/** What Lambda answers for an environment that died with its event. */
const died: InvokeResult = {
  ok: false,
  error: {
    errorType: "Runtime.ExitError",
    errorMessage: "Error: Runtime exited with error: signal: killed",
  },
};

/** For event source mappings. */
export const withBatchFaults =
  (invoke: Invoke, plan: FaultPlan): Invoke =>
  async (functionName, event) => {
    const batch = batchOf(functionName, event);
    const fault = batch && plan.batch(batch);
    if (batch === undefined || fault === undefined) return await invoke(functionName, event);
    if (fault.delayMs !== undefined) await pause(fault.delayMs);
    const handed =
      fault.shuffle !== undefined && batch.source === "queue" ? reordered(event, fault.shuffle) : event;
    const result = await invoke(functionName, handed);
    if (fault.again === undefined) return result;
    if (fault.again.type === "failed") return died;
    const { afterMs } = fault.again;
    const again = (async () => {
      await pause(afterMs);
      // Nobody hears of its outcome, as of a message that was handed out twice.
      await invoke(functionName, handed).catch(() => {});
    })();
    if (batch.source === "fifo") await again;
    else plan.underWay?.(again);
    return result;
  };

const recordsOf = (event: JsonValue): readonly JsonValue[] => {
  const records = isObject(event) ? event["Records"] : undefined;
  return Array.isArray(records) ? records : [];
};

const batchOf = (functionName: string, event: JsonValue): SourceBatch | undefined => {
  const records = recordsOf(event);
  const [first] = records;
  if (!isObject(first)) return undefined;
  const isQueue = first["eventSource"] === "aws:sqs";
  const isFifo = isQueue && textOf(first["eventSourceARN"]).endsWith(".fifo");
  return {
    functionName,
    source: isFifo ? "fifo" : isQueue ? "queue" : "stream",
    records: records.length,
  };
};

const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

const reordered = (event: JsonValue, seed: number): JsonObject => ({
  ...(isObject(event) && event),
  Records: shuffled(recordsOf(event), seed),
});

/** For the gateway: the messages of clients. Handshakes and goodbyes are spared. */
export const withMessageFaults =
  (invoke: Invoke, plan: FaultPlan, vanish: (connectionId: string) => void): Invoke =>
  async (functionName, event) => {
    const context = isObject(event) ? event["requestContext"] : undefined;
    if (!isObject(context) || context["eventType"] !== "MESSAGE") return await invoke(functionName, event);
    const connectionId = textOf(context["connectionId"]);
    const fault = plan.message({ connectionId, routeKey: textOf(context["routeKey"]), functionName });
    if (fault === undefined) return await invoke(functionName, event);
    if (fault === "untaken" || fault === "taken") vanish(connectionId);
    // No body, no reply; and nobody is there to miss it.
    if (fault === "untaken") return { ok: true, payload: { statusCode: 200 } };
    const result = await invoke(functionName, event);
    if (fault === "answered") vanish(connectionId);
    // The gateway sends the answer in the same turn in which it gets it.
    if (fault === "sent") setImmediate(() => vanish(connectionId));
    return result;
  };
