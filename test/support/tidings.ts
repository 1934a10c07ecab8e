import type { JsonObject, LogLine } from "../../local/contracts.ts";
import { type Platform, type PlatformOptions, startPlatform } from "../../local/platform.ts";
import { type Client, connect, newUser } from "../e2e/client.ts";
import { assemblyOf } from "./assembly.ts";

/** The real template on the local platform, in this process, so that a test can break things in it. */
export interface Tidings extends AsyncDisposable {
  readonly platform: Platform;
  readonly lines: readonly LogLine[];
  connect(userId: string, deviceId?: string): Promise<Client>;
  /** Two users, connected, with their direct chat. */
  pair(): Promise<{ alice: Client; bob: Client; chatId: string }>;
}

const sources = ["bin", "lib", "lambdas", "protocol"];

export async function startTidings(options: Partial<PlatformOptions> = {}): Promise<Tidings> {
  const lines: LogLine[] = [];
  const platform = await startPlatform({
    assemblyDir: await assemblyOf("bin/app.ts", sources),
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
    pair: async () => {
      const [alice, bob] = await Promise.all([connectTo(newUser("alice")), connectTo(newUser("bob"))]);
      const { chatId } = await alice.ask("createChat", { participants: [bob.userId] });
      return { alice, bob, chatId: chatId as string };
    },
    [Symbol.asyncDispose]: async () => await platform.stop(),
  };
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
