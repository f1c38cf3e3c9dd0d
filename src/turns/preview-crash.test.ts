// Group: wire
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ChannelCapabilities, Link, MediaRef, OutboundPart } from "../channels/channel.ts";
import { asId, type MessageId } from "../core/ids.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { ALL_CAPABILITIES, chatTarget, FakeChat, openChatBench, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";
import { recover } from "./recover.ts";

const target = chatTarget();
const never = new Promise<never>(() => {});

/** A platform that outlives the gateway: it knows every key, and a dead process reaches it no more. */
function connect(chat: FakeChat, keys: Map<string, MessageId>, isAlive: () => boolean): Link {
  const { send, edit, remove } = chat.link;
  const put = async (part: OutboundPart): Promise<MessageId> => {
    const known = keys.get(part.key);
    if (known) return known;
    const result = await send(part, new AbortController().signal);
    assert.equal(result.state, "sent");
    const id = result.state === "sent" ? result.ids[0]! : asId<MessageId>("");
    keys.set(part.key, id);
    return id;
  };
  return {
    send: async (part) => (isAlive() ? { state: "sent", ids: [await put(part)] } : never),
    edit: async (id, part, signal) => (isAlive() ? edit!(id, part, signal) : never),
    remove: async (where, id) => (isAlive() ? remove!(where, id) : never),
    lookup: async (part) => (keys.has(part.key) ? [keys.get(part.key)!] : null),
    download: (_ref: MediaRef) => never,
  };
}

function begin(
  dir: string | undefined,
  chat: FakeChat,
  keys: Map<string, MessageId>,
  crashAt: string | null,
  abilities: ChannelCapabilities,
  answer: string,
) {
  let dead = false;
  let talk: ChatBench;
  const left = mkdtempSync(join(tmpdir(), "turns-"));
  const died = Promise.withResolvers<void>();
  const mark = (point: string): void => {
    if (point !== crashAt || dead) return;
    // What lies on the disk at this moment is all that is left; the process that goes on has no wire any more.
    dead = true;
    cpSync(talk.dir, left, { recursive: true });
    died.resolve();
  };
  talk = openChatBench({
    abilities,
    chat,
    link: connect(chat, keys, () => !dead),
    settings: { preview: "partial" },
    mark,
    ...(dir ? { dir } : {}),
  });
  talk.runtime.script = async function* () {
    yield { type: "text", delta: "a beginning that is long enough to be shown" };
    await until(() => dead || talk.outbox.previews.get("e1")?.state === "sent");
    if (dead) await never;
    yield textEvents(answer);
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  return { talk, died: died.promise, left };
}

const settled = (talk: ChatBench): boolean => {
  const parts = talk.outbox.byIntent("e1");
  return parts.length > 0 && parts.every((part) => part.state !== "queued" && part.state !== "attempting");
};

/** Lets the gateway die at one point, starts it again, and gives what people see in the end. */
async function crash(crashAt: string, idempotency: "key" | "lookup", answer: string): Promise<string[]> {
  const chat = new FakeChat();
  const keys = new Map<string, MessageId>();
  const abilities = { ...ALL_CAPABILITIES, idempotency };
  const first = begin(undefined, chat, keys, crashAt, abilities, answer);
  await first.talk.turns.admission.submit(message("hi", "e1", { channel: "chat", account: "default", target }));
  await first.died;
  await first.talk.delivery.stop();
  const second = begin(first.left, chat, keys, null, abilities, answer);
  second.talk.runtime.script = async function* () {
    yield textEvents(answer);
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  recover({ ...second.talk, ...second.talk.turns, abilitiesOf: () => abilities });
  second.talk.delivery.start();
  await until(() => settled(second.talk));
  const left = second.talk.store.get<{ n: number }>("SELECT count(*) AS n FROM previews")!.n;
  assert.equal(left, 0, "a preview is left in the books");
  second.talk.close();
  rmSync(first.talk.dir, { recursive: true });
  return chat.texts();
}

for (const idempotency of ["key", "lookup"] as const)
  for (const point of ["preview-attempting", "preview-sent", "answered", "stored", "part-attempting", "part-sent"])
    test(`a crash at ${point} leaves one message (${idempotency})`, async () => {
      assert.deepEqual(await crash(point, idempotency, "the answer"), ["the answer"]);
    });

for (const point of ["preview-sent", "stored", "part-attempting"])
  test(`a crash at ${point} leaves nothing of an answer that says nothing`, async () => {
    assert.deepEqual(await crash(point, "lookup", "NO_REPLY"), []);
  });
