/**
 * `npm run test:e2e`: the suite against the local system, or against any deployment:
 * `npm run test:e2e -- --url wss://HOST/STAGE --token-command "command that prints a token"`, the user's id
 * being added to the command as its last argument.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { url: { type: "string" }, "token-command": { type: "string" } },
  allowPositionals: true,
});
if (values.url !== undefined && values["token-command"] === undefined) {
  console.error("--url needs --token-command: a command that prints a token for the user id given to it");
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "--project", "e2e", ...positionals],
  {
    stdio: "inherit",
    env: {
      ...process.env,
      ...(values.url !== undefined && { TIDINGS_E2E_URL: values.url }),
      ...(values["token-command"] !== undefined && { TIDINGS_E2E_TOKEN_COMMAND: values["token-command"] }),
    },
  },
);
process.exit(status ?? 1);
