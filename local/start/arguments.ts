/** The options of `npm start`. */
import { parseArgs } from "node:util";

export const usage = `usage: npm start -- [options]
  --port N         port on 127.0.0.1; 0 takes any free one (default 4510)
  --outputs FILE   where the addresses are written as JSON (default .local/outputs.json)
  --data DIR       keep tables, queues and objects there between runs (default: memory only)
  --app APP        command that synthesizes the app, or the folder of a cloud assembly (default: cdk.json's)
  --context K=V    a context value for the app, as for cdk; may be repeated
  --help`;

export interface Arguments {
  readonly port: number;
  readonly outputs: string;
  readonly data?: string;
  readonly app?: string;
  readonly context: Readonly<Record<string, string>>;
  readonly help: boolean;
}

/** Throws with a message of one line for an option that is unknown or has a wrong value. */
export const readArguments = (args: readonly string[]): Arguments => {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      port: { type: "string", default: "4510" },
      outputs: { type: "string", default: ".local/outputs.json" },
      data: { type: "string" },
      app: { type: "string" },
      context: { type: "string", short: "c", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new Error(`--port must be a number from 0 to 65535, not ${values.port}`);
  }
  return {
    port,
    outputs: values.outputs,
    help: values.help,
    context: Object.fromEntries(values.context.map(contextEntry)),
    ...(values.data !== undefined && { data: values.data }),
    ...(values.app !== undefined && { app: values.app }),
  };
};

const contextEntry = (entry: string): [string, string] => {
  const at = entry.indexOf("=");
  if (at < 1) throw new Error(`--context must be KEY=VALUE, not ${entry}`);
  return [entry.slice(0, at), entry.slice(at + 1)];
};
