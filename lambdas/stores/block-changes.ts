/** [BLK1] Blocks, as transactions: the item that says so, and what of the direct chat the blocker sees. */
import {
  type TransactWriteItem,
  TransactWriteItemsCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { Period, Periods } from "../chats/periods.ts";
import { isRefused, n, s } from "./attributes.ts";
import { blockItem, blockKey } from "./blocks.ts";
import { type ChangeTables, leaving, rejoining } from "./effects.ts";
import { slotKey } from "./entry-items.ts";
import { keptItem, keptKey, type KeptMarks } from "./kept-marks.ts";
import { type AtLeave, membershipKey } from "./membership-items.ts";
import { blocksName, hiddenName, spansItem } from "./shared-state.ts";

/** Seconds for which the marks that were kept lie there after the block. */
const keptAfterSec = 3_600;

interface Pair {
  readonly blocker: string;
  readonly blocked: string;
  readonly chatId: string;
}

/** What is written of the direct chat of the two, where there is one. */
interface BlockedChat {
  readonly participants: readonly string[];
  /** What is not shown to the blocker. */
  readonly hidden: readonly Period[];
  readonly leftSeq: number;
}

export interface Blocking extends Pair {
  /** Epoch milliseconds. */
  readonly at: number;
  /** What stays shown of the two to each other. */
  readonly marks: KeptMarks;
  readonly chat?: BlockedChat & { readonly leftAt: number; readonly atLeave: AtLeave };
}

export interface Unblocking extends Pair {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly chat?: BlockedChat & {
    /** The blocker's spans before the last, as they were seen. */
    readonly earlier?: Periods["earlier"];
    readonly periods: Periods;
    readonly othersMore: number;
    readonly expires: boolean;
  };
}

export class BlockChangesStore {
  readonly #client: DynamoDBClient;
  readonly #tables: ChangeTables;

  constructor(client: DynamoDBClient, tables: ChangeTables) {
    this.#client = client;
    this.#tables = tables;
  }

  /** False where something was not as it was read, or another transaction was in the way. */
  async block({ blocker, blocked, chatId, at, marks, chat }: Blocking): Promise<boolean> {
    return await this.#commit([
      {
        Put: {
          TableName: this.#tables.clients,
          Item: blockItem(blocker, blocked, at),
          ConditionExpression: "attribute_not_exists(userId)",
        },
      },
      { Put: { TableName: this.#tables.clients, Item: keptItem(blocker, blocked, marks) } },
      ...(chat
        ? [
            leaving(this.#tables.participants, { chatId, userId: blocker, ...chat }),
            this.#hide(chatId, blocker, chat, 1),
            this.#isEnd(chatId, chat.leftSeq),
          ]
        : [this.#noChat(chatId, blocker)]),
    ]);
  }

  async unblock({ blocker, blocked, chatId, at, chat }: Unblocking): Promise<boolean> {
    return await this.#commit([
      {
        Delete: {
          TableName: this.#tables.clients,
          Key: blockKey(blocker, blocked),
          ConditionExpression: "attribute_exists(userId)",
        },
      },
      {
        // It stays for a moment: who has just read that the block stands is still shown what it was shown before.
        Update: {
          TableName: this.#tables.clients,
          Key: keptKey(blocker, blocked),
          UpdateExpression: "SET expiresAt = :end",
          ExpressionAttributeValues: { ":end": n(Math.floor(at / 1000) + keptAfterSec) },
        },
      },
      ...(chat
        ? [
            rejoining(this.#tables.participants, { chatId, userId: blocker, ...chat }),
            this.#hide(chatId, blocker, chat, 0),
          ]
        : [this.#noChat(chatId, blocker)]),
    ]);
  }

  /**
   * What comes behind is stored after the block: whoever follows it up sees that it is hidden, and keeps for the
   * blocker what is its own (delivery/own-entries.ts).
   */
  #isEnd(chatId: string, lastSeq: number): TransactWriteItem {
    return {
      ConditionCheck: {
        TableName: this.#tables.messages,
        Key: slotKey({ chatId, seq: lastSeq + 1 }),
        ConditionExpression: "attribute_not_exists(chatId)",
      },
    };
  }

  #noChat(chatId: string, userId: string): TransactWriteItem {
    return {
      ConditionCheck: {
        TableName: this.#tables.participants,
        Key: membershipKey(chatId, userId),
        ConditionExpression: "attribute_not_exists(chatId)",
      },
    };
  }

  /** @param more blocks that the blocker has made by it */
  #hide(
    chatId: string,
    blocker: string,
    { participants, hidden }: BlockedChat,
    more: 0 | 1,
  ): TransactWriteItem {
    return {
      Update: {
        TableName: this.#tables.chats,
        Key: { chatId: s(chatId) },
        UpdateExpression: "SET #hidden = :spans, #blocks = if_not_exists(#blocks, :none) + :more",
        ConditionExpression: "attribute_exists(chatId)",
        ExpressionAttributeNames: {
          "#hidden": hiddenName(participants, blocker),
          "#blocks": blocksName(participants, blocker),
        },
        ExpressionAttributeValues: { ":spans": spansItem(hidden), ":none": n(0), ":more": n(more) },
      },
    };
  }

  async #commit(items: TransactWriteItem[]): Promise<boolean> {
    try {
      await this.#client.send(new TransactWriteItemsCommand({ TransactItems: items }));
      return true;
    } catch (error) {
      if (isRefused(error)) return false;
      throw error;
    }
  }
}
