/** What a message with a file takes: what of it is beyond a text is the difference to the text's row. */
import { createHash, randomBytes } from "node:crypto";
import { connectPair, disconnect, forAll, numbers, type Pair, send, tellAck } from "./people.ts";
import type { Scenario } from "./scenario.ts";

/** Of a picture that a phone has made small enough to send. */
const imageBytes = 100_000;
const pairsTalking = 50;
const underWay = 4;

const ask = async ({ url, method, headers }: Request, body?: Uint8Array<ArrayBuffer>): Promise<void> => {
  // HTTP itself says how long the body is.
  const { "content-length": _, ...signed } = headers;
  const answer = await fetch(url, { method, headers: signed, ...(body && { body }) });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`S3 answered ${answer.status}`);
};

interface Request {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Uploads a new image; what a message says of it. */
const uploadImage = async ({ alice, chatId }: Pair): Promise<{ attachmentId: string; kind: "image" }> => {
  const bytes = new Uint8Array(randomBytes(imageBytes));
  const { frame } = await alice.ask("getAttachmentTarget", {
    chatId,
    contentType: "image/jpeg",
    size: imageBytes,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
  await ask(frame["upload"] as Request, bytes);
  return { attachmentId: String(frame["attachmentId"]), kind: "image" };
};

const download = async ({ bob, chatId }: Pair, attachmentId: string): Promise<void> => {
  const { frame } = await bob.ask("getAttachmentUrl", { chatId, attachmentId });
  await ask({ url: String(frame["url"]), method: "GET", headers: {} });
};

/** Sends a message with the attachment, which the other acknowledges at once. */
const sendWith = async (pair: Pair, attachment: object): Promise<void> => {
  pair.tip = await send(pair.alice, pair.chatId, { after: pair.tip, attachments: [attachment] });
  await pair.bob.push(pair.chatId, pair.tip);
  tellAck(pair.bob, pair.chatId, pair.tip);
};

const each = (
  name: string,
  play: (pair: Pair, uploaded: Awaited<ReturnType<typeof uploadImage>> | undefined) => Promise<void>,
  prepare?: (pair: Pair) => ReturnType<typeof uploadImage>,
  pairs = pairsTalking,
): Scenario => ({
  name,
  set: async (stage) => {
    const talking = await forAll(numbers(pairs), async () => await connectPair(stage));
    const uploads = new Map<Pair, Awaited<ReturnType<typeof uploadImage>>>();
    return {
      operations: pairs,
      deliveries: pairs,
      prepare: async () => {
        if (!prepare) return;
        await forAll(talking, async (pair) => void uploads.set(pair, await prepare(pair)), underWay);
        await stage.platform.idle();
      },
      round: async () =>
        await stage.meter.untilRun(
          stage.platform,
          "Sync",
          async () =>
            void (await forAll(talking, async (pair) => await play(pair, uploads.get(pair)), underWay)),
          pairs,
        ),
      end: async () =>
        await disconnect(
          stage,
          talking.flatMap(({ alice, bob }) => [alice, bob]),
        ),
    };
  },
});

export const imageMessage = (pairs?: number): Scenario =>
  each(
    "1:1 message with an image of 100 kB: target, upload, send, reply, push, ack, preview, link, download",
    async (pair) => {
      const image = await uploadImage(pair);
      await sendWith(pair, image);
      await download(pair, image.attachmentId);
    },
    undefined,
    pairs,
  );

export const forwardedImage = (pairs?: number): Scenario =>
  each(
    "1:1 message with an image that is forwarded: send, reply, push, ack, preview",
    async (pair, image) => {
      await sendWith(pair, { ...image, from: { chatId: pair.chatId, seq: pair.tip } });
    },
    async (pair) => {
      const image = await uploadImage(pair);
      await sendWith(pair, image);
      return image;
    },
    pairs,
  );
