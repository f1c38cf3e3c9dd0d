// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent, Turn } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import { textEvents, type PromptControl } from "../../test/fakes/fake-runtime.ts";
import { chatTarget, openChatBench, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";
import type { AckScope, TypingMode } from "./turn-indicators.ts";

const key = asId<never>("agent:main:main");

/** Waits, thinks, waits, says a word, waits, answers. */
async function* slowly(_turn: Turn, control: PromptControl): AsyncGenerator<AgentEvent, void, void> {
  await control.gate();
  yield { type: "thinking", delta: "hm" };
  await control.gate();
  yield { type: "text", delta: "well" };
  await control.gate();
  yield textEvents("well then");
  yield { type: "end", reason: "stop", checkpoint: null };
}

const settled = (talk: ChatBench): boolean => talk.outbox.byIntent("e1").some((part) => part.state === "sent");
const typed = (talk: ChatBench): boolean => talk.chat.calls.includes("typing");

/** In which moment typing began: with the turn, a thought, the first text, or never. */
async function typingBegins(mode: TypingMode | null, place: { kind?: "direct" | "group"; addressed?: boolean }): Promise<string> {
  const talk = openChatBench({ settings: { typing: mode } });
  talk.runtime.script = slowly;
  const { addressed = false, kind = "direct" } = place;
  await talk.turns.admission.submit(
    message("hi", "e1", { channel: "chat", account: "default", target: chatTarget({ kind }), ...(addressed ? { addressed } : {}) }),
  );
  await until(() => talk.runtime.prompts.length === 1);
  let begun = typed(talk) ? "instant" : "never";
  const step = async (name: string, ready: () => boolean): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    talk.runtime.release("e1");
    await until(ready);
    if (begun === "never" && typed(talk)) begun = name;
  };
  let thought = false;
  talk.bus.on("turn.thinking", () => (thought = true));
  await step("thinking", () => thought);
  await step("message", () => talk.turns.runs.inflight(key)[0]?.text === "well");
  await step("never", () => settled(talk));
  talk.close();
  return begun;
}

test("typing begins when the configuration says, and by itself where the agent was addressed", async () => {
  assert.equal(await typingBegins("instant", {}), "instant");
  assert.equal(await typingBegins("thinking", {}), "thinking");
  assert.equal(await typingBegins("message", {}), "message");
  assert.equal(await typingBegins("never", {}), "never");
  assert.equal(await typingBegins(null, { kind: "direct" }), "instant");
  assert.equal(await typingBegins(null, { kind: "group", addressed: true }), "instant");
  assert.equal(await typingBegins(null, { kind: "group" }), "message");
});

test("a channel without typing, edits and reactions is asked for nothing", async () => {
  const abilities = { typing: false, edit: false, reactions: false };
  const ack = { emoji: "👀", scope: "all" as const, removeAfterReply: true };
  const talk = openChatBench({ abilities, settings: { typing: "instant", preview: "partial", ack } });
  await talk.turns.admission.submit(message("hi", "e1", { channel: "chat", account: "default", target: chatTarget() }));
  await until(() => settled(talk));
  assert.deepEqual(talk.chat.calls, ["send echo: hi"]);
  talk.close();
});

async function reactions(scope: AckScope, place: { kind: "direct" | "group"; addressed?: boolean }, removeAfterReply = false) {
  const talk = openChatBench({ settings: { ack: { emoji: "👀", scope, removeAfterReply } } });
  const { kind, addressed = false } = place;
  await talk.turns.admission.submit(
    message("hi", "e1", { channel: "chat", account: "default", target: chatTarget({ kind }), ...(addressed ? { addressed } : {}) }),
  );
  await until(() => settled(talk));
  const calls = talk.chat.calls.filter((call) => call.startsWith("react"));
  talk.close();
  return calls;
}

test("a message is marked where the configuration says, and the mark goes after the reply where it says so", async () => {
  const on = ["react their-1 👀 on"];
  assert.deepEqual(await reactions("group-mentions", { kind: "direct" }), []);
  assert.deepEqual(await reactions("group-mentions", { kind: "group" }), []);
  assert.deepEqual(await reactions("group-mentions", { kind: "group", addressed: true }), on);
  assert.deepEqual(await reactions("group-all", { kind: "group" }), on);
  assert.deepEqual(await reactions("direct", { kind: "direct" }), on);
  assert.deepEqual(await reactions("off", { kind: "direct" }), []);
  assert.deepEqual(await reactions("all", { kind: "direct" }, true), [...on, "react their-1 👀 off"]);
});

test("what can be left out is left out while the platform asks to wait", async () => {
  const talk = openChatBench({ settings: { typing: "instant", ack: { emoji: "👀", scope: "all", removeAfterReply: false } } });
  talk.pauses.applyRateLimit(chatTarget(), {
    state: "refused",
    retryable: true,
    retryAfterMs: 150,
    pauses: "account",
    reason: "slow down",
  });
  await talk.turns.admission.submit(message("hi", "e1", { channel: "chat", account: "default", target: chatTarget() }));
  await until(() => settled(talk));
  assert.deepEqual(talk.chat.calls, ["send echo: hi"]);
  talk.close();
});
