import type { JsonObject, LogLine } from "../../local/contracts.ts";
import { type Platform, type PlatformOptions, startPlatform } from "../../local/platform.ts";
import { fixtureAssembly } from "./assembly.ts";
import { connect, type Socket } from "./socket.ts";

export interface TestPlatform extends AsyncDisposable {
  readonly platform: Platform;
  /** Everything that was logged so far. */
  readonly lines: readonly LogLine[];
  /** The whole log as text, to look for something in it. */
  logged(): string;
  token(userId: string): Promise<string>;
  /** A connection of the fixture app, with a token of the user. */
  connect(userId: string): Promise<Socket>;
}

/** The fixture app on any free port, unless the options name another assembly. */
export const startTestPlatform = async (options: Partial<PlatformOptions> = {}): Promise<TestPlatform> => {
  const lines: LogLine[] = [];
  const platform = await startPlatform({
    assemblyDir: options.assemblyDir ?? (await fixtureAssembly()),
    port: 0,
    onLog: (line) => lines.push(line),
    ...options,
  });
  const token = async (userId: string): Promise<string> => {
    const response = await fetch(platform.tokenUrl, { method: "POST", body: JSON.stringify({ userId }) });
    return ((await response.json()) as { token: string }).token;
  };
  return {
    platform,
    lines,
    logged: () => lines.map((line) => JSON.stringify(line)).join("\n"),
    token,
    connect: async (userId) => await connect(`${platform.webSocketUrl}?token=${await token(userId)}`),
    [Symbol.asyncDispose]: async () => await platform.stop(),
  };
};

/** The template's resources, to be changed by a test. */
export const resourcesOf = (template: JsonObject): Record<string, { Type: string; Properties: JsonObject }> =>
  template["Resources"] as unknown as Record<string, { Type: string; Properties: JsonObject }>;

/** Takes one IAM action out of every policy statement that grants it. Throws when none does. */
export const withoutAction =
  (action: string) =>
  (template: JsonObject): void => {
    let removed = 0;
    for (const { Type, Properties } of Object.values(resourcesOf(template))) {
      if (Type !== "AWS::IAM::Policy") continue;
      const document = Properties["PolicyDocument"] as { Statement: { Action: string | string[] }[] };
      document.Statement = document.Statement.flatMap((statement) => {
        const actions = [statement.Action].flat();
        const kept = actions.filter((one) => one !== action);
        removed += actions.length - kept.length;
        return kept.length === 0 ? [] : [{ ...statement, Action: kept }];
      });
    }
    if (removed === 0) throw new Error(`no policy grants ${action}`);
  };
