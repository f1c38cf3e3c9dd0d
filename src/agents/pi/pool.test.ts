import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { PiPool, type PiPoolOptions } from "./pool.ts";

/** Answers every command; `exit` ends it with code 3. */
const ECHO = `let b="";process.stdin.on("data",d=>{b+=d;for(let i;(i=b.indexOf("\\n"))>=0;b=b.slice(i+1)){const r=JSON.parse(b.slice(0,i));
if(r.type==="exit")process.exit(3);console.log(JSON.stringify({type:"response",id:r.id,success:r.type!=="no",error:"no",data:{}}))}}).on("end",()=>process.exit(0))`;

/** A clock that moves only by `advance`. */
function createFakeClock(): Clock & { advance(ms: number): void; jump(ms: number): void; pending(): number[] } {
  let now = 1_000_000;
  let wallMs = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  return {
    now: () => now + wallMs,
    jump: (ms) => void (wallMs += ms),
    monotonic: () => now,
    after: (delayMs, fn) => {
      const timer = { at: now + delayMs, fn };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      now += ms;
      for (const timer of [...timers].filter((each) => each.at <= now)) {
        timers.delete(timer);
        timer.fn();
      }
    },
    pending: () => [...timers].map((timer) => timer.at - now),
  };
}

function makePool(t: TestContext, more: Partial<PiPoolOptions> & { script?: () => string; generation?: () => string } = {}) {
  const clock = createFakeClock();
  let launches = 0;
  const pool = new PiPool({
    spec: () => {
      launches++;
      const script = more.script?.() ?? ECHO;
      const env = { PATH: process.env["PATH"]! };
      const generation = more.generation?.() ?? "g";
      return Promise.resolve({ generation, args: ["-e", script], env, keys: {}, cwd: tmpdir(), marker: "pool-test" });
    },
    warm: 1,
    max: 2,
    clock,
    log: silentLog,
    metrics: silentMetrics,
    ...more,
  });
  t.after(() => pool.stop(500));
  return { pool, clock, launches: () => launches };
}

test("A session goes to the process that has it loaded, another one to the least recently used process", async (t) => {
  const { pool, clock } = makePool(t);
  const [a, b] = await Promise.all([pool.acquire("/a"), pool.acquire("/b")]);
  a.session = "/a";
  b.session = "/b";
  pool.release(a);
  clock.advance(10);
  pool.release(b);
  assert.equal(await pool.acquire("/b"), b);
  pool.release(b);
  assert.equal(await pool.acquire("/c"), a);
});

test("Beyond the limit a turn waits, and can be aborted", async (t) => {
  const { pool } = makePool(t, { max: 1 });
  const first = await pool.acquire("/a");
  const second = pool.acquire("/b");
  const abort = new AbortController();
  const third = pool.acquire("/c", abort.signal);
  abort.abort(new Error("gave up"));
  await assert.rejects(third, /gave up/);
  pool.release(first);
  assert.equal(await second, first);
  assert.equal(pool.processCount, 1);
});

test("After crashes the next start is delayed more each time, then turns are refused immediately", async (t) => {
  const { pool, clock } = makePool(t, { script: () => "process.exit(3)" });
  const refused = pool.acquire("/a").then(
    () => assert.fail("got a process"),
    (err: Error) => err,
  );
  const delays: number[] = [];
  while (!pool.problem) {
    await new Promise((resolve) => setTimeout(resolve, 20));
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
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (pool.processCount === 0) clock.advance(LIMITS.piBackoffMinMs * 8);
  }
  await refused;
  broken = false;
  clock.advance(LIMITS.piCrashWindowMs);
  const worker = await pool.acquire("/b");
  assert.equal(pool.problem, undefined);
  pool.release(worker);
});

test("An outdated process is replaced when it is idle", async (t) => {
  let generation = "old";
  const { pool } = makePool(t, { generation: () => generation });
  const old = await pool.acquire("/a");
  generation = "new";
  const other = await pool.acquire("/b");
  assert.equal(old.state, "busy");
  pool.release(old);
  pool.release(other);
  const next = await pool.acquire("/a");
  assert.equal(next, other);
  await old.process.exited;
});

test("Spare processes end after their idle time, the warm one stays", async (t) => {
  const { pool, clock } = makePool(t);
  pool.start();
  const [a, b] = await Promise.all([pool.acquire("/a"), pool.acquire("/b")]);
  pool.release(a);
  clock.advance(5);
  pool.release(b);
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
  pool.release(a);
  pool.release(b);
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
  t.mock.timers.tick(LIMITS.piPingAnswerMs);
  t.mock.timers.reset();
  const exit = await worker.process.exited;
  assert.equal(exit.signal, "SIGKILL");
  assert.equal(exit.isExpected, false);
});

test("A failed start counts as a crash, and stopping meanwhile is safe", async (t) => {
  const { pool, clock } = makePool(t, {
    spec: () => Promise.resolve({ generation: "g", args: [], env: {}, keys: {}, cwd: "/nonexistent/x", marker: "m" }),
  });
  const refused = pool.acquire("/a").catch((err: Error) => err);
  while (!pool.problem) {
    await new Promise((resolve) => setTimeout(resolve, 5));
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

test("Crashes of one session end only its own turns", async (t) => {
  const { pool, clock } = makePool(t, { max: 4 });
  for (let i = 0; i < LIMITS.piSessionCrashes; i++) {
    const worker = await pool.acquire("/bad");
    worker.process.kill("SIGKILL", false);
    await worker.process.exited;
    const waiting = pool.acquire("/other");
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(LIMITS.piBackoffMinMs);
    pool.release(await waiting);
  }
  assert.equal(pool.problem, undefined);
  await assert.rejects(pool.acquire("/bad"), /This conversation has made the agent process fail 3 times/);
  pool.release(await pool.acquire("/good"));
  clock.advance(LIMITS.piCrashWindowMs);
  pool.release(await pool.acquire("/bad"));
});

test("A burst of turns starts two processes at a time, and waiting turns get the first free one", async (t) => {
  const { pool, launches } = makePool(t, { max: 8 });
  const before = launches();
  const turns = Array.from({ length: 10 }, (_, i) => pool.acquire(`/s${i}`));
  await Promise.all(turns.map(async (turn) => pool.release(await turn)));
  // Each acquire looks at the specification once, and each start once more.
  assert.ok(launches() - before - turns.length < 8, String(launches() - before - turns.length));
});

test("The wait of a turn for a process is limited", async (t) => {
  const { pool, clock } = makePool(t, { max: 1 });
  const held = await pool.acquire("/a");
  const waiting = pool.acquire("/b").catch((err: Error) => err);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(LIMITS.piWaitMs);
  assert.match(((await waiting) as Error).message, /No agent process became free within 10 minutes/);
  pool.release(held);
});
