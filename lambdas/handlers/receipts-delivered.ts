/** Consumer of the Inbox table's stream: what acks mean for their users' marks. [RCP1] */
import { setTimeout as pause } from "node:timers/promises";
import middy from "@middy/core";
import { createDynamoClient } from "../aws/clients.ts";
import { readEnvironment } from "../environment.ts";
import { memberOf, raiseDelivered, type RaiseDependencies } from "../receipts/raise-delivered.ts";
import { streamHandler } from "../aws/batches.ts";
import { acknowledgedOf } from "../stores/inbox.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export const makeHandler = (deps: RaiseDependencies) =>
  streamHandler(
    (record) => acknowledgedOf(record?.NewImage),
    memberOf,
    async (acks) => await raiseDelivered(deps, acks),
  );

const env = readEnvironment("PARTICIPANTS_TABLE");
const participants = new ParticipantsStore(createDynamoClient(), env.PARTICIPANTS_TABLE);

export const handler = middy(
  makeHandler({
    raise: async (chatId, userId, seq) => await participants.raiseDelivered(chatId, userId, seq, Date.now()),
    pause: async (ms) => await pause(ms),
    random: Math.random,
  }),
);
