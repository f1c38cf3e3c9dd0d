import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { asId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { PromptAttempt } from "./attempt.ts";
import type { ToolReply } from "./records.ts";
import type { PiSlot, SlotListener } from "./slot.ts";

/** A slot that records its commands and answers each one when the test says so. */
function scriptedSlot(): { slot: PiSlot; sent: string[]; listener: () => SlotListener; answer: () => void } {
  const sent: string[] = [];
  const waiting: (() => void)[] = [];
  let listener: SlotListener | null = null;
  const slot: PiSlot = {
    pid: 1,
    isAlive: true,
    loaded: null,
    listen: (next) => (listener = next),
    load: () => Promise.resolve(),
    unload: () => Promise.resolve(),
    prompt: () => Promise.resolve(),
    request: ({ type }) => {
      sent.push(type);
      return new Promise((resolve) => waiting.push(() => resolve(null)));
    },
    kill: () => assert.fail("the slot was killed"),
    end: () => Promise.resolve(),
  };
  return { slot, sent, listener: () => listener!, answer: () => waiting.splice(0).forEach((answer) => answer()) };
}

test("a tool that ends because of the abort is not answered: the model would be asked once more", async () => {
  const { slot, sent, listener, answer } = scriptedSlot();
  const abort = new AbortController();
  const replies: ToolReply[] = [];
  let ended = false;
  const attempt = new PromptAttempt({
    slot,
    turn: { runId: asId("run-1"), text: "hi", images: [] } as never,
    model: { provider: "test", id: "test-model" },
    grant: {} as never,
    runTool: async (_call, signal, reply) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended = true;
      reply({ content: [{ type: "text", text: "The call was cancelled." }], isError: true });
    },
    hasFallback: false,
    signal: abort.signal,
    out: { push() {} },
    clock: new FakeClock(),
    log: silentLog,
    limits: { waitingMs: 60_000, timeoutMs: 600_000 } as never,
  });
  const result = attempt.run();
  await Promise.resolve();
  listener().onRecord({ type: "agent_start" });
  listener().onToolCall({ id: "call_0", name: "exec", args: {} }, (reply) => replies.push(reply));
  abort.abort();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ended, true, "the tool itself is ended at once");
  assert.deepEqual(sent, ["clear_queue"]);
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent, ["clear_queue", "abort"]);
  listener().onRecord({ type: "agent_settled" });
  assert.equal((await result).reason, "aborted");
  assert.deepEqual(replies, []);
});

for (const [what, isHandedIn] of [
  ["with a message of which no event has come is rebuilt", true],
  ["without one is what the events say", false],
] as const)
  test(`after a crash, a context ${what}`, async () => {
    const { slot, sent, listener } = scriptedSlot();
    const attempt = new PromptAttempt({
      slot,
      turn: { runId: asId("run-1"), text: "hi", images: [] } as never,
      model: { provider: "test", id: "test-model" },
      grant: {} as never,
      runTool: () => Promise.resolve(),
      hasFallback: false,
      signal: new AbortController().signal,
      out: { push() {} },
      clock: new FakeClock(),
      log: silentLog,
      limits: { waitingMs: 60_000, timeoutMs: 600_000 } as never,
    });
    const result = attempt.run();
    await Promise.resolve();
    listener().onRecord({ type: "agent_start" });
    const steered = isHandedIn ? attempt.steer({ runId: asId("run-2"), text: "more", images: [] }) : null;
    assert.deepEqual(sent, isHandedIn ? ["steer"] : []);
    listener().onExit({ code: null, signal: "SIGKILL" });
    const { reason, contextDiffers } = await result;
    assert.deepEqual([reason, contextDiffers], ["crashed", isHandedIn ? true : undefined]);
    if (steered) assert.equal(await steered, false);
  });
