import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, newUser } from "../e2e/client.ts";
import { type LocalSystem, startLocal } from "../e2e/system.ts";

const sends = 300;
/** How many of them are under way when the system dies, a third of them answered. */
const before = 150;

async function connectTo({ outputs }: LocalSystem, userId: string, deviceId: string): Promise<Client> {
  const answer = await fetch(outputs.TokenUrl, { method: "POST", body: JSON.stringify({ userId }) });
  const { token } = (await answer.json()) as { token: string };
  return await connect(userId, { token, deviceId, url: `${outputs.WebSocketUrl}?deviceId=${deviceId}` });
}

interface Accepted {
  readonly seq: number;
  readonly messageId: string;
  readonly clientMessageId: string;
}

/** The message of the text `at`, as this client would send it at every attempt. */
const draft = (chatId: string, at: number) => ({
  chatId,
  clientMessageId: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
  message: String(at),
});

/** Limits of a stage that a burst of one user would run into here. */
const unlimited = ["--context", "sendBurst=100000", "--context", "sendsPerSec=100000"];

test("[SND2] [SND4] [DLV1] the whole system killed in the middle of many sends, with its data kept: every SUCCESS is there, every device converges", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-restart-"));
  const args = ["--data", join(folder, "data"), ...unlimited];
  let system = await startLocal(folder, ...args);
  try {
    const [aliceId, bobId] = [newUser("alice"), newUser("bob")];
    const devices = [aliceId, bobId].flatMap((userId) => [`${userId}/phone`, `${userId}/laptop`]);
    const connectAll = async (): Promise<Map<string, Client>> =>
      new Map(
        await Promise.all(
          devices.map(async (name) => {
            const [userId = "", deviceId = ""] = name.split("/");
            return [name, await connectTo(system, userId, deviceId)] as const;
          }),
        ),
      );
    const connected = await connectAll();
    const phone = clientOf(connected, `${aliceId}/phone`);
    const chatId = (await phone.ask("createChat", { participants: [bobId] }))["chatId"] as string;
    const first = await phone.send(chatId, "first");
    await clientOf(connected, `${bobId}/phone`).waitForSeqs(chatId, [first.seq]);
    await clientOf(connected, `${bobId}/phone`).ack(chatId, first.seq);

    const accepted: Accepted[] = [];
    const enough = Promise.withResolvers<void>();
    for (let at = 1; at <= before; at += 1) {
      void phone.request("sendMessage", draft(chatId, at)).then(
        (reply) => {
          if (reply.status === "SUCCESS") accepted.push(reply as unknown as Accepted);
          if (accepted.length === before / 3) enough.resolve();
        },
        () => {}, // the system is gone before it answered
      );
    }
    await enough.promise;
    await system.end("SIGKILL");
    const survived = [...accepted];

    system = await startLocal(folder, ...args);
    const after = await connectAll();
    const log = await historyOf(clientOf(after, `${bobId}/phone`), chatId);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
    for (const { seq, messageId, clientMessageId } of survived)
      expect(log[seq - 1]).toMatchObject({ seq, messageId, clientMessageId });

    // The client sends again whatever it had no answer to, and each message is there once.
    const back = clientOf(after, `${aliceId}/phone`);
    const unanswered = Array.from({ length: sends }, (_, at) => draft(chatId, at + 1)).filter(
      ({ clientMessageId }) => !survived.some((one) => one.clientMessageId === clientMessageId),
    );
    for (const message of unanswered) await sendUntilStored(back, message);
    const whole = await historyOf(clientOf(after, `${bobId}/phone`), chatId);
    expect(whole.map(({ seq }) => seq)).toEqual(whole.map((_, at) => at + 1));
    expect(whole.slice(0, log.length)).toEqual(log);
    const ids = whole.slice(1).map((entry) => String(entry["clientMessageId"]));
    expect(ids.toSorted()).toEqual(
      Array.from({ length: sends }, (_, at) => draft(chatId, at + 1).clientMessageId),
    );

    // Every device has all that it did not send itself, by sync, once, in order; and then nothing is left.
    for (const [name, client] of after) {
      const { events } = await client.sync();
      const floor = name === `${bobId}/phone` ? first.seq : 0;
      const wanted = whole.filter(({ seq }) => seq > floor && name !== `${aliceId}/phone`);
      expect({ name, seqs: events.map(({ seq }) => seq) }).toEqual({
        name,
        seqs: wanted.map(({ seq }) => seq),
      });
      await client.ack(chatId, whole.length);
      expect({ name, events: (await client.sync()).events }).toEqual({ name, events: [] });
      const listed = async () => (await client.ask("listChats"))["chats"];
      const unread = name.startsWith(bobId) ? whole.length : 0;
      await expect.poll(listed, { timeout: 60_000 }).toMatchObject([{ lastSeq: whole.length, unread }]);
    }
  } finally {
    await system.end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});

function clientOf(clients: ReadonlyMap<string, Client>, name: string): Client {
  const client = clients.get(name);
  if (client === undefined) throw new Error(`no client ${name}`);
  return client;
}

async function sendUntilStored(client: Client, message: ReturnType<typeof draft>): Promise<void> {
  for (;;) {
    const { status, error } = await client.request("sendMessage", message);
    if (status === "SUCCESS") return;
    if (error?.retryable !== true) throw new Error(`${error?.code} ${error?.message}`);
  }
}

async function historyOf(client: Client, chatId: string): Promise<EntryFrame[]> {
  const entries: EntryFrame[] = [];
  for (;;) {
    const page = await client.ask("getHistory", { chatId, limit: 100, after: entries.at(-1)?.seq ?? 0 });
    entries.push(...(page["entries"] as EntryFrame[]));
    if (page["complete"] === true) return entries;
  }
}
