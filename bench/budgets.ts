/** The budgets of the design beside what was measured. */
import { carrying, type Route } from "./hops.ts";
import { type Counts, dollars, dollarsWithoutTime, priceOf, total } from "./prices.ts";
import { number, table } from "./report.ts";
import { sumOf, times } from "./meter.ts";
import {
  ackFold,
  backFromOffline,
  bursts,
  previewFold,
  toOneOffline,
  uncoalesced,
} from "./message-scenarios.ts";
import { group } from "./scenarios.ts";

/** What a scenario took. */
export interface Measured {
  readonly name: string;
  /** Per operation. */
  readonly counts: Counts;
  /** Deliveries of one operation; 0 where it is none of sending. */
  readonly deliveries: number;
}

export interface Budget {
  readonly what: string;
  /** What the usual design takes: a counter, a write a recipient, a queue a message. */
  readonly naive?: number;
  readonly atMost: number;
  readonly measured: number;
  /** False for what hangs on this machine's milliseconds: printed, and not held by the test. */
  readonly counted: boolean;
}

const million = 1e6;
/** A share of a batch is small when ten messages or so share an invocation, at each of a few functions. */
const smallShare = 0.3;

/** The names of the scenarios that budgets are about. */
export const budgetScenarios = {
  withAfter: uncoalesced(true),
  withoutAfter: uncoalesced(false),
  burstsOfAcks: bursts("four acks"),
  burstsFolded: bursts("one ack"),
  offline: toOneOffline(),
  back: backFromOffline(),
  group: group(256),
};

/** The budgets whose scenarios are among what was measured. */
export const budgetsOf = (
  measured: readonly Measured[],
  routes: Readonly<Record<string, Route>>,
): Budget[] => {
  const found = (of: { readonly name: string }): Counts[] =>
    measured.filter(({ name }) => name === of.name).map(({ counts }) => counts);
  const counted = true;
  const route = routes["1:1"];
  return [
    ...(route === undefined
      ? []
      : [
          {
            what: "service hops that carry the message, sender to recipient",
            naive: 11,
            atMost: 3,
            measured: carrying(route).length,
            counted,
          },
        ]),
    ...found(budgetScenarios.withAfter).flatMap((counts): Budget[] => [
      {
        what: "Lambda invocations",
        naive: 5,
        atMost: 2 + smallShare,
        measured: total(counts.invocations),
        counted,
      },
      {
        what: "write units, with `after`",
        naive: 14,
        atMost: 3,
        measured: total(counts.writeUnits),
        counted,
      },
      { what: "read units, with `after`", naive: 2, atMost: 4, measured: total(counts.readUnits), counted },
      ...priced("acks and previews uncoalesced", counts, 7, 17.8),
    ]),
    ...found(budgetScenarios.withoutAfter).flatMap((counts): Budget[] => [
      {
        what: "write units, without `after`",
        naive: 14,
        atMost: 4,
        measured: total(counts.writeUnits),
        counted,
      },
      {
        what: "read units, without `after`",
        naive: 2,
        atMost: 4,
        measured: total(counts.readUnits),
        counted,
      },
    ]),
    ...folded(
      found(budgetScenarios.withAfter),
      found(budgetScenarios.burstsOfAcks),
      found(budgetScenarios.burstsFolded),
    ).flatMap((counts) => priced("4 acks and 3 previews folded", counts, 5)),
    ...found(budgetScenarios.group).flatMap((counts) =>
      priced("group of 256, acks folded by 10", counts, 331, 1_661),
    ),
    ...offline(found(budgetScenarios.withAfter), found(budgetScenarios.offline), found(budgetScenarios.back)),
  ];
};

/**
 * Acks folded by four and previews by three. No burst has both, unless some acks come later than a preview and
 * the safety net looks for them; but counts add up: four acks and four previews folded, as measured, and the
 * share of a preview that is missing from that, as found by folding nothing but previews.
 */
const folded = (nothingFolded: Counts[], previewsFolded: Counts[], bothFolded: Counts[]): Counts[] => {
  const [none, previews, both] = [nothingFolded[0], previewsFolded[0], bothFolded[0]];
  if (none === undefined || previews === undefined || both === undefined) return [];
  const missing = (1 / previewFold - 1 / ackFold) / (1 - 1 / ackFold);
  return [sumOf([both, times(none, missing), times(previews, -missing)])];
};

const priced = (what: string, counts: Counts, atMost: number, naive?: number): Budget[] => {
  const price = priceOf(counts);
  const budget = { atMost, ...(naive !== undefined && { naive }) };
  return [
    {
      what: `$ a million, ${what}, without Lambda's time`,
      ...budget,
      measured: dollarsWithoutTime(price) * million,
      counted: true,
    },
    {
      what: `$ a million, ${what}, with the milliseconds of this machine`,
      ...budget,
      measured: dollars(price) * million,
      counted: false,
    },
  ];
};

/** An offline device adds an inbox row written and one deleted; connecting and going are not the message's. */
const offline = (online: Counts[], stored: Counts[], back: Counts[]): Budget[] => {
  const [one, two, three] = [online[0], stored[0], back[0]];
  if (one === undefined || two === undefined || three === undefined) return [];
  const { Clients: _connections = 0, ...later } = three.writeUnits;
  return [
    {
      what: "write units that an offline device adds",
      atMost: 2,
      measured: total(two.writeUnits) + total(later) - total(one.writeUnits),
      counted: true,
    },
  ];
};

/** Differences of units by less than this are rounding. */
const tolerance = 1e-9;

export const isMet = ({ measured, atMost }: Budget): boolean => measured <= atMost + tolerance;

export const budgetTable = (budgets: readonly Budget[]): string =>
  table(
    ["per message", "naive", "at most", "measured", ""],
    budgets.map((budget) => [
      budget.what,
      budget.naive === undefined ? "" : number(budget.naive),
      number(budget.atMost),
      number(budget.measured, 3),
      isMet(budget) ? "met" : "MISSED",
    ]),
  );
