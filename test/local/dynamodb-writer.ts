/**
 * A process that the persistence test kills: it writes through the engine without an end and says each number
 * only after its write was answered. Arguments: data folder.
 */

import { createDynamoEngine } from "../../local/dynamodb/engine.ts";
import { LOG, PLAIN, REGION, ACCOUNT } from "./dynamodb-tables.ts";

const [, , dataDir = ""] = process.argv;
const engine = await createDynamoEngine({
  region: REGION,
  accountId: ACCOUNT,
  clock: Date.now,
  dataDir,
  compactLogBytes: 20_000,
});
await engine.createTable(LOG);
await engine.createTable(PLAIN);
for (let n = 0; ; n++) {
  await engine.call("TransactWriteItems", {
    TransactItems: [
      { Put: { TableName: "Log", Item: { chat: { S: `c${n % 5}` }, seq: { N: String(n) } } } },
      {
        Update: {
          TableName: "Plain",
          Key: { id: { S: "count" } },
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: { ":one": { N: "1" } },
        },
      },
    ],
  });
  engine.checkpoints.set("reader", String(n));
  process.stdout.write(`${n}\n`);
  // Lets the compaction have its turn.
  if (n % 50 === 0) await new Promise(setImmediate);
}
