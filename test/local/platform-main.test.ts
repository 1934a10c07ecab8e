import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fixtureAssembly } from "../support/assembly.ts";
import { connect } from "../support/socket.ts";

let folder: string;
let outputsFile: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "platform-main-"));
  outputsFile = join(folder, "made", "outputs.json");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exit: Promise<number | null>;
  /** Resolves when stdout holds the text; rejects when the process ends before. */
  says(text: string): Promise<void>;
}

const start = (...args: readonly string[]): Started => {
  const child = spawn(process.execPath, ["local/main.ts", "--outputs", outputsFile, ...args]);
  children.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const exit = once(child, "close").then(([code]) => code as number | null);
  const says = async (text: string): Promise<void> => {
    const ended = exit.then(() => {
      throw new Error(`it ended without saying ${text}: ${stdout}${stderr}`);
    });
    while (!stdout.includes(text)) await Promise.race([once(child.stdout, "data"), ended]);
    ended.catch(() => {});
  };
  return { child, stdout: () => stdout, stderr: () => stderr, exit, says };
};

describe("npm start", () => {
  it("writes its addresses, serves, and on SIGTERM stops with 0, its file removed", async () => {
    const started = start("--port", "0", "--app", await fixtureAssembly());
    await started.says("Ready in");
    const outputs = JSON.parse(readFileSync(outputsFile, "utf8")) as Record<string, string>;
    expect(outputs).toMatchObject({
      WebSocketUrl: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/live$/),
      TokenUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/_issuer\/token$/),
      SocketEndpoint: outputs["WebSocketUrl"],
    });
    expect(started.stdout()).toContain(`curl -s ${outputs["TokenUrl"]} -d '{"userId":"alice"}'`);
    const operatorFile = join(folder, "made", "operator.json");
    expect(statSync(operatorFile).mode & 0o777).toBe(0o600);
    const { secretAccessKey } = JSON.parse(readFileSync(operatorFile, "utf8")) as { secretAccessKey: string };
    expect(started.stdout()).not.toContain(secretAccessKey);

    const response = await fetch(outputs["TokenUrl"] ?? "", { method: "POST", body: '{"userId":"alice"}' });
    const { token } = (await response.json()) as { token: string };
    const socket = await connect(`${outputs["WebSocketUrl"]}?token=${token}`);
    socket.send({ command: "echo", text: "hello" });
    expect(await socket.next()).toMatchObject({ echo: "hello" });

    started.child.kill("SIGTERM");
    expect(await started.exit).toBe(0);
    expect(existsSync(outputsFile)).toBe(false);
    expect(existsSync(operatorFile)).toBe(false);
    expect(started.stderr()).toBe("");
  });

  it("synthesizes the app by its command, with the given context", async () => {
    const started = start(
      "--port",
      "0",
      "--app",
      "node test/support/fixture-app/app.ts",
      "--context",
      "color=red",
    );
    await started.says("Ready in");
    expect(JSON.parse(readFileSync(outputsFile, "utf8"))).toHaveProperty("TableName");
    started.child.kill("SIGINT");
    expect(await started.exit).toBe(0);
  });

  it("started by npm, ends when npm is ended and leaves it alone", async () => {
    const app = await fixtureAssembly();
    const npm = spawn("npm", ["start", "--", "--outputs", outputsFile, "--port", "0", "--app", app]);
    children.push(npm);
    await expect.poll(() => existsSync(outputsFile)).toBe(true);
    const { TokenUrl } = JSON.parse(readFileSync(outputsFile, "utf8")) as { TokenUrl: string };
    npm.kill("SIGTERM");
    await expect.poll(() => existsSync(outputsFile)).toBe(false);
    await expect
      .poll(async () => await fetch(TokenUrl).then(String, () => "nobody there"))
      .toBe("nobody there");
  });

  it("ends a synthesis that is under way when it is told to stop", async () => {
    const mark = join(folder, "mark");
    const started = start("--app", `touch ${mark}; sleep 600`);
    await expect.poll(() => existsSync(mark)).toBe(true);
    started.child.kill("SIGTERM");
    expect(await started.exit).toBe(0);
  });
});

describe("npm start that cannot start says why in one line and ends with 1", () => {
  const failure = async (...args: readonly string[]): Promise<string> => {
    const started = start(...args);
    expect(await started.exit).toBe(1);
    expect(existsSync(outputsFile)).toBe(false);
    const lines = started.stderr().trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    return lines[0] ?? "";
  };

  it("when the port is taken; addresses of an earlier run do not mislead", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    outputsFile = join(folder, "outputs.json");
    writeFileSync(outputsFile, '{"WebSocketUrl":"ws://127.0.0.1:1/old"}');
    expect(await failure("--port", String(port), "--app", await fixtureAssembly())).toBe(
      `cannot start: port ${port} of 127.0.0.1 is in use (choose another with --port)`,
    );
    server.close();
  });

  it.each([
    [["--colour", "red"], "Unknown option '--colour'"],
    [["--port", "http"], "--port must be a number from 0 to 65535, not http"],
    [["--port", "65536"], "--port must be a number from 0 to 65535, not 65536"],
    [["--context", "stage"], "--context must be KEY=VALUE, not stage"],
    [["extra"], "Unexpected argument 'extra'"],
  ])("for %j", async (args, message) => {
    expect(await failure(...args)).toContain(message);
  });

  it("when the app's functions cannot be bundled, with the place; all it wrote is in the log", async () => {
    const app = `echo '✘ [ERROR] Unexpected end of file'; echo; echo '    x.ts:2:0:'; echo more; exit 1`;
    expect(await failure("--app", app)).toBe(
      "cannot start: the CDK app failed: ✘ [ERROR] Unexpected end of file in x.ts:2:0:",
    );
    const log = readFileSync(join(folder, "made", "log", "platform.jsonl"), "utf8");
    expect(log).toContain("more");
  });

  it("when the app fails", async () => {
    const app = `node -e 'throw new Error("no such stage")'`;
    expect(await failure("--app", app)).toBe("cannot start: the CDK app failed: Error: no such stage");
  });

  it("when the template needs what is not supported", async () => {
    const artifacts = {
      demo: { type: "aws:cloudformation:stack", properties: { templateFile: "demo.json" } },
    };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify({ version: "55.0.0", artifacts }));
    writeFileSync(join(folder, "demo.json"), '{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}');
    expect(await failure("--port", "0", "--app", folder)).toBe(
      "cannot start: AWS::SNS::Topic (Topic) is not supported locally",
    );
  });
});
