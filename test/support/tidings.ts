import { afterAll, afterEach, beforeAll, onTestFinished } from "vitest";
import type { JsonObject, LogLine } from "../../local/contracts.ts";
import type { FaultPlan } from "../../local/faults/fault-plan.ts";
import { type Platform, type PlatformOptions, startPlatform } from "../../local/platform.ts";
import { type Client, connect, newUser } from "../e2e/client.ts";
import { tidingsAssembly } from "./assembly.ts";

/** The real template on the local platform, in this process, so that a test can break things in it. */
export interface Tidings extends AsyncDisposable {
  readonly platform: Platform;
  readonly lines: readonly LogLine[];
  connect(userId: string, deviceId?: string): Promise<Client>;
  /** Two users, connected, with their direct chat. */
  pair(): Promise<{ alice: Client; bob: Client; chatId: string }>;
}

async function pairOf(connectTo: Tidings["connect"]): ReturnType<Tidings["pair"]> {
  const [alice, bob] = await Promise.all([connectTo(newUser("alice")), connectTo(newUser("bob"))]);
  const { chatId } = await alice.ask("createChat", { participants: [bob.userId] });
  return { alice, bob, chatId: chatId as string };
}

export async function startTidings(options: Partial<PlatformOptions> = {}): Promise<Tidings> {
  const lines: LogLine[] = [];
  const platform = await startPlatform({
    assemblyDir: await tidingsAssembly(),
    port: 0,
    onLog: (line) => lines.push(line),
    ...options,
  });
  const connectTo = async (userId: string, deviceId = "phone"): Promise<Client> => {
    const token = await platform.issuer.token({ userId });
    return await connect(userId, { token, deviceId, url: `${platform.webSocketUrl}?deviceId=${deviceId}` });
  };
  return {
    platform,
    lines,
    connect: connectTo,
    pair: async () => await pairOf(connectTo),
    [Symbol.asyncDispose]: async () => await platform.stop(),
  };
}

/**
 * One system for all tests of a file, each of which has users and chats of its own: a system takes seconds to start,
 * and seconds more until its functions are warm. What a test connected is closed when it ends.
 */
export function sharedTidings(options: Partial<PlatformOptions> = {}): () => Tidings {
  let tidings: Tidings | undefined;
  const open: Client[] = [];
  beforeAll(async () => {
    const started = await startTidings(options);
    const connectTo: Tidings["connect"] = async (userId, deviceId) => {
      const client = await started.connect(userId, deviceId);
      open.push(client);
      return client;
    };
    tidings = { ...started, connect: connectTo, pair: async () => await pairOf(connectTo) };
  });
  afterEach(async () => await Promise.all(open.splice(0).map(async (client) => await client.close())));
  afterAll(async () => await tidings?.[Symbol.asyncDispose]());
  return () => {
    if (!tidings) throw new Error("the system is not started yet");
    return tidings;
  };
}

/** A plan for a shared system: what goes wrong is what the test in hand says, until it ends. */
export class Faults implements FaultPlan {
  readonly retryAfterSec: number;
  #plan: FaultPlan | undefined;

  constructor(retryAfterSec = 1) {
    this.retryAfterSec = retryAfterSec;
  }

  /** @param calls decides on each call of the functions; all else goes well */
  onCalls(calls: FaultPlan["call"]): void {
    this.use({ call: calls, batch: () => undefined, message: () => undefined });
  }

  use(plan: FaultPlan): void {
    this.#plan = plan;
    onTestFinished(() => void (this.#plan = undefined));
  }

  call: FaultPlan["call"] = (call) => this.#plan?.call(call);
  batch: FaultPlan["batch"] = (batch) => this.#plan?.batch(batch);
  message: FaultPlan["message"] = (message) => this.#plan?.message(message);
}

/** Takes resources of a type out of the template, those whose logical id holds this. Throws when there is none. */
export const withoutResource =
  (type: string, idPart: string) =>
  (template: JsonObject): void => {
    const resources = template["Resources"] as Record<string, { Type: string }>;
    const found = Object.keys(resources).filter((id) => resources[id]?.Type === type && id.includes(idPart));
    if (found.length === 0) throw new Error(`no ${type} called ${idPart}`);
    for (const id of found) delete resources[id];
  };
