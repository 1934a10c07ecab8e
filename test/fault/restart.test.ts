import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Client, connect, type EntryFrame, newUser } from "../e2e/client.ts";
import { type LocalSystem, startLocal } from "../e2e/system.ts";

async function connectTo({ outputs }: LocalSystem, userId: string): Promise<Client> {
  const answer = await fetch(outputs.TokenUrl, { method: "POST", body: JSON.stringify({ userId }) });
  const { token } = (await answer.json()) as { token: string };
  return await connect(userId, { token, url: `${outputs.WebSocketUrl}?deviceId=phone` });
}

test("[SND2] the whole system killed in the middle of sends, with its data kept: every SUCCESS is there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidings-restart-"));
  const data = ["--data", join(folder, "data")];
  let system = await startLocal(folder, ...data);
  try {
    const [aliceId, bobId] = [newUser("alice"), newUser("bob")];
    const [alice, bob] = [await connectTo(system, aliceId), await connectTo(system, bobId)];
    const chatId = (await alice.ask("createChat", { participants: [bobId] }))["chatId"] as string;
    await alice.send(chatId, "0");
    await bob.waitForSeqs(chatId, [1]);
    await bob.ack(chatId, 1);

    const accepted: { seq: number; text: string }[] = [];
    const enough = Promise.withResolvers<void>();
    for (let at = 1; at <= 200; at += 1) {
      const sent = alice.request("sendMessage", {
        chatId,
        clientMessageId: randomUUID(),
        message: String(at),
      });
      void sent.then(
        ({ status, ["seq"]: seq }) => {
          if (status === "SUCCESS") accepted.push({ seq: seq as number, text: String(at) });
          if (accepted.length === 25) enough.resolve();
        },
        () => {}, // the system is gone before it answered
      );
    }
    await enough.promise;
    await system.end("SIGKILL");
    expect(accepted.length).toBeLessThan(200);

    system = await startLocal(folder, ...data);
    const back = await connectTo(system, bobId);
    const { events } = await back.sync();
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 2));
    for (const { seq, text } of accepted) expect(events[seq - 2]).toMatchObject({ seq, message: text });

    const after = await (await connectTo(system, aliceId)).send(chatId, "after");
    await back.waitForSeqs(chatId, [after.seq]);
    const history = await back.ask("getHistory", { chatId, limit: 1 });
    expect((history["entries"] as EntryFrame[])[0]).toMatchObject({ seq: after.seq, message: "after" });
    const listed = async () => (await back.ask("listChats"))["chats"];
    await expect.poll(listed, { timeout: 30_000 }).toMatchObject([{ lastSeq: after.seq, unread: after.seq }]);
  } finally {
    await system.end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});
