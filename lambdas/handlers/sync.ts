/** `sync` and `ack`: [DLV2] [DLV3]. */
import middy from "@middy/core";
import { failure } from "../../protocol/errors.ts";
import type { ClosingFrame } from "../../protocol/frames.ts";
import { createCallbacks } from "../aws/callbacks.ts";
import { createDynamoClient } from "../aws/clients.ts";
import { type Command, commandHandler } from "../commands/command-handler.ts";
import { endConnection, reasonOf } from "../connections/ending.ts";
import { readEnvironment, readOptionalCount } from "../environment.ts";
import { acknowledge } from "../inbox/ack.ts";
import { sync } from "../inbox/sync.ts";
import { ChatsStore } from "../stores/chats.ts";
import { ClientsStore } from "../stores/clients.ts";
import { InboxStore } from "../stores/inbox.ts";
import { MessagesStore } from "../stores/messages.ts";
import { ParticipantsStore } from "../stores/participants.ts";

export interface Stores {
  readonly inbox: InboxStore;
  readonly clients: ClientsStore;
  readonly messages: MessagesStore;
  readonly chats: ChatsStore;
  readonly participants: ParticipantsStore;
  /** Tells a connection why it ends, and closes it. */
  readonly end: (connectionId: string, reason: ClosingFrame["reason"]) => Promise<void>;
  readonly logsExpire: boolean;
  readonly now: () => number;
}

const endings = {
  replaced: "another connection of this device took this one's place",
  removed: "this device was removed",
} as const;

export function makeHandler(stores: Stores) {
  const { inbox, clients, messages, chats, participants, now } = stores;

  const onSync: Command<"sync"> = async (request, caller) => {
    const device = await clients.row(caller);
    if (device?.state !== "known" || device.connection?.connectionId !== caller.connectionId) {
      // Two handshakes of one device overtook each other and this one lost (connect.ts); or the device was removed.
      const reason = reasonOf(device);
      await stores.end(caller.connectionId, reason);
      return failure("conflict", endings[reason]);
    }
    return await sync(
      {
        chatsOf: async (after, limit) => await participants.chatsOf(caller.userId, after, limit),
        cursorsBetween: async (from, to) => await inbox.cursorsBetween(caller, from, to),
        occupied: async (slots) => await messages.occupied(slots),
        readFrom: async (chatId, seq, limit) => await messages.readFrom(chatId, seq, limit),
        readBack: async (chatId, below, limit) => await messages.readBack(chatId, below, limit),
        chats: async (chatIds) => await chats.getMany(chatIds),
        membership: async (chatId) => await participants.get(chatId, caller.userId),
        entries: async (slots) => await messages.getMany(slots),
        hiddenIn: async (chatId, from, to) => await messages.hiddenIn(chatId, caller.userId, from, to),
        logsExpire: stores.logsExpire,
        now,
      },
      request,
      device,
    );
  };

  const onAck: Command<"ack"> = async (request, caller) =>
    await acknowledge(
      {
        memberships: async (chatIds) => await participants.getMany(chatIds, caller.userId),
        occupied: async (slots, consistency) => await messages.occupied(slots, consistency),
        projectedTip: async (chatId) => await chats.projectedTip(chatId),
        acknowledge: async (chatId, seq) => await inbox.acknowledge(caller, chatId, seq),
        raise: async (chatId, seq) => await inbox.raise(caller, chatId, seq),
      },
      request,
    );

  return commandHandler({ sync: onSync, ack: onAck }, now);
}

const env = readEnvironment(
  "INBOX_TABLE",
  "CLIENTS_TABLE",
  "MESSAGES_TABLE",
  "CHATS_TABLE",
  "PARTICIPANTS_TABLE",
  "CALLBACK_URL",
);
const dynamo = createDynamoClient();
const callbacks = createCallbacks(env.CALLBACK_URL);

export const handler = middy(
  makeHandler({
    inbox: new InboxStore(dynamo, env.INBOX_TABLE),
    clients: new ClientsStore(dynamo, env.CLIENTS_TABLE),
    messages: new MessagesStore(dynamo, env.MESSAGES_TABLE),
    chats: new ChatsStore(dynamo, env.CHATS_TABLE),
    participants: new ParticipantsStore(dynamo, env.PARTICIPANTS_TABLE),
    end: async (connectionId, reason) => await endConnection(callbacks, connectionId, reason),
    logsExpire: readOptionalCount("MESSAGE_RETENTION_DAYS") !== undefined,
    now: Date.now,
  }),
);
