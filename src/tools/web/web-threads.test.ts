// Group: wire
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { until } from "../../../test/until.ts";
import { WebThreads, type WebThreadsOptions } from "./web-threads.ts";
import { WEB_LIMITS } from "./web-limits.ts";

const page = (html: string) =>
  ({
    kind: "page",
    bytes: Buffer.from(html),
    mimeType: "text/html",
    charset: null,
    url: "https://site.example/",
    mode: "markdown",
    mainOnly: true,
  }) as const;
const never = new AbortController().signal;

function threadsOf(t: TestContext, options: WebThreadsOptions = {}): WebThreads {
  const threads = new WebThreads(options);
  t.after(() => threads.stop());
  return threads;
}

async function textOf(threads: WebThreads, html: string): Promise<string> {
  const result = await threads.run(page(html), never);
  return "problem" in result ? `problem: ${result.problem}` : result.text;
}

test("pages are read by a thread that is used again and ends when it is idle", async (t) => {
  const clock = new FakeClock();
  const threads = threadsOf(t, { clock });
  assert.equal(threads.size, 0);
  assert.equal(await textOf(threads, "<p>one"), "one");
  assert.equal(await textOf(threads, "<p>two"), "two");
  assert.equal(threads.size, 1);
  clock.advance(WEB_LIMITS.idleThreadMs);
  assert.equal(threads.size, 0);
  assert.equal(await textOf(threads, "<p>three"), "three");
});

test("at most two threads run at once, and further pages wait for them", async (t) => {
  const threads = threadsOf(t, { clock: new FakeClock() });
  const sizes: number[] = [];
  const all = Array.from({ length: 6 }, async (_, at) => {
    const text = await textOf(threads, `<p>${at}`);
    sizes.push(threads.size);
    return text;
  });
  assert.deepEqual(await Promise.all(all), ["0", "1", "2", "3", "4", "5"]);
  assert.ok(Math.max(...sizes) <= WEB_LIMITS.threads, sizes.join());
});

/** Pages that stall common parsers and extractors, with more than the largest response that can be configured. */
const HOSTILE: Readonly<Record<string, string>> = {
  "100,000 nested blocks": `${"<div>".repeat(100_000)}${"inner ".repeat(100)}`,
  "20 MB of text": `<p>${"a b ".repeat(5_000_000)}`,
  "20 MB of unclosed tags": "<div ".repeat(4_000_000),
  "a table with 600,000 cells": `<table>${`<tr>${"<td>cell</td>".repeat(20)}</tr>`.repeat(30_000)}</table>`,
  "100,000 nested tags with as many that close others": `${"<div>".repeat(100_000)}${"</b>".repeat(100_000)}`,
  "bait for patterns with back-tracking": `<p style="display${" ".repeat(1_000_000)}:none" class="${"nav-".repeat(1_000_000)}">${" \n".repeat(2_000_000)}x`,
};

test("hostile pages end with a bounded text while the main thread goes on", async (t) => {
  // Without a limit of time, which a slow machine could reach.
  const threads = threadsOf(t, { clock: new FakeClock() });
  for (const [name, html] of Object.entries(HOSTILE)) {
    let turns = 0;
    const ticking = setInterval(() => (turns += 1), 1);
    const result = await threads.run(page(html), never);
    clearInterval(ticking);
    assert.ok(!("problem" in result), `${name}: ${"problem" in result ? result.problem : ""}`);
    assert.ok(result.text.length <= WEB_LIMITS.pageChars, name);
    assert.ok(turns > 0, `${name}: the main thread did nothing meanwhile`);
  }
});

test("a page that takes too long or too much memory costs only its own thread", async (t) => {
  const clock = new FakeClock();
  const slow = threadsOf(t, { clock, limits: { threads: 1 } });
  const late = textOf(slow, HOSTILE["20 MB of text"]!);
  const next = textOf(slow, "<p>next");
  await until("the first page is read", () => clock.pending().length > 0);
  clock.advance(WEB_LIMITS.jobMs);
  assert.equal(await late, "problem: reading it took too long");
  assert.equal(await next, "next");
  const small = threadsOf(t, { limits: { threadHeapMb: 16 } });
  assert.match(await textOf(small, '<a href="/x">link</a> '.repeat(90_000)), /^problem: it could not be read .*memory/);
  assert.equal(await textOf(small, "<p>next"), "next");
});

test("a stopped call ends its thread, also while it waits", async (t) => {
  const threads = threadsOf(t, { limits: { threads: 1 } });
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = threads.run(page(HOSTILE["20 MB of text"]!), running.signal);
  const second = threads.run(page("<p>second"), waiting.signal);
  const third = textOf(threads, "<p>third");
  waiting.abort();
  await assert.rejects(second, /The call was stopped/);
  running.abort();
  await assert.rejects(first, /The call was stopped/);
  assert.equal(await third, "third");
  await assert.rejects(threads.run(page("<p>x"), AbortSignal.abort()), /The call was stopped/);
});

test("stop ends all threads and calls", async () => {
  const threads = new WebThreads({ limits: { threads: 1 } });
  assert.equal(await textOf(threads, "<p>one"), "one");
  const calls = [threads.run(page("<p>two"), never), threads.run(page("<p>three"), never)];
  const ended = Promise.allSettled(calls);
  await threads.stop();
  assert.deepEqual(
    (await ended).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(threads.size, 0);
  await assert.rejects(threads.run(page("<p>x"), never), /The call was stopped/);
});
