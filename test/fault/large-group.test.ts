import { expect, test } from "vitest";
import { tidingsAssembly } from "../support/assembly.ts";
import { largeGroup } from "./harness/large-group.ts";
import { startWorld } from "./harness/world.ts";

/**
 * Members and messages of the ordinary suite; two devices a member. The whole of it, 256 and 200, takes minutes on two
 * cores: `npm run fault -- --large 256`, or TIDINGS_LARGE_GROUP=256 here.
 */
const members = Number(process.env["TIDINGS_LARGE_GROUP"] ?? 20);
const messages = members >= 256 ? 200 : 40;

test("[CHT2] [CHT3] [CHT6] [DLV1] [DLV3] a large group with two devices each, a third away, messages from many while members come, leave and are removed: every device has exactly what it may see", async () => {
  await using world = await startWorld(await tidingsAssembly(), "deployed");
  const report = await world.play(largeGroup({ seed: 1, members, messages }));
  expect(report.violations).toEqual([]);
  expect(report.devices).toBeGreaterThan(members * 2);
  expect(report.entries).toBeGreaterThan(messages);
}, 1_200_000);
