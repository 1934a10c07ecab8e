import { expect, inject, test } from "vitest";
import { type Client, connect, type Frame, newUser, tokenFor } from "./client.ts";

const hasIssuer = inject("tokenUrl") !== undefined;

/** How long what follows a coming or going may take. */
const soon = { timeout: 60_000 };

type Presence = Readonly<{ userId: string; online: boolean; lastSeen?: number }>;

const watch = async (client: Client, ...userIds: readonly string[]): Promise<Presence[]> =>
  (await client.ask("watchPresence", { userIds }))["presence"] as Presence[];

/** What a client was told of a user, in order. */
const told = (client: Client, userId: string): Presence[] =>
  client.frames.flatMap((frame) => {
    const { command, ...presence } = frame;
    return command === "presence" && presence["userId"] === userId ? [presence as unknown as Presence] : [];
  });

/** The goings of a user that a client was told. Its coming may be told late, to who has watched since then. */
const goings = (client: Client, userId: string): Presence[] =>
  told(client, userId).filter(({ online }) => !online);

const isTold =
  (userId: string, online: boolean) =>
  (frame: Frame): boolean =>
    frame.command === "presence" && frame["userId"] === userId && frame["online"] === online;

/** Resolves when a look at the user says that nobody of it is connected. */
const isAway = async (watcher: Client, userId: string): Promise<void> => {
  await expect.poll(async () => (await watch(watcher, userId))[0]?.online, soon).toBe(false);
};

test("[PRS1] watchPresence tells how each user is, in the order asked; then what comes and goes is told", async () => {
  const [alice, bob] = [await connect(newUser("alice")), await connect(newUser("bob"))];
  const [carol, nobody] = [newUser("carol"), newUser("nobody")];
  const before = Date.now();
  await (await connect(carol)).close();
  await isAway(await connect(newUser("other")), carol);

  const presence = await watch(alice, carol, bob.userId, nobody, alice.userId);
  expect(presence).toEqual([
    { userId: carol, online: false, lastSeen: expect.any(Number) as number },
    { userId: bob.userId, online: true },
    { userId: nobody, online: false },
    { userId: alice.userId, online: true },
  ]);
  expect(presence[0]?.lastSeen).toBeGreaterThan(before - 60_000);
  expect(presence[0]?.lastSeen).toBeLessThan(Date.now() + 60_000);

  await bob.close();
  await alice.waitFor(isTold(bob.userId, false));
  expect(goings(alice, bob.userId)).toEqual([
    { userId: bob.userId, online: false, lastSeen: expect.any(Number) as number },
  ]);
  expect(told(alice, bob.userId).at(-1)?.online).toBe(false);
  await connect(carol);
  await alice.waitFor(isTold(carol, true));
  // That she had gone may be told once more to one who began to watch just then.
  expect(told(alice, carol).at(-1)).toEqual({ userId: carol, online: true });
});

test("[PRS1] a second device, one that goes while another stays, and a connection that is replaced are no change", async () => {
  const alice = await connect(newUser("alice"));
  const bob = newUser("bob");
  expect(await watch(alice, bob)).toEqual([{ userId: bob, online: false }]);
  await connect(bob);
  await alice.waitFor(isTold(bob, true));

  const tablet = await connect(bob, { deviceId: "tablet" });
  const again = await connect(bob);
  await tablet.close();
  await connect(bob, { deviceId: "tablet" });
  await again.ask("removeDevice", { deviceId: "tablet" });
  await again.close();
  await alice.waitFor(isTold(bob, false));
  expect(told(alice, bob).map(({ online }) => online)).toEqual([true, false]);
});

test("[PRS1] what is watched replaces what was watched before; nobody is watched by none", async () => {
  const alice = await connect(newUser("alice"));
  const witness = await connect(newUser("witness"));
  const [bob, carol] = [newUser("bob"), newUser("carol")];
  await watch(witness, bob, carol);
  await watch(alice, bob);
  await watch(alice, carol);
  await connect(bob);
  await witness.waitFor(isTold(bob, true));
  const first = await connect(carol);
  await alice.waitFor(isTold(carol, true));
  expect(told(alice, bob)).toEqual([]);

  expect(await watch(alice)).toEqual([]);
  await first.close();
  await witness.waitFor(isTold(carol, false));
  await watch(alice, bob);
  const second = await connect(bob, { deviceId: "tablet" });
  await second.ask("removeDevice", { deviceId: "phone" });
  await second.close();
  await alice.waitFor(isTold(bob, false));
  expect(told(alice, carol)).toEqual([{ userId: carol, online: true }]);
});

test("[PRS1] requests that overtake each other leave one list, whole", async () => {
  const alice = await connect(newUser("alice"));
  const users = Array.from({ length: 4 }, (_, at) => newUser(`bob${at}`));
  const [first = "", second = "", third = "", fourth = ""] = users;
  await Promise.all([watch(alice, first, second), watch(alice, third, fourth), watch(alice, second, third)]);
  const clients = await Promise.all(users.map(async (userId) => await connect(userId)));
  const lists = [
    [first, second],
    [third, fourth],
    [second, third],
  ].map((list) => list.toSorted());
  const heard = () => users.filter((userId) => told(alice, userId).length > 0).toSorted();
  await expect.poll(heard, soon).toHaveLength(2);
  expect(lists).toContainEqual(heard());
  // Their going is told for the same two.
  await Promise.all(clients.map(async (client) => await client.close()));
  await expect
    .poll(() => users.filter((userId) => told(alice, userId).at(-1)?.online === false).length, soon)
    .toBe(2);
  expect(lists).toContainEqual(heard());
});

test("[PRS1] what is watched ends with the connection: a new one of the device begins with nothing", async () => {
  const alice = await connect(newUser("alice"));
  const bob = newUser("bob");
  await watch(alice, bob);
  await alice.close();
  const again = await connect(alice.userId);
  const witness = await connect(newUser("witness"));
  await watch(witness, bob);
  const client = await connect(bob);
  await witness.waitFor(isTold(bob, true));
  expect(told(again, bob)).toEqual([]);
  await watch(again, bob);
  await client.close();
  await again.waitFor(isTold(bob, false));
});

test("[PRS1] [CON9] at most 100 users are watched", async () => {
  const alice = await connect(newUser("alice"));
  const bob = await connect(newUser("bob"));
  const many = Array.from({ length: 99 }, (_, at) => `${newUser("user")}-${at}`);
  expect(await watch(alice, ...many, bob.userId)).toEqual([
    ...many.map((userId) => ({ userId, online: false })),
    { userId: bob.userId, online: true },
  ]);
  for (const userIds of [[...many, "a", "b"], ["a b"], "bob", undefined]) {
    expect((await alice.request("watchPresence", { userIds })).error).toMatchObject({
      code: "bad_request",
      message: expect.stringMatching(/^userIds/) as string,
    });
  }
  await bob.close();
  await alice.waitFor(isTold(bob.userId, false));
});

test.skipIf(!hasIssuer)(
  "[PRS1] [CON8] a connection whose token has expired is told nothing more",
  async () => {
    const userId = newUser("alice");
    const short = await connect(userId, { token: await tokenFor(userId, { expiresInSec: 3 }) });
    const witness = await connect(newUser("witness"));
    const bob = newUser("bob");
    await watch(short, bob);
    await watch(witness, bob);
    await expect
      .poll(async () => (await short.request("watchPresence", { userIds: [bob] })).error?.code, soon)
      .toBe("token_expired");
    const client = await connect(bob);
    await witness.waitFor(isTold(bob, true));
    await client.close();
    await witness.waitFor(isTold(bob, false));
    expect(told(short, bob)).toEqual([]);
  },
);

test("[PRS3] [RCP3] setPrivacy changes what is named and answers with all of it, which getPrivacy tells every device", async () => {
  const user = newUser("alice");
  const alice = await connect(user);
  expect(await alice.ask("getPrivacy", {})).toMatchObject({ lastSeen: "everyone", readReceipts: true });
  expect(await alice.ask("setPrivacy", { lastSeen: "contacts" })).toMatchObject({
    lastSeen: "contacts",
    readReceipts: true,
  });
  expect(await alice.ask("setPrivacy", { readReceipts: false })).toMatchObject({
    lastSeen: "contacts",
    readReceipts: false,
  });
  const laptop = await connect(user, { deviceId: "laptop" });
  expect(await laptop.ask("getPrivacy", {})).toMatchObject({ lastSeen: "contacts", readReceipts: false });
  expect(await alice.ask("setPrivacy", { lastSeen: "everyone", readReceipts: true })).toMatchObject({
    lastSeen: "everyone",
    readReceipts: true,
  });
  for (const [fields, path] of [
    [{}, "lastSeen"],
    [{ lastSeen: "friends" }, "lastSeen"],
    [{ readReceipts: "no" }, "readReceipts"],
  ] as const) {
    expect((await alice.request("setPrivacy", fields)).error).toMatchObject({
      code: "bad_request",
      message: expect.stringMatching(new RegExp(`^${path}`)) as string,
    });
  }
});

/** [the watched user's choice, the watcher's, whether they have a direct chat, whether lastSeen is shown]. */
const choices = [
  ["everyone", "everyone", false, true],
  ["everyone", "contacts", false, false],
  ["everyone", "contacts", true, true],
  ["everyone", "nobody", true, false],
  ["contacts", "everyone", false, false],
  ["contacts", "everyone", true, true],
  ["contacts", "contacts", true, true],
  ["contacts", "nobody", true, false],
  ["nobody", "everyone", true, false],
  ["nobody", "nobody", true, false],
] as const;

test.each(choices)(
  "[PRS3] lastSeen of one who shows it to %s, to one who shows it to %s, contacts: %s. Shown: %s; online always is",
  async (watched, watcher, areContacts, isShown) => {
    const [alice, bob] = await Promise.all([connect(newUser("alice")), connect(newUser("bob"))]);
    if (areContacts) await alice.ask("createChat", { participants: [bob.userId] });
    await bob.ask("setPrivacy", { lastSeen: watched });
    await alice.ask("setPrivacy", { lastSeen: watcher });
    expect(await watch(alice, bob.userId)).toEqual([{ userId: bob.userId, online: true }]);
    await bob.close();
    await alice.waitFor(isTold(bob.userId, false));
    const away = {
      userId: bob.userId,
      online: false,
      ...(isShown && { lastSeen: expect.any(Number) as number }),
    };
    expect(goings(alice, bob.userId)).toEqual([away]);
    expect(await watch(alice, bob.userId)).toEqual([away]);
  },
);
