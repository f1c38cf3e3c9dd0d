import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { after, afterEach, test, type TestContext } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { startApprovalsBench } from "../../test/fakes/approvals-bench.ts";
import { until } from "../../test/until.ts";
import { shortId } from "./approval-view.ts";

const bench = await startApprovalsBench();
after(() => bench.stop());
afterEach(async () => {
  for (const { id } of bench.approvals.pending()) await bench.approvals.answer(id, { decision: "deny" }, { kind: "system" });
});

type Watch = {
  /** What was printed, results and notes. */
  text: () => string;
  shows: (pattern: RegExp) => Promise<unknown>;
  /** Types keys as one read of the terminal, after the question has been on the screen for a while. */
  press: (keys: string) => void;
  pressAtOnce: (keys: string) => void;
  raw: readonly boolean[];
  /** Ends it with Ctrl-C; resolves to the exit code. */
  end: () => Promise<number>;
};

/** `openclaw approvals watch`, at a terminal or into a pipe, with a clock that only moves for `press`. */
function watch(t: TestContext, { terminal, words = [] }: { terminal: boolean; words?: string[] }): Watch {
  let printed = "";
  let now = Date.now();
  const raw: boolean[] = [];
  const keyboard = Object.assign(new PassThrough(), { isTTY: terminal, setRawMode: (mode: boolean) => void raw.push(mode) });
  const write = (text: string): void => void (printed += text);
  const stream = terminal ? { write, isTTY: true, columns: 200 } : { write };
  const leave = new AbortController();
  const done = callCli(bench.state, ["approvals", "watch", ...words], {
    signal: leave.signal,
    host: { stdin: keyboard, streams: { stdout: stream, stderr: { write } }, now: () => now },
  });
  t.after(async () => {
    leave.abort();
    await done;
  });
  return {
    text: () => printed,
    shows: (pattern) => until(`${pattern} in the output`, () => pattern.test(printed)),
    press: (keys) => {
      now += 1_000;
      keyboard.write(keys);
    },
    pressAtOnce: (keys) => void keyboard.write(keys),
    raw,
    end: async () => {
      if (terminal) keyboard.write("\u0003");
      else leave.abort();
      return (await done).code;
    },
  };
}

const KEYS: readonly [key: string, outcome: string, decision: string][] = [
  ["o", "allowed once", "allow-once"],
  ["A", "always allowed", "allow-always"],
  ["d", "denied", "deny"],
];
for (const [key, outcome, decision] of KEYS) {
  test(`at a terminal the key ${key} answers the question on the screen`, async (t) => {
    const { id, ended } = await bench.ask("touch ./a", { warnings: ["Careful."] });
    const { shows, press, raw, end } = watch(t, { terminal: true });
    await shows(new RegExp(`${shortId(id)} {2}main, agent:main:main; on the gateway in /workspace; expires in 30 min\n {2}touch \\./a\n`));
    await shows(/! Careful\.\nalways: \/usr\/bin\/touch, \{path\}\n {2}o allow once {3}a always {3}d deny\n$/);
    press(key);
    assert.equal((await ended).decision, decision);
    await shows(new RegExp(`${shortId(id)} {2}${outcome} by cli\n$`));
    assert.equal(await end(), 0);
    assert.deepEqual(raw, [true, false], "the terminal is as before");
  });
}

test("questions come one after the other, also those that arrive while another one is on the screen", async (t) => {
  const first = await bench.ask("touch ./first");
  const { shows, press } = watch(t, { terminal: true });
  await shows(/touch \.\/first[^]*d deny\n$/);
  const second = await bench.ask("touch ./second");
  press("o");
  assert.equal((await first.ended).status, "allowed");
  await shows(/d deny\n\S{4} {2}allowed once by cli\n\n\S{4} {2}main, [^\n]*\n {2}touch \.\/second\n[^]*d deny\n$/);
  assert.equal(bench.approvals.pending().length, 1);
  press("d");
  assert.equal((await second.ended).status, "denied");
});

test("a key that was meant for an earlier question does not answer the next one", async (t) => {
  const first = await bench.ask("touch ./first");
  const { shows, press, pressAtOnce } = watch(t, { terminal: true });
  await shows(/touch \.\/first/);
  const second = await bench.ask("touch ./second");
  await bench.approvals.answer(first.id, { decision: "deny" }, { kind: "channel", id: "irc:ann" });
  await shows(new RegExp(`${shortId(first.id)} {2}denied by irc:ann\n[^]*touch \\./second[^]*d deny\n$`));
  pressAtOnce("o");
  await shows(/too soon after the question/);
  assert.equal(bench.approvals.find(second.id).status, "pending");
  press("o");
  assert.equal((await second.ended).status, "allowed");
});

test("a paste, another key and what is not offered answer nothing", async (t) => {
  const { id } = await bench.ask("sh ./a", { patterns: [] });
  const { shows, press, text } = watch(t, { terminal: true });
  await shows(/ {2}o allow once {3}d deny\n$/);
  press("oo");
  press("x");
  press("a");
  await shows(/\(not offered; o allow once {3}d deny\)/);
  assert.equal(bench.approvals.find(id).status, "pending");
  assert.doesNotMatch(text(), /allowed/);
});

test("into a pipe each question and each end is printed, and nothing is read", async (t) => {
  const first = await bench.ask("touch ./first");
  const { shows, press, end } = watch(t, { terminal: false });
  await shows(/touch \.\/first/);
  const second = await bench.ask("touch ./second");
  await shows(/touch \.\/second/);
  press("o");
  await bench.approvals.answer(second.id, { decision: "deny" }, { kind: "channel", id: "irc:ann" });
  await shows(new RegExp(`${shortId(second.id)} {2}denied by irc:ann\n$`));
  assert.equal(bench.approvals.find(first.id).status, "pending");
  assert.equal(await end(), 0);
});

test("with --json each line is one event", async (t) => {
  const { text, shows } = watch(t, { terminal: false, words: ["--json"] });
  await until("a connection that gets events", async () => {
    const { id } = await bench.ask("touch ./probe");
    await bench.approvals.answer(id, { decision: "deny" }, { kind: "system" });
    return text().includes("probe");
  });
  const { id } = await bench.ask("touch ./a\nls");
  await bench.approvals.answer(id, { decision: "deny" }, { kind: "system" });
  await shows(new RegExp(`"resolved".*${id}`));
  const lines = text()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string; approval: { id: string; decision?: string } });
  assert.deepEqual(
    lines.filter(({ approval }) => approval.id === id).map(({ event, approval }) => [event, approval.decision]),
    [
      ["requested", undefined],
      ["resolved", "deny"],
    ],
  );
});

test("without a gateway at the start it ends, and leaves the terminal as it was", async () => {
  const raw: boolean[] = [];
  const keyboard = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (mode: boolean) => void raw.push(mode) });
  const { code, err } = await callCli(bench.state, ["approvals", "watch", "--url", "ws://127.0.0.1:1"], {
    columns: 80,
    host: { stdin: keyboard },
  });
  assert.equal(code, 69);
  assert.match(err, /No gateway is running at/);
  assert.deepEqual(raw, [true, false]);
});
