/** Real little bundles in a temporary folder, and a runtime over them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FunctionSpec, LogLine } from "../../local/contracts.ts";
import { createLambdaRuntime, type LambdaRuntimeOptions } from "../../local/lambda/runtime.ts";

export function lambdaLab(options: Partial<LambdaRuntimeOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), "tidings-lambda-"));
  const logs: LogLine[] = [];
  const runtime = createLambdaRuntime({ clock: Date.now, onLog: (line) => logs.push(line), ...options });
  const write = (name: string, code: string, file = "index.mjs"): string => {
    const folder = join(root, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, file), code);
    return folder;
  };
  return {
    runtime,
    logs,
    root,
    write,
    /** Writes `code` as the function's bundle and registers it. */
    define: (
      name: string,
      code: string,
      spec: Partial<FunctionSpec> & { readonly file?: string } = {},
    ): void => {
      const { file, ...rest } = spec;
      runtime.register({
        functionName: name,
        arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
        codeFolder: write(name, code, file),
        handler: "index.handler",
        timeoutSec: 20,
        memoryMb: 128,
        environment: { STAGE: "test" },
        ...rest,
      });
    },
    async close(): Promise<void> {
      await runtime.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
