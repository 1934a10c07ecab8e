/** The app as its users run it: `cdk synth` in a process of its own, with nobody's credentials. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CloudFormationTemplate, dev, propertiesOf, readable } from "./template.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const output = mkdtempSync(join(tmpdir(), "tidings-synth-"));
afterAll(() => rmSync(output, { recursive: true, force: true }));

/** This process's environment without anything of AWS or the CDK in it, and with Node 24 first on the path. */
const bare = Object.fromEntries(
  Object.entries({
    ...process.env,
    PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`,
  }).filter(([name]) => !/^(AWS|CDK)_/.test(name)),
);
const cdk = async (command: "synth" | "list", ...options: readonly string[]) =>
  await run("cdk", [command, "--output", output, ...options], {
    cwd: root,
    env: {
      ...bare,
      HOME: output,
      AWS_EC2_METADATA_DISABLED: "true",
      // The check of templates takes seconds: it is done once, by `synth`.
      ...(command === "list" && { CDK_VALIDATION: "false" }),
    },
  });

/** The handler of each function, by the name of its construct. */
const handlers: Readonly<Record<string, string>> = {
  ConnectionsAuthorize: "authorize",
  ConnectionsConnect: "connect",
  ConnectionsDisconnect: "disconnect",
  UnknownCommand: "unknown-command",
  Presence: "presence",
  DevicesCommands: "devices",
  DevicesChanges: "client-changes",
  DevicesWork: "connection-jobs",
  MediaCommands: "media",
  MediaSettle: "attachment-jobs",
  SendingSendMessage: "send-message",
  SendingAppendBatch: "append-batch",
  ChatLogCreateChat: "create-chat",
  ChatLogReadChats: "read-chats",
  ChatState: "chat-state",
  InboxSync: "sync",
  DeliveryFanOut: "fan-out",
  DeliveryDeliver: "deliver",
  DeliverySafetyNet: "safety-net",
  DeliveryRetryEntries: "retry-entries",
};

const readJson = (file: string): unknown => JSON.parse(readFileSync(join(output, file), "utf8"));

describe("cdk synth", () => {
  let template: CloudFormationTemplate;
  const bundleOf = (name: string): string => {
    const code = propertiesOf(template, "AWS::Lambda::Function")[`${name}Function`]?.["Code"];
    const { S3Key } = code as { S3Key: string };
    return join(output, `asset.${S3Key.replace(/\.zip$/, "")}`, "index.mjs");
  };

  beforeAll(async () => {
    await cdk("synth", "--quiet");
    template = readJson("Tidings-dev.template.json") as CloudFormationTemplate;
  });

  test("makes a template in which CloudFormation's rules and schemas find nothing wrong", () => {
    expect(readJson("validation-report.json")).toMatchObject({ pluginReports: [] });
  });

  test("makes the template that the other tests look at", () => {
    const comparable = ({ Parameters, Resources, Outputs }: CloudFormationTemplate) =>
      JSON.parse(
        JSON.stringify(readable({ Parameters, Resources, Outputs }), (key, value: unknown) =>
          key === "S3Key" || key === "Metadata" ? undefined : value,
        ),
      ) as unknown;
    expect(comparable(template)).toEqual(comparable(dev));
  });

  test("gives each function the handler that is meant for it, minified and whole", () => {
    const { outputFiles } = buildSync({
      absWorkingDir: root,
      entryPoints: Object.values(handlers).map((handler) => `lambdas/handlers/${handler}.ts`),
      outdir: "built",
      write: false,
      bundle: true,
      minify: true,
      charset: "utf8",
      format: "esm",
      platform: "node",
      target: "node24",
      mainFields: ["module", "main"],
      external: [
        "@aws-sdk/credential-provider-http",
        "@aws-sdk/credential-provider-ini",
        "@aws-sdk/credential-provider-process",
        "@aws-sdk/credential-provider-sso",
        "@aws-sdk/credential-provider-web-identity",
        "@smithy/credential-provider-imds",
      ],
    });
    const differing = Object.keys(handlers).filter(
      (name, index) => outputFiles[index]?.text !== readFileSync(bundleOf(name), "utf8"),
    );
    expect(differing).toEqual([]);
  });

  test.each(Object.keys(handlers))("bundles %s in at most 400 kB", (name) => {
    expect(readFileSync(bundleOf(name)).length).toBeLessThanOrEqual(400_000);
  });

  test.each(Object.keys(handlers))(
    "leaves nothing out of %s but Node and what only a laptop needs",
    (name) => {
      const { metafile } = buildSync({
        entryPoints: [bundleOf(name)],
        bundle: true,
        packages: "external",
        platform: "node",
        format: "esm",
        write: false,
        metafile: true,
        logLevel: "silent",
      });
      const left = Object.values(metafile.outputs).flatMap(({ imports }) =>
        imports.filter(({ path }) => !path.startsWith("node:")),
      );
      // Sources of credentials for where the environment holds none, which the SDK imports when it gets there.
      const allowed = left.filter(
        ({ path, kind }) => kind === "dynamic-import" && /\/credential-provider-[a-z-]+$/.test(path),
      );
      expect(left).toEqual(allowed);
    },
  );

  test("makes bundles that Node can load and that export a handler", async () => {
    // Each variable as the template has it; an address or a name that is not known before a deployment as a URL.
    const variables = Object.values(propertiesOf(template, "AWS::Lambda::Function")).flatMap(
      ({ Environment }) =>
        Object.entries((Environment as { Variables: object } | undefined)?.Variables ?? {}),
    );
    const valueOf = (value: unknown): string =>
      /^\d+$/.test(String(value)) ? String(value) : "https://tidings.invalid/x";
    const script = `for (const file of process.argv.slice(1)) {
      const { handler } = await import(file);
      if (typeof handler !== "function") throw new Error(file + " exports no handler");
      console.log("loaded");
    }`;
    const files = Object.keys(handlers).map(bundleOf);
    const { stdout } = await run(
      process.execPath,
      ["--input-type=module", "--eval", script, "--", ...files],
      {
        cwd: output,
        env: {
          AWS_REGION: "eu-west-1",
          ...Object.fromEntries(variables.map(([name, value]) => [name, valueOf(value)])),
        },
      },
    );
    expect(stdout.trim().split("\n")).toEqual(files.map(() => "loaded"));
  });
});

// The list is made as `synth` makes the stacks, but for the bundles.
describe("cdk list -c stage", () => {
  test("=nonsense fails and names the stages that there are", async () => {
    await expect(cdk("list", "-c", "stage=nonsense")).rejects.toMatchObject({
      stderr: expect.stringContaining('unknown stage "nonsense": the stages are dev, prod'),
    });
  });

  test("=prod makes a stack of its own, guarded against deletion", async () => {
    await cdk("list", "-c", "stage=prod");
    const { artifacts } = readJson("manifest.json") as {
      artifacts: Record<string, { properties?: { terminationProtection?: boolean } }>;
    };
    expect(artifacts["Tidings-prod"]?.properties?.terminationProtection).toBe(true);
    expect(artifacts).not.toHaveProperty("Tidings-dev");
  });
});
