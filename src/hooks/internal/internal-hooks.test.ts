// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { until } from "../../../test/until.ts";
import { INTERNAL_LIMITS, wants } from "./events.ts";
import { runHandler } from "./handler-thread.ts";
import { findInternalHooks, InternalHooks, whyOff, type InternalHookSettings } from "./internal-hooks.ts";

const root = mkdtempSync(join(tmpdir(), "internal-hooks-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const HEADER = (events: string): string => `---
name: note
description: Writes things down.
metadata: { "openclaw": { "emoji": "x", "events": [${events}] } }
---
# note
`;

function folder(
  code: string,
  { events = '"message:received"', handler = "handler.ts", name = "note" } = {},
): { workspace: string; state: string } {
  const place = join(root, String(made++));
  const dir = join(place, "workspace", "hooks", name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "HOOK.md"), HEADER(events));
  writeFileSync(join(dir, handler), code);
  return { workspace: join(place, "workspace"), state: join(place, "state") };
}

const NONE: InternalHookSettings = { enabled: true, entries: {} };
const enabled = (sha256?: string): InternalHookSettings => ({ enabled: true, entries: { note: { enabled: true, sha256 } } });
const EVENT = { name: "message:received", sessionKey: "agent:main:main", context: { content: "hello" } } as const;
const options = (runMs = 10_000) => ({ clock: systemClock, env: {}, runMs });

test("a hook runs only when it is enabled, with the content that was enabled", async () => {
  const { workspace, state } = folder("export default async () => {};");
  const [first] = await findInternalHooks(workspace, state, NONE);
  assert.equal(first!.off, "it is not enabled");
  const { hash } = first!.hook;
  assert.equal(whyOff(first!.hook, enabled()), "the content that may run is not named");
  assert.equal(whyOff(first!.hook, enabled(hash)), null);
  assert.equal(whyOff(first!.hook, { ...enabled(hash), enabled: false }), "hooks.internal.enabled is false");
  writeFileSync(join(workspace, "hooks", "note", "handler.ts"), "export default async () => { /* other */ };");
  const [changed] = await findInternalHooks(workspace, state, enabled(hash));
  assert.equal(changed!.off, "it was changed since it was enabled");
});

test("a hook without a handler, without events or with unknown events says so", async () => {
  for (const [more, why] of [
    [{ handler: "other.ts" }, /it has no handler/],
    [{ events: "" }, /events is empty/],
    [{ events: '"agent:bootstrap"' }, /does not happen here/],
  ] as const) {
    const { workspace, state } = folder("export default () => {};", more);
    const [found] = await findInternalHooks(workspace, state, NONE);
    assert.match(found!.off!, why);
  }
  assert.deepEqual(await findInternalHooks(join(root, "nothing"), join(root, "nothing"), NONE), []);
});

test("a handler in TypeScript or JavaScript gets the event, and what it says comes back", async () => {
  const ts =
    "export default async (event: { type: string; action: string; context: { content: string }; messages: string[] }) => { event.messages.push(`${event.type} ${event.action} ${event.context.content}`); };";
  assert.deepEqual(await runHandler({ code: ts, language: "ts" }, EVENT, options()), { messages: ["message received hello"] });
  const js =
    'import { basename } from "node:path"; export default (event) => { event.messages.push(basename("/a/b"), event.timestamp instanceof Date ? "date" : "no date"); };';
  assert.deepEqual(await runHandler({ code: js, language: "js" }, EVENT, options()), { messages: ["b", "date"] });
});

test("a handler that throws, ends its thread, imports files or has no function ends with its error only", async () => {
  for (const [code, why] of [
    ['export default () => { throw new Error("no luck"); };', /no luck/],
    ["export default () => process.exit(3);", /ended its thread/],
    ['import "./other.js"; export default () => {};', /./],
    ["export default 3;", /no default export/],
    ["this is not code", /./],
  ] as const) {
    const result = await runHandler({ code, language: "js" }, EVENT, options());
    assert.match("error" in result ? result.error : "", why, code);
  }
});

test("a handler that does not end, or takes all memory, is ended", async () => {
  const clock = new FakeClock();
  const running = runHandler({ code: "export default () => { for (;;); };", language: "js" }, EVENT, { clock, env: {}, runMs: 10_000 });
  clock.advance(10_000);
  assert.deepEqual(await running, { error: "it did not end within 10 s" });
  const greedy = "export default () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)); };";
  const result = await runHandler({ code: greedy, language: "js" }, EVENT, options(60_000));
  assert.match("error" in result ? result.error : "", /memory/);
});

test("nothing waits for handlers, and more events than they can take are dropped", async () => {
  const { workspace, state } = folder("export default () => {};");
  const { hook } = (await findInternalHooks(workspace, state, NONE))[0]!;
  const waiting: (() => void)[] = [];
  const left: string[] = [];
  const hooks = new InternalHooks({
    settings: () => enabled(hook.hash),
    workspace: () => workspace,
    stateDir: state,
    env: {},
    clock: systemClock,
    log: silentLog,
    metrics: silentMetrics,
    leave: async (_session, text) => void left.push(text),
    run: () => new Promise((resolve) => waiting.push(() => resolve({ messages: ["seen"] }))),
  });
  await hooks.configure();
  assert.equal(hooks.isWanted("message:received"), true);
  assert.equal(hooks.isWanted("command:stop"), false);
  for (let count = 0; count < 500; count++) hooks.emit(EVENT);
  assert.equal(waiting.length, INTERNAL_LIMITS.concurrent);
  for (let done = 0; done < INTERNAL_LIMITS.waiting; done++) {
    await until("another run", () => waiting.length > 0);
    waiting.shift()!();
  }
  await until("what they said", () => left.length >= INTERNAL_LIMITS.waiting - INTERNAL_LIMITS.concurrent);
  assert.equal(wants(["message"], "message:sent"), true);
});
