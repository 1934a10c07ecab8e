/**
 * What must hold after any faults, by the rules of docs/SPEC.md. It reads what clients saw and what the tables and
 * queues hold, and knows nothing of the code between.
 */
import { checkBlocks } from "./check-blocks.ts";
import { checkAcks, checkSyncs } from "./check-delivery.ts";
import { checkEnds, checkHistories, checkLists } from "./check-ends.ts";
import { checkHiding } from "./check-hiding.ts";
import { checkPresence } from "./check-presence.ts";
import { checkReceipts } from "./check-receipts.ts";
import { checkTimers } from "./check-timers.ts";
import { checkTyping } from "./check-typing.ts";
import { checkGroups, checkSight } from "./check-groups.ts";
import { checkFrames, checkLogs, checkSends, checkWatermarks } from "./check-log.ts";
import { checkRefusals, checkRequests } from "./check-requests.ts";
import { checkReadMarks } from "./check-reading.ts";
import type { Case, Evidence } from "./case.ts";
import { Sight } from "./sight.ts";
import type { Violation } from "./violation.ts";

export const check = (evidence: Evidence): Violation[] => {
  const facts: Case = { ...evidence, sight: new Sight(evidence.history, evidence.chats) };
  return [
    ...checkLogs(facts),
    ...checkSends(facts),
    ...checkFrames(facts),
    ...checkGroups(facts),
    ...checkSight(facts),
    ...checkBlocks(facts),
    ...checkSyncs(facts),
    ...checkAcks(facts),
    ...checkWatermarks(facts),
    ...checkEnds(facts),
    ...checkLists(facts),
    ...checkHistories(facts),
    ...checkReadMarks(facts),
    ...checkReceipts(facts),
    ...checkHiding(facts),
    ...checkTimers(facts),
    ...checkTyping(facts),
    ...checkPresence(facts),
    ...checkRequests(facts),
    ...checkRefusals(facts),
  ];
};
