/**
 * `npm start [-- options]`: runs the CDK app of this folder on this machine. This file holds no more than the
 * check of Node's version, so that an older Node says so instead of failing on what it cannot read.
 */
const minimumMajor = 24;
const [major = "0"] = process.versions.node.split(".");
if (Number(major) < minimumMajor) {
  console.error(
    `Node ${minimumMajor} or newer is needed, this is ${process.versions.node}: use "npm start" after "npm ci"`,
  );
  process.exitCode = 1;
} else {
  const { run } = await import("./start/run.ts");
  process.exitCode = await run(process.argv.slice(2));
}
