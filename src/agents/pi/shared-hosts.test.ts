// Group: wire
import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { settled, until } from "../../../test/until.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { SharedSession } from "./shared-session.ts";
import type { LaunchSpec } from "./launcher.ts";
import type { SharedHostSettings } from "./settings.ts";
import { SharedHosts } from "./shared-hosts.ts";

/** Stands for a host: opens and closes sessions; `exit` ends it with code 3, `deaf` silences it, `grow` makes it large. */
const HOST = `let b="",deaf=false,size=1;process.stdin.on("data",d=>{b+=d;for(let i;(i=b.indexOf("\\n"))>=0;b=b.slice(i+1)){const r=JSON.parse(b.slice(0,i));
if(r.type==="exit")process.exit(3);if(r.type==="deaf")deaf=true;if(r.type==="grow")size=1e12;if(deaf)continue;
const data=r.type==="ping"?{residentBytes:size,heapBytes:1,sessions:0,running:0}:{sessionFile:r.path,thinkingLevel:"off"};
console.log(JSON.stringify({type:"response",id:r.id,s:r.s,success:true,data}))}}).on("end",()=>process.exit(0))`;

type HostsOptions = Partial<SharedHostSettings> & { script?: () => string; generation?: () => string };

function makeHosts(t: TestContext, { script = () => HOST, generation = () => "g", ...settings }: HostsOptions = {}) {
  const clock = new FakeClock();
  let launches = 0;
  const env = { PATH: process.env["PATH"]! };
  const spec = (): Promise<LaunchSpec> => {
    launches++;
    return Promise.resolve({ generation: generation(), args: ["-e", script()], env, keys: {}, cwd: tmpdir(), marker: testMarker() });
  };
  const hosts = new SharedHosts({
    launch: { spec, generation, onCrash() {} },
    settings: () => ({ shards: 1, maxIdleSessions: 100, idleMs: 0, ...settings }),
    clock,
    log: silentLog,
    metrics: silentMetrics,
  });
  t.after(() => hosts.stop(500));
  return { hosts, clock, launches: () => launches };
}

/** A session of `file`, opened and held. */
async function opened(hosts: SharedHosts, file: string, group = "shared"): Promise<SharedSession> {
  const session = await hosts.acquire(file, group);
  if (!session.loaded) await session.load(file, "/");
  return session;
}

test("Sessions of one group share a process, and each keeps its own", async (t) => {
  const { hosts } = makeHosts(t);
  const [a, b] = await Promise.all([opened(hosts, "/a"), opened(hosts, "/b")]);
  assert.equal(a.pid, b.pid);
  assert.notEqual(a.number, b.number);
  await hosts.release(a, true);
  assert.equal(await hosts.acquire("/a", "shared"), a);
  assert.equal(hosts.hosts.length, 1);
});

test("Another group has another process, and so have shards; a session always meets the same one", async (t) => {
  const { hosts } = makeHosts(t, { shards: 2 });
  const files = ["/a1", "/a2", "/b1", "/b2"];
  const pids = [];
  for (const file of files) {
    const session = await opened(hosts, file, file.slice(0, 2));
    pids.push(session.pid);
    await hosts.release(session, true);
  }
  assert.equal(new Set(pids).size, 4);
  for (const [at, file] of files.entries()) assert.equal((await hosts.acquire(file, file.slice(0, 2))).pid, pids[at]);
});

test("Beyond the limit the sessions unused for longest are closed, running ones never", async (t) => {
  const { hosts, clock } = makeHosts(t, { maxIdleSessions: 2 });
  const busy = await opened(hosts, "/busy");
  for (const file of ["/a", "/b", "/c"]) {
    const session = await opened(hosts, file);
    clock.advance(1);
    await hosts.release(session, true);
  }
  assert.equal(hosts.evictions, 1);
  assert.equal(hosts.acquireLoaded("/a"), undefined);
  assert.ok(hosts.acquireLoaded("/b") && hosts.acquireLoaded("/c"));
  assert.equal(busy.isAlive, true);
});

test("A host that has grown is replaced once no turn runs in it", async (t) => {
  const { hosts, clock } = makeHosts(t);
  const a = await opened(hosts, "/a");
  const b = await opened(hosts, "/b");
  await a.request({ type: "grow" });
  clock.advance(LIMITS.piHostPingMs);
  await until("the size is known", () => hosts.hosts[0]!.isTooLarge);
  await hosts.release(a, true);
  assert.equal(b.isAlive, true);
  const next = await opened(hosts, "/a");
  assert.notEqual(next.pid, b.pid);
  await hosts.release(b, true);
  await until("the old process has ended", () => hosts.hosts.length === 1);
});

test("After a change of the configuration new turns go to a new process; a session is open in one only", async (t) => {
  let generation = "old";
  const { hosts } = makeHosts(t, { generation: () => generation });
  const a = await opened(hosts, "/a");
  const b = await opened(hosts, "/b");
  await hosts.release(a, true);
  generation = "new";
  const next = await opened(hosts, "/a");
  assert.notEqual(next.pid, a.pid);
  assert.equal(a.loaded, null);
  assert.equal(b.isAlive, true);
  await hosts.release(b, true);
  await until("the old process has ended", () => hosts.hosts.length === 1);
});

test("A host without a turn for a while ends, and the next turn starts one", async (t) => {
  const { hosts, clock } = makeHosts(t, { idleMs: 60_000 });
  const a = await opened(hosts, "/a");
  clock.advance(120_000);
  assert.equal(hosts.hosts.length, 1);
  await hosts.release(a, true);
  clock.advance(60_000);
  await until("it has ended", () => hosts.hosts.length === 0);
  assert.equal(hosts.restarts, 0);
  assert.equal(hosts.isReady, true, "the next turn starts one");
  const again = await opened(hosts, "/a");
  assert.notEqual(again.pid, a.pid);
});

test("A crash ends every turn that runs in the host and counts for each of its sessions, but once for all", async (t) => {
  const { hosts } = makeHosts(t);
  const exits: string[] = [];
  for (const file of ["/a", "/b"]) {
    const session = await opened(hosts, file);
    session.listen({
      grant: { system: "", tools: [] },
      onExit: () => exits.push(file),
      onRecord() {},
      onToolCall() {},
      onProviderWait() {},
      onModelRequest() {},
    });
    if (file === "/b") void session.request({ type: "exit" }).catch(() => undefined);
  }
  await until("both turns have ended", () => exits.length === 2);
  assert.deepEqual(exits, ["/a", "/b"]);
  assert.deepEqual([hosts.crashes.countOf("/a"), hosts.crashes.countOf("/b"), hosts.crashes.count], [1, 1, 1]);
  assert.equal((await opened(hosts, "/a")).isAlive, true);
});

test("A host that no longer answers is killed", async (t) => {
  const { hosts, clock } = makeHosts(t);
  const session = await opened(hosts, "/a");
  const ended: string[] = [];
  session.listen({
    grant: { system: "", tools: [] },
    onExit: () => void ended.push("/a"),
    onRecord() {},
    onToolCall() {},
    onProviderWait() {},
    onModelRequest() {},
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  void session.request({ type: "deaf" }).catch(() => undefined);
  clock.advance(LIMITS.piHostPingMs);
  while (ended.length === 0) {
    await settled();
    t.mock.timers.tick(LIMITS.piPingAnswerMs);
  }
  t.mock.timers.reset();
  assert.equal(hosts.restarts, 1);
});

test("A host that gets too little CPU time to answer is not killed", async (t) => {
  const { hosts, clock } = makeHosts(t);
  const session = await opened(hosts, "/a");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  process.kill(session.pid, "SIGSTOP");
  clock.advance(LIMITS.piHostPingMs);
  for (let waits = 1; waits < LIMITS.piPingWaits; waits++) {
    await settled(500);
    t.mock.timers.tick(LIMITS.piPingAnswerMs);
  }
  process.kill(session.pid, "SIGCONT");
  t.mock.timers.reset();
  await session.request({ type: "any" });
  assert.equal(session.isAlive, true);
  assert.equal(hosts.restarts, 0);
});

test("A host that refuses to start is replaced once it has ended", async (t) => {
  const refusing = HOST.replace("success:true", "success:false");
  const scripts = [refusing, HOST];
  const { hosts, launches } = makeHosts(t, { script: () => scripts.shift() ?? HOST });
  const session = await hosts.acquire("/a", "shared");
  assert.equal(session.isAlive, true);
  assert.equal(launches(), 2);
  assert.equal(hosts.restarts, 1);
});

test("When hosts keep failing, a turn waits for two attempts and is then refused, and the next one is tried again", async (t) => {
  let broken = true;
  const { hosts, clock, launches } = makeHosts(t, { script: () => (broken ? "process.exit(3)" : HOST) });
  const acquire = async (file: string): Promise<string> => {
    const answers: string[] = [];
    hosts.acquire(file, "shared").then(
      () => answers.push("a session"),
      (err: Error) => answers.push(err.message),
    );
    while (answers.length === 0) {
      await settled();
      if (hosts.hosts.every(({ state }) => state !== "starting")) clock.advance(clock.pending()[0] ?? 0);
    }
    return answers[0]!;
  };
  assert.match(await acquire("/a"), /keeps failing/);
  assert.equal(launches(), LIMITS.piCrashes + LIMITS.piPauses);
  broken = false;
  assert.equal(await acquire("/b"), "a session");
  assert.equal(hosts.problem, undefined);
});

test("While too many hosts have failed, a session whose host runs does not wait", async (t) => {
  const { hosts, clock } = makeHosts(t);
  const session = await opened(hosts, "/a");
  for (let n = 0; n < LIMITS.piCrashes; n++) hosts.crashes.record([`/${n}`]);
  assert.ok(hosts.crashes.pauseMs > 0);
  const pending = clock.pending().length;
  assert.equal((await hosts.acquire("/b", "shared")).pid, session.pid);
  assert.equal(clock.pending().length, pending);
});

test("A host that fails without a turn is started again with growing delays, and the failure is reported until one is ready", async (t) => {
  let broken = true;
  const { hosts, clock, launches } = makeHosts(t, { script: () => (broken ? "process.exit(3)" : HOST) });
  hosts.start();
  const delays = new Set<number>();
  while (!hosts.problem) {
    await settled();
    const next = clock.pending()[0];
    if (hosts.problem || hosts.hosts.length > 0 || next === undefined) continue;
    delays.add(next);
    clock.advance(next);
  }
  assert.ok(delays.size >= 3, [...delays].join());
  assert.match(hosts.problem, /failed 5 times within a minute: /);
  const failed = launches();
  clock.advance(LIMITS.piCrashWindowMs / 2);
  await settled();
  assert.equal(launches(), failed, "too many have failed");
  assert.ok(hosts.problem, "no host is ready yet");
  broken = false;
  clock.advance(LIMITS.piCrashWindowMs);
  await until("a host is ready", () => hosts.isReady);
  assert.equal(hosts.problem, undefined);
});

test("A turn that is stopped while the host starts does not wait for it", async (t) => {
  const { hosts } = makeHosts(t, { script: () => "process.stdin.on('end',()=>process.exit(0)).resume()" });
  const abort = new AbortController();
  const waiting = hosts.acquire("/a", "shared", abort.signal);
  await settled();
  abort.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
});

test("A session that does not stop its turn is ended alone; one that cannot even be closed takes the host with it", async (t) => {
  const { hosts } = makeHosts(t);
  const [a, b] = [await opened(hosts, "/a"), await opened(hosts, "/b")];
  await hosts.release(a, false);
  assert.equal(a.isAlive, false);
  assert.equal(b.isAlive, true);
  assert.equal((await opened(hosts, "/a")).pid, b.pid);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  void b.request({ type: "deaf" }).catch(() => undefined);
  const released = hosts.release(b, false);
  t.mock.timers.tick(LIMITS.piSessionEndMs);
  await released;
  const again = hosts.acquire("/b", "shared");
  await settled();
  assert.equal(hosts.hosts[0]?.running, 1, "its file is not opened again before it is closed");
  t.mock.timers.tick(LIMITS.piSessionCloseMs);
  t.mock.timers.reset();
  const next = await again;
  assert.notEqual(next.pid, b.pid);
});

test("A host that is slow to close a session is not killed, and opens the file again only after that", async (t) => {
  const { hosts } = makeHosts(t);
  const [a, b] = [await opened(hosts, "/a"), await opened(hosts, "/b")];
  process.kill(a.pid, "SIGSTOP");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const released = hosts.release(a, false);
  t.mock.timers.tick(LIMITS.piSessionEndMs);
  await released;
  t.mock.timers.reset();
  const again = hosts.acquire("/a", "shared");
  process.kill(a.pid, "SIGCONT");
  assert.equal((await again).pid, b.pid);
  assert.equal(b.isAlive, true);
});
