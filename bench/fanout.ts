/** One message to 255 others, all online. */
import { type Bench, scaled } from "./bench.ts";
import { allAck, connectCrowd, deliver, type Delivered, disperse } from "./groups.ts";
import { load, percentiles, type Section, table } from "./report.ts";
import { startSystem } from "./system.ts";

const members = 256;
const warmUps = 5;
const messages = 30;

export const fanOutSection = async (bench: Bench): Promise<Section> => {
  await using system = await startSystem(await bench.assemblyOf("normal"));
  const crowd = await connectCrowd(system, members);
  const delivered: Delivered[] = [];
  let { tip } = crowd;
  const count = warmUps + scaled(messages, bench);
  for (let at = 0; at < count; at += 1) {
    const one = await deliver(crowd, tip);
    tip = one.seq;
    allAck(crowd, tip);
    await system.idle();
    if (at >= warmUps) delivered.push(one);
  }
  await disperse(crowd);
  return {
    title: "Fan-out to 255",
    parts: [
      `One message at a time to a group of ${members}, all of them connected, each waited for to its end (${delivered.length} messages; 1-minute load ${load()}).`,
      table(
        ["", "p50 ms", "p95 ms", "p99 ms"],
        [
          ["sender to reply", ...percentiles(delivered.map(({ replyMs }) => replyMs))],
          ["sender to first member", ...percentiles(delivered.map(({ firstMs }) => firstMs))],
          ["sender to last member", ...percentiles(delivered.map(({ lastMs }) => lastMs))],
        ],
      ),
    ],
  };
};
