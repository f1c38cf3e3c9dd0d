// Group: wire
import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { settled } from "../../../test/until.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { LoadedSession } from "./slot.ts";
import type { Launcher, LaunchSpec } from "./launcher.ts";
import { PiPool } from "./pool.ts";
import type { PiExit } from "./process.ts";

/** Answers every command; `exit` ends it with code 3. */
const ECHO = `let b="";process.stdin.on("data",d=>{b+=d;for(let i;(i=b.indexOf("\\n"))>=0;b=b.slice(i+1)){const r=JSON.parse(b.slice(0,i));
if(r.type==="exit")process.exit(3);console.log(JSON.stringify({type:"response",id:r.id,success:r.type!=="no",error:"no",data:{}}))}}).on("end",()=>process.exit(0))`;

const loaded = (file: string): LoadedSession => ({
  file,
  cwd: "/",
  model: null,
  thinking: null,
  contextWindow: 0,
  maxTokens: 0,
  price: null,
});

type PoolOptions = { max?: number; script?: () => string } & Partial<Pick<Launcher, "spec" | "generation">>;

function makePool(t: TestContext, { max = 2, script = () => ECHO, ...more }: PoolOptions = {}) {
  const clock = new FakeClock();
  let launches = 0;
  const generation = more.generation ?? (() => "g");
  const env = { PATH: process.env["PATH"]! };
  const spec = (): Promise<LaunchSpec> => {
    launches++;
    return Promise.resolve({ generation: generation(), args: ["-e", script()], env, keys: {}, cwd: tmpdir(), marker: testMarker() });
  };
  const pool = new PiPool({
    launch: { spec: more.spec ?? spec, generation, onCrash() {} },
    warm: 1,
    max,
    parkedFile: (number) => `/parked-${number}`,
    clock,
    log: silentLog,
    metrics: silentMetrics,
  });
  t.after(() => pool.stop(500));
  return { pool, clock, launches: () => launches };
}

test("A session goes to the process that has it loaded, another one to the process unused for longest", async (t) => {
  const { pool, clock } = makePool(t);
  const [a, b] = await Promise.all([pool.acquire("/a"), pool.acquire("/b")]);
  a.loaded = loaded("/a");
  b.loaded = loaded("/b");
  void pool.release(a, true);
  clock.advance(10);
  void pool.release(b, true);
  assert.equal(await pool.acquire("/b"), b);
  void pool.release(b, true);
  assert.equal(await pool.acquire("/c"), a);
});

test("Beyond the limit a turn waits its turn, and can give up waiting", async (t) => {
  const { pool } = makePool(t, { max: 1 });
  const first = await pool.acquire("/a");
  const second = pool.acquire("/b");
  const abort = new AbortController();
  const third = pool.acquire("/c", abort.signal);
  abort.abort(new Error("gave up"));
  await assert.rejects(third, /gave up/);
  void pool.release(first, true);
  assert.equal(await second, first);
  assert.equal(pool.processCount, 1);
});

test("After crashes the next process waits longer each time, then turns are refused at once", async (t) => {
  const { pool, clock } = makePool(t, { script: () => "process.exit(3)" });
  const refused = pool.acquire("/a").then(
    () => assert.fail("got a process"),
    (err: Error) => err,
  );
  const delays: number[] = [];
  while (!pool.problem) {
    await settled();
    const pending = clock.pending().filter((ms) => ms > 0 && ms <= LIMITS.piBackoffMaxMs && ms !== LIMITS.piPingMs);
    if (pending.length === 0 || pool.processCount > 0) continue;
    delays.push(pending[0]!);
    clock.advance(pending[0]!);
  }
  assert.deepEqual(delays, [250, 500, 1_000, 2_000]);
  assert.match((await refused).message, /keeps failing/);
  assert.match(pool.problem, /failed 5 times/);
  assert.equal(pool.restarts, 5);
});

test("A pool in trouble recovers when processes start again", async (t) => {
  let broken = true;
  const { pool, clock } = makePool(t, { script: () => (broken ? "process.exit(3)" : ECHO) });
  const refused = pool.acquire("/a").catch((err: Error) => err);
  while (!pool.problem) {
    await settled();
    if (pool.processCount === 0) clock.advance(LIMITS.piBackoffMinMs * 8);
  }
  await refused;
  broken = false;
  clock.advance(LIMITS.piCrashWindowMs);
  const worker = await pool.acquire("/b");
  assert.equal(pool.problem, undefined);
  void pool.release(worker, true);
});

test("An outdated process is replaced when it is idle", async (t) => {
  let generation = "old";
  const { pool } = makePool(t, { generation: () => generation });
  const old = await pool.acquire("/a");
  generation = "new";
  const other = await pool.acquire("/b");
  assert.equal(old.state, "busy");
  void pool.release(old, true);
  void pool.release(other, true);
  const next = await pool.acquire("/a");
  assert.equal(next, other);
  await old.process.exited;
});

test("Spare processes end after a while without work, the warm one stays", async (t) => {
  const { pool, clock } = makePool(t);
  pool.start();
  const [a, b] = await Promise.all([pool.acquire("/a"), pool.acquire("/b")]);
  void pool.release(a, true);
  clock.advance(5);
  void pool.release(b, true);
  clock.advance(LIMITS.piIdleMs);
  clock.advance(LIMITS.piIdleMs);
  await a.process.exited;
  assert.equal(pool.processCount, 1);
  assert.equal(b.process.isAlive, true);
});

test("A spare process ends after its idle time although the wall clock was set back an hour", async (t) => {
  const { pool, clock } = makePool(t);
  pool.start();
  const [a, b] = await Promise.all([pool.acquire("/a"), pool.acquire("/b")]);
  void pool.release(a, true);
  void pool.release(b, true);
  clock.jump(-3_600_000);
  clock.advance(LIMITS.piIdleMs);
  clock.advance(LIMITS.piIdleMs);
  await Promise.race([a.process.exited, b.process.exited]);
  assert.equal(pool.processCount, 1);
});

test("A busy process that does not answer its ping is killed", async (t) => {
  const deaf = `let n=0;let b="";process.stdin.on("data",d=>{b+=d;for(let i;(i=b.indexOf("\\n"))>=0;b=b.slice(i+1)){const r=JSON.parse(b.slice(0,i));
if(n++===0)console.log(JSON.stringify({type:"response",id:r.id,success:true,data:{}}))}})`;
  const { pool, clock } = makePool(t, { script: () => deaf });
  pool.start();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const pending = pool.acquire("/a");
  const worker = await pending;
  clock.advance(LIMITS.piPingMs);
  const ended: PiExit[] = [];
  void worker.process.exited.then((exit) => ended.push(exit));
  while (ended.length === 0) {
    await settled();
    t.mock.timers.tick(LIMITS.piPingAnswerMs);
  }
  t.mock.timers.reset();
  const [exit] = ended as [PiExit];
  assert.equal(exit.signal, "SIGKILL");
  assert.equal(exit.isExpected, false);
});

test("A process that cannot be started is a crash like any other, and stopping meanwhile is safe", async (t) => {
  const { pool, clock } = makePool(t, {
    spec: () => Promise.resolve({ generation: "g", args: [], env: {}, keys: {}, cwd: "/nonexistent/x", marker: testMarker() }),
  });
  const refused = pool.acquire("/a").catch((err: Error) => err);
  while (!pool.problem) {
    await settled();
    if (pool.processCount === 0) clock.advance(LIMITS.piBackoffMinMs * 8);
  }
  assert.match(((await refused) as Error).message, /keeps failing/);
  assert.match(pool.problem, /ENOENT/);
});

test("A pool that is stopped before its first process exists ends at once, also when the process could not be prepared", async (t) => {
  const prepared = Promise.withResolvers<never>();
  const { pool } = makePool(t, { spec: () => prepared.promise });
  pool.start();
  await pool.stop(100);
  prepared.reject(new Error("no directory"));
  await prepared.promise.catch(() => undefined);
  assert.equal(pool.processCount, 0);
});

test("Crashes of one session are its own", async (t) => {
  const { pool, clock } = makePool(t, { max: 4 });
  for (let i = 0; i < LIMITS.piSessionCrashes; i++) {
    const worker = await pool.acquire("/bad");
    worker.process.kill("SIGKILL", false);
    await worker.process.exited;
    const waiting = pool.acquire("/other");
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(LIMITS.piBackoffMinMs);
    void pool.release(await waiting, true);
  }
  assert.equal(pool.problem, undefined);
  assert.equal(pool.crashes.countOf("/bad"), LIMITS.piSessionCrashes);
  assert.equal(pool.crashes.countOf("/other"), 0);
  void pool.release(await pool.acquire("/good"), true);
  clock.advance(LIMITS.piCrashWindowMs);
  void pool.release(await pool.acquire("/bad"), true);
});

test("A burst of turns starts two processes at a time, and a waiting turn gets the first free one", async (t) => {
  const { pool, launches } = makePool(t, { max: 8 });
  const before = launches();
  const turns = Array.from({ length: 10 }, (_, i) => pool.acquire(`/s${i}`));
  await Promise.all(turns.map(async (turn) => pool.release(await turn, true)));
  // Each acquire looks at the specification once, and each start once more.
  assert.ok(launches() - before - turns.length < 8, String(launches() - before - turns.length));
});

test("A turn does not wait for a process without an end", async (t) => {
  const { pool, clock } = makePool(t, { max: 1 });
  const held = await pool.acquire("/a");
  const waiting = pool.acquire("/b").catch((err: Error) => err);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(LIMITS.piWaitMs);
  assert.match(((await waiting) as Error).message, /No agent process became free within 10 minutes/);
  void pool.release(held, true);
});
