import { globSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { Code } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

/**
 * Sources of credentials that the SDK imports only when the environment holds none. Lambda's always does, so
 * they stay out of the bundles: 115 kB of each.
 */
const neverImported = [
  "@aws-sdk/credential-provider-http",
  "@aws-sdk/credential-provider-ini",
  "@aws-sdk/credential-provider-process",
  "@aws-sdk/credential-provider-sso",
  "@aws-sdk/credential-provider-web-identity",
  "@smithy/credential-provider-imds",
];

const handlersFolder = fileURLToPath(new URL("../lambdas/handlers", import.meta.url));

/**
 * The code of the function in `lambdas/handlers/{handler}.ts`: one minified ES module, `index.mjs`, with all
 * that it needs in it. Its asset's hash is that of the module, so only functions that changed are deployed.
 *
 * All handlers are bundled by one call of esbuild, which reads what they share once: 1.2 s for eleven of them
 * on two cores. The CDK's NodejsFunction starts npx and esbuild for each: 14 s.
 *
 * Throws at bundling time when there is no such handler.
 */
export function handlerCode(handler: string): Code {
  return Code.fromAsset(handlersFolder, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // The CDK asks for an image to fall back on; `tryBundle` either does it or throws.
      image: DockerImage.fromRegistry("scratch"),
      // Not run either, but it is what tells this handler's asset from the others in the CDK's cache.
      command: [handler],
      local: {
        tryBundle(outputFolder: string): boolean {
          writeFileSync(join(outputFolder, "index.mjs"), bundleOf(handler));
          return true;
        },
      },
    },
  });
}

let bundles: ReadonlyMap<string, Uint8Array> | undefined;

function bundleOf(handler: string): Uint8Array {
  bundles ??= bundleAll();
  const found = bundles.get(handler);
  if (found === undefined) {
    throw new Error(
      `no handler "${handler}" in ${handlersFolder}: there are ${[...bundles.keys()].join(", ")}`,
    );
  }
  return found;
}

function bundleAll(): ReadonlyMap<string, Uint8Array> {
  const { outputFiles } = buildSync({
    entryPoints: globSync(join(handlersFolder, "*.ts")),
    outdir: handlersFolder,
    write: false,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    // The ES modules of a package before its CommonJS: they can be tree-shaken, and need no `require`.
    mainFields: ["module", "main"],
    external: neverImported,
    minify: true,
    sourcemap: false,
    charset: "utf8",
    logLevel: "warning",
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path, ".mjs"), contents]));
}
