/** What follows from a change of a chat in other items than its entry. */
import type { TransactWriteItem } from "@aws-sdk/client-dynamodb";
import type { Periods } from "../chats/periods.ts";
import type { Reaction } from "../log/entry.ts";
import { n, s } from "./attributes.ts";
import { blockKey } from "./blocks.ts";
import { newChatItem, type PersonalChat } from "./chat-items.ts";
import { editItem, reactionItem, reactionName, slotKey, timeToLive } from "./entry-items.ts";
import {
  type AtLeave,
  atLeaveItem,
  type Membership,
  membershipItem,
  membershipKey,
  sameEarlier,
} from "./membership-items.ts";
import { hiddenPartition } from "./messages.ts";
import { sharedItem, type SharedState, spansItem } from "./shared-state.ts";

/** What a change does beside its entry. */
export type Effect =
  /** The shared state is this now; it was of `seen` before. */
  | { readonly kind: "share"; readonly state: SharedState; readonly seen: number }
  /** A user comes in for the first time. */
  | { readonly kind: "join"; readonly membership: Membership }
  /**
   * A user comes in again, and `periods` are its spans then. Messages of others up to there are `othersMore` than
   * when it left.
   */
  | {
      readonly kind: "rejoin";
      readonly chatId: string;
      readonly userId: string;
      readonly leftSeq: number;
      /** The spans before the one that ended, as they were seen. */
      readonly earlier?: Periods["earlier"];
      readonly periods: Periods;
      readonly othersMore: number;
      readonly expires: boolean;
    }
  /** A user's last span ends. */
  | {
      readonly kind: "leave";
      readonly chatId: string;
      readonly userId: string;
      readonly leftSeq: number;
      readonly leftAt: number;
      readonly atLeave: AtLeave;
    }
  /** Only if the first user has not blocked the second. */
  | { readonly kind: "unless blocked"; readonly blocker: string; readonly blocked: string }
  | {
      readonly kind: "edit";
      readonly chatId: string;
      readonly target: number;
      readonly text: string;
      readonly edit: { readonly seq: number; readonly at: number };
    }
  /** Its text is gone, with those of its edits. */
  | {
      readonly kind: "delete";
      readonly chatId: string;
      readonly target: number;
      readonly edits: readonly number[];
      readonly deletion: { readonly seq: number; readonly at: number };
    }
  | {
      readonly kind: "react";
      readonly chatId: string;
      readonly target: number;
      readonly userId: string;
      readonly reaction: Reaction;
      /** What it was before, oldest first, as far as it is remembered. */
      readonly earlier: readonly Reaction[];
    }
  /** A user deletes a message for itself: once. The mark goes with the message. */
  | {
      readonly kind: "hide";
      readonly chatId: string;
      readonly target: number;
      readonly userId: string;
      readonly visibleUntil?: number;
      /** True where the user's membership does not say yet that it hides something. */
      readonly isFirst: boolean;
    }
  /** A user's own log begins. */
  | { readonly kind: "own log"; readonly chat: PersonalChat; readonly membership: Membership };

export interface ChangeTables {
  readonly messages: string;
  readonly chats: string;
  readonly participants: string;
  readonly clients: string;
}

/** The items of a transaction that do it. */
export function itemsOf(effect: Effect, tables: ChangeTables): TransactWriteItem[] {
  const { messages, chats, participants, clients } = tables;
  switch (effect.kind) {
    case "share":
      return [sharing(chats, effect)];
    case "join":
      return [
        {
          Put: {
            TableName: participants,
            Item: membershipItem(effect.membership),
            ConditionExpression: "attribute_not_exists(chatId)",
          },
        },
      ];
    case "rejoin":
      return [rejoining(participants, effect)];
    case "leave":
      return [leaving(participants, effect)];
    case "unless blocked":
      return [
        {
          ConditionCheck: {
            TableName: clients,
            Key: blockKey(effect.blocker, effect.blocked),
            ConditionExpression: "attribute_not_exists(userId)",
          },
        },
      ];
    case "edit":
      return [
        {
          Update: {
            TableName: messages,
            Key: slotKey({ chatId: effect.chatId, seq: effect.target }),
            UpdateExpression:
              "SET #text = :text, firstText = if_not_exists(firstText, #text), edits = list_append(if_not_exists(edits, :none), :edit)",
            ConditionExpression: "attribute_exists(chatId) AND attribute_not_exists(deletedSeq)",
            ExpressionAttributeNames: { "#text": "text" },
            ExpressionAttributeValues: {
              ":text": s(effect.text),
              ":none": { L: [] },
              ":edit": { L: [editItem(effect.edit.seq, effect.edit.at)] },
            },
          },
        },
      ];
    case "delete":
      return deleting(messages, effect);
    case "react":
      return [
        {
          Update: {
            TableName: messages,
            Key: slotKey({ chatId: effect.chatId, seq: effect.target }),
            UpdateExpression: "SET #by = :reaction",
            ConditionExpression: "attribute_exists(chatId) AND attribute_not_exists(deletedSeq)",
            ExpressionAttributeNames: { "#by": reactionName(effect.userId) },
            ExpressionAttributeValues: { ":reaction": reactionItem(effect.reaction, effect.earlier) },
          },
        },
      ];
    case "hide":
      return hiding(messages, participants, effect);
    case "own log":
      return [
        { Put: { TableName: chats, Item: newChatItem(effect.chat), ConditionExpression: absent } },
        {
          Put: {
            TableName: participants,
            Item: membershipItem(effect.membership),
            ConditionExpression: absent,
          },
        },
      ];
    default:
      return impossible(effect);
  }
}

function sharing(TableName: string, { state, seen }: EffectOf<"share">): TransactWriteItem {
  if (state.type === "group") {
    return {
      Put: {
        TableName,
        Item: sharedItem(state),
        ConditionExpression: "stateSeq = :seen",
        ExpressionAttributeValues: { ":seen": n(seen) },
      },
    };
  }
  const { disappearAfterMs } = state;
  return {
    Update: {
      TableName,
      Key: { chatId: s(state.chatId) },
      UpdateExpression:
        "SET stateSeq = :now" +
        (disappearAfterMs === undefined ? " REMOVE disappearAfterMs" : ", disappearAfterMs = :ms"),
      ConditionExpression: seen === 0 ? "attribute_not_exists(stateSeq)" : "stateSeq = :seen",
      ExpressionAttributeValues: {
        ":now": n(state.stateSeq),
        ...(seen > 0 && { ":seen": n(seen) }),
        ...(disappearAfterMs !== undefined && { ":ms": n(disappearAfterMs) }),
      },
    },
  };
}

const absent = "attribute_not_exists(chatId)";

function hiding(
  messages: string,
  participants: string,
  { chatId, target, userId, visibleUntil, isFirst }: EffectOf<"hide">,
): TransactWriteItem[] {
  const mark = {
    ...slotKey({ chatId: hiddenPartition(chatId, userId), seq: target }),
    ...timeToLive(visibleUntil),
  };
  const flag = {
    TableName: participants,
    Key: membershipKey(chatId, userId),
    UpdateExpression: "SET hides = :true REMOVE markedAt",
    ConditionExpression: "attribute_exists(chatId)",
    ExpressionAttributeValues: { ":true": { BOOL: true } },
  };
  return [
    { Put: { TableName: messages, Item: mark, ConditionExpression: absent } },
    ...(isFirst ? [{ Update: flag }] : []),
  ];
}

/** The compiler sees that no effect comes here. */
const impossible = (effect: never): never => {
  throw new Error(`an effect that is none: ${Object.keys(effect).join()}`);
};

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

/** A user's last span ends: also where it does so by a block. */
export function leaving(
  TableName: string,
  { chatId, userId, leftSeq, leftAt, atLeave }: Omit<EffectOf<"leave">, "kind">,
): TransactWriteItem {
  return {
    Update: {
      TableName,
      Key: membershipKey(chatId, userId),
      UpdateExpression: "SET leftSeq = :seq, leftAt = :at, atLeave = :chat REMOVE markedAt",
      ConditionExpression: "attribute_exists(chatId) AND attribute_not_exists(leftSeq)",
      ExpressionAttributeValues: { ":seq": n(leftSeq), ":at": n(leftAt), ":chat": atLeaveItem(atLeave) },
    },
  };
}

/** A user's next span begins: also where it does so by the end of a block. */
export function rejoining(
  TableName: string,
  { chatId, userId, leftSeq, earlier, periods, othersMore, expires }: Omit<EffectOf<"rejoin">, "kind">,
): TransactWriteItem {
  const before = sameEarlier(earlier);
  return {
    Update: {
      TableName,
      Key: membershipKey(chatId, userId),
      UpdateExpression: `SET joinedSeq = :from, earlier = :earlier, readOthers = readOthers + :more${expires ? ", expires = :true" : ""} REMOVE leftSeq, markedAt`,
      ConditionExpression: `leftSeq = :left AND ${before.condition}`,
      ExpressionAttributeValues: {
        ":from": n(periods.joinedSeq),
        ":earlier": spansItem(periods.earlier ?? []),
        ":more": n(othersMore),
        ":left": n(leftSeq),
        ...before.values,
        ...(expires && { ":true": { BOOL: true } }),
      },
    },
  };
}

function deleting(
  TableName: string,
  { chatId, target, edits, deletion }: EffectOf<"delete">,
): TransactWriteItem[] {
  return [
    {
      Update: {
        TableName,
        Key: slotKey({ chatId, seq: target }),
        UpdateExpression:
          "SET #text = :none, deletedSeq = :seq, deletedAt = :at REMOVE firstText, edits, attachments",
        // The edits that the caller saw are all there are: their texts go with it.
        ConditionExpression:
          "attribute_exists(chatId) AND attribute_not_exists(deletedSeq) AND " +
          (edits.length === 0 ? "attribute_not_exists(edits)" : "size(edits) = :edits"),
        ExpressionAttributeNames: { "#text": "text" },
        ExpressionAttributeValues: {
          ":none": s(""),
          ":seq": n(deletion.seq),
          ":at": n(deletion.at),
          ...(edits.length > 0 && { ":edits": n(edits.length) }),
        },
      },
    },
    ...edits.map((seq) => ({
      Update: {
        TableName,
        Key: slotKey({ chatId, seq }),
        UpdateExpression: "REMOVE #change.#message",
        ConditionExpression: "attribute_exists(chatId)",
        ExpressionAttributeNames: { "#change": "change", "#message": "message" },
      },
    })),
  ];
}
