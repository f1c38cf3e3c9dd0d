// Group: wire
import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { asId, type AgentId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { PiHosts } from "./hosts.ts";
import type { HostChoice } from "./settings.ts";

/** Stands for a host or a stock process: every command succeeds. */
const CHILD = `let b="";process.stdin.on("data",d=>{b+=d;for(let i;(i=b.indexOf("\\n"))>=0;b=b.slice(i+1)){const r=JSON.parse(b.slice(0,i));
console.log(JSON.stringify({type:"response",id:r.id,s:r.s,success:true,data:{residentBytes:1}}))}}).on("end",()=>process.exit(0))`;

function makeHosts(t: TestContext, choices: Record<string, HostChoice>) {
  const kinds: string[] = [];
  let crashes = 0;
  const hosts = new PiHosts({
    agents: () => ({ hostOf: (agentId) => choices[agentId]! }),
    defaultHost: () => "shared",
    shared: () => ({ shards: 1, maxIdleSessions: 100, idleMs: 0 }),
    launch: {
      generation: () => "g",
      onCrash: () => void crashes++,
      spec(kind) {
        kinds.push(kind);
        const env = { PATH: process.env["PATH"]! };
        return Promise.resolve({ generation: "g", args: ["-e", CHILD], env, keys: {}, cwd: tmpdir(), marker: testMarker() });
      },
    },
    maxProcesses: 2,
    parkedFile: (number) => `/parked-${number}`,
    clock: new FakeClock(),
    log: silentLog,
    metrics: silentMetrics,
  });
  t.after(() => hosts.stop(500));
  return { hosts, kinds, crashes: () => crashes };
}

const agent = (name: string): AgentId => asId(name);

test("an isolated agent has a host that no other agent uses, and an agent with the host `process` a stock process", async (t) => {
  const { hosts, kinds } = makeHosts(t, {
    one: { host: "shared", isolation: "none" },
    two: { host: "shared", isolation: "none" },
    alone: { host: "shared", isolation: "agent" },
    stock: { host: "process", isolation: "none" },
  });
  const pidOf = async (name: string): Promise<number> => (await hosts.acquire(agent(name), `/${name}.jsonl`)).slot.pid;
  const one = await pidOf("one");
  assert.equal(await pidOf("two"), one);
  const alone = await pidOf("alone");
  assert.equal(new Set([one, alone, await pidOf("stock")]).size, 3);
  assert.deepEqual(kinds, ["shared", "shared", "process"]);
  assert.deepEqual(
    hosts.counts().hosts!.map(({ group }) => group),
    ["shared 0", "agent:alone 0"],
  );
});

test("a process of either kind that ends unexpectedly is reported to what starts the next one", async (t) => {
  const { hosts, crashes } = makeHosts(t, {
    shared: { host: "shared", isolation: "none" },
    stock: { host: "process", isolation: "none" },
  });
  for (const [index, name] of ["shared", "stock"].entries()) {
    const { slot } = await hosts.acquire(agent(name), `/${name}.jsonl`);
    const ended = new Promise((resolve) => {
      slot.listen({
        grant: { system: "", tools: [] },
        onExit: resolve,
        onRecord() {},
        onToolCall() {},
        onProviderWait() {},
        onModelRequest() {},
      });
    });
    process.kill(slot.pid, "SIGKILL");
    await ended;
    assert.equal(crashes(), index + 1);
  }
});
