import { expect, test } from "vitest";
import { assemblyOf } from "../support/assembly.ts";
import { largeGroup } from "./harness/large-group.ts";
import { startWorld } from "./harness/world.ts";

test("[CHT2] [CHT3] [CHT6] [DLV1] [DLV3] 256 members with two devices each, a third away, 200 messages while members come, leave and are removed: every device has exactly what it may see", async () => {
  await using world = await startWorld(
    await assemblyOf("bin/app.ts", ["bin", "lib", "lambdas", "protocol"]),
    "deployed",
  );
  const report = await world.play(largeGroup({ seed: 1 }));
  expect(report.violations).toEqual([]);
  expect(report.devices).toBeGreaterThan(512);
  expect(report.entries).toBeGreaterThan(200);
});
