/**
 * The services in a row between a sender and a recipient, found by looking: every call between the platform's parts is
 * held for a while, so that calls made at once are seen to overlap and calls that wait for each other are seen to
 * follow; then the recipient's push is traced back, call by call, to the frame that came in.
 */
import { setTimeout as pause } from "node:timers/promises";
import { connectPair, send, type Stage } from "./people.ts";
import { type Step, tapCalls } from "./tap.ts";

export interface Hop extends Step {
  /** On the monotonic clock: when the call was made, and when its work was let go on (done, but for functions). */
  readonly from: number;
  readonly to: number;
}

/** What lies between a message's frame and its recipient's, in order. */
export type Route = readonly Step[];

/** Far longer than the calls take, and than the pause between two that are made at once. */
const holdMs = 60;
/** The shortest of these counts: a slow moment of the machine can only make a route look longer. */
const tries = 3;

/** The steps that carry the message on: invocations, writes, jobs, posts. */
export const carrying = (route: Route): Step[] => route.filter(({ writes }) => writes);

/** The route of a 1:1 message with `after` to a recipient who is online. Holds up the platform while it looks. */
export const measureHops = async (stage: Stage): Promise<Route> => {
  let seen: Hop[] | undefined;
  tapCalls(stage.platform, async (step, work) => {
    const into = seen;
    if (into === undefined) return await work();
    const from = performance.now();
    await pause(holdMs);
    // A function's own calls begin once it runs, so what it waits for ends here; a service's answer is its end.
    if (step.service === "lambda") into.push({ ...step, from, to: performance.now() });
    const result = await work();
    if (step.service !== "lambda") into.push({ ...step, from, to: performance.now() });
    return result;
  });
  const pair = await connectPair(stage);
  const routes: Route[] = [];
  for (let attempt = 0; attempt < tries; attempt += 1) {
    await stage.platform.idle();
    const steps: Hop[] = [];
    seen = steps;
    pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip });
    await pair.bob.push(pair.chatId, pair.tip);
    seen = undefined;
    await pair.bob.ask("ack", { acks: [{ chatId: pair.chatId, seq: pair.tip }] });
    routes.push(routeOf(steps));
  }
  await Promise.all([pair.alice.close(), pair.bob.close()]);
  const [shortest] = routes.sort((a, b) => a.length - b.length);
  if (shortest === undefined) throw new Error("no route was seen");
  return shortest;
};

/** Back from the post. Throws when the chain does not reach the gateway: then calls pass by where nobody looks. */
const routeOf = (steps: readonly Hop[]): Route => {
  const post = steps.find(({ service }) => service === "execute-api");
  if (post === undefined) throw new Error("a push that no call of @connections was seen for");
  const route = [post];
  for (let hop = post; hop.source !== "gateway";) {
    const before = waitedFor(hop, steps);
    if (before === undefined) throw new Error(`nothing was seen before ${hop.name}`);
    route.unshift(before);
    hop = before;
  }
  return route;
};

/** The last thing that ended before this began and could have led to it. */
const waitedFor = (hop: Hop, steps: readonly Hop[]): Hop | undefined => {
  const couldLead = (other: Hop): boolean => {
    if (hop.source === "stream") return other.service === "dynamodb" && other.writes;
    if (hop.source === "queue") return other.service === "sqs";
    return other.functionName === hop.functionName;
  };
  return steps
    .filter(
      (other) => other.from < hop.from - holdMs / 2 && other.to < hop.from + holdMs / 2 && couldLead(other),
    )
    .reduce<Hop | undefined>(
      (last, other) => (last === undefined || other.to > last.to ? other : last),
      undefined,
    );
};

export const routeText = (route: Route): string =>
  `${route.map(stepText).join(" → ")}: ${carrying(route).length} hops carry it, ${route.length - carrying(route).length} more calls in the row only read.`;

/** Physical names hold a hash or the stack's; what tells them apart is before it. */
const stepText = ({ service, name, source, writes }: Step): string => {
  const short = name.replaceAll(/[0-9A-F]{8}(-\w+)?(\.fifo)?$/g, "");
  const text = service === "lambda" ? `${source} invokes ${short}` : short;
  return writes ? text : `(${text})`;
};
