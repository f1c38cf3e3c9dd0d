import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { silentLog } from "../core/log.ts";
import { ServiceWatch, type WatchDeps } from "./watch.ts";

function bench(more: Partial<WatchDeps> = {}, watchdogMs: number | null = 30_000) {
  const sent: string[] = [];
  const clock = new FakeClock();
  const state = { ready: true, text: "ready" };
  const watch = new ServiceWatch({
    socket: { watchdogMs, send: (fields) => (sent.push(...fields), Promise.resolve(true)) },
    clock,
    log: silentLog,
    probeStore: () => Promise.resolve(),
    load: () => ({ running: 0, waiting: 0 }),
    condition: () => state,
    ...more,
  });
  const take = (): string[] => sent.splice(0);
  const signs = async (ms: number): Promise<number> => {
    take();
    await clock.advanceSettled(ms);
    return take().filter((field) => field === "WATCHDOG=1").length;
  };
  return { watch, clock, state, take, signs };
}

test("the manager is notified once that the gateway is ready, and then what changes", async () => {
  const { watch, clock, state, take } = bench();
  state.ready = false;
  state.text = "starting: the store does not answer";
  watch.start();
  await clock.advanceSettled(3_000);
  assert.ok(!take().includes("READY=1"), "not before it is");
  state.ready = true;
  state.text = "ready, 2 of 2 channels";
  await clock.advanceSettled(1_000);
  assert.deepEqual(
    take().filter((field) => field !== "WATCHDOG=1"),
    ["READY=1", "STATUS=ready, 2 of 2 channels"],
  );
  state.text = "degraded: channel irc";
  await clock.advanceSettled(20_000);
  assert.deepEqual(
    take().filter((field) => field !== "WATCHDOG=1"),
    ["STATUS=degraded: channel irc"],
  );
  await watch.stop("SIGTERM");
  assert.deepEqual(take(), ["STOPPING=1", "STATUS=stopping: SIGTERM"]);
  await clock.advanceSettled(120_000);
  assert.deepEqual(take(), []);
});

test("a gateway that serves and does not become ready counts as started, because reading works", async () => {
  const { watch, clock, state, take } = bench();
  state.ready = false;
  state.text = "not ready: the disk is full";
  watch.start();
  await clock.advanceSettled(25_000);
  const [status, ...started] = take().filter((field) => field !== "WATCHDOG=1");
  assert.deepEqual([status, ...started], ["STATUS=not ready: the disk is full", "READY=1", "STATUS=not ready: the disk is full"]);
});

test("signs of life come three times in each period, and end while the store does not answer", async () => {
  let answer: (() => void) | undefined;
  let hangs = false;
  const { watch, signs } = bench({ probeStore: () => (hangs ? new Promise<void>((resolve) => (answer = resolve)) : Promise.resolve()) });
  watch.start();
  assert.equal(await signs(30_000), 3);
  hangs = true;
  await signs(30_000);
  assert.equal(await signs(60_000), 0);
  hangs = false;
  answer?.();
  await signs(10_000);
  assert.equal(await signs(30_000), 3);
});

test("signs of life end while sessions wait and no turn runs", async () => {
  const load = { running: 0, waiting: 3 };
  const { watch, signs } = bench({ load: () => load });
  watch.start();
  assert.equal(await signs(60_000), 6);
  await signs(300_000);
  assert.equal(await signs(60_000), 0);
  load.running = 1;
  assert.ok((await signs(60_000)) > 4);
});

test("without a watchdog no sign of life is sent", async () => {
  const { watch, signs } = bench({}, null);
  watch.start();
  assert.equal(await signs(600_000), 0);
});
