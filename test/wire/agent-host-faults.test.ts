// The real process whose agent host is killed under many turns, or cannot be started.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw } from "./cli.ts";
import {
  descendants,
  dropHome,
  MAIN,
  modelConfig,
  newHome,
  startGateway,
  until,
  WARM_AGENTS,
  type GatewayUnderTest,
  type StartOptions,
} from "./gateway-process.ts";

const SESSIONS = 31;
let model: ModelServer;
before(async () => {
  model = await startModelServer();
});
afterEach(() => {
  model.setBehaviour(undefined);
  model.clear();
});
after(() => model.close());

async function start(t: TestContext, options: StartOptions = {}): Promise<GatewayUnderTest> {
  const home = newHome();
  const config = {
    ...modelConfig(model.url),
    agents: { defaults: { model: { primary: "test/echo" }, maxConcurrent: SESSIONS, skipBootstrap: true } },
  };
  const gateway = await startGateway({ home, config, ...options, env: { ...WARM_AGENTS, ...options.env } });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    dropHome(home);
  });
  return gateway;
}

const hostsOf = ({ pid }: GatewayUnderTest): number[] =>
  descendants(pid).filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").startsWith("openclaw-pi"));

const ENDS = new Set(["final", "error", "aborted"]);
type Final = { runId: string; state: string; text: string };

/** Sends to every session, kills the host when `ready` says so, and resolves to the last event of each run, at least one for each. */
async function killUnderTurns(
  gateway: GatewayUnderTest,
  text: string,
  ready: (shown: number) => boolean,
  release: () => void,
): Promise<Final[]> {
  const client = await gateway.connect();
  const finals: Final[] = [];
  const shown = new Set<string>();
  client.on(({ event, payload }) => {
    if (event !== "chat") return;
    const { runId, state, message } = payload as { runId: string; state: string; message?: { content: { text?: string }[] } };
    if (state === "delta") shown.add(runId);
    if (ENDS.has(state)) finals.push({ runId, state, text: message?.content.map((part) => part.text ?? "").join("") ?? "" });
  });
  const keys = Array.from({ length: SESSIONS }, (_, at) => `run-${at}`);
  await Promise.all(keys.map((key, at) => client.request("chat.send", { sessionKey: `s${at}`, message: text, idempotencyKey: key })));
  await until("every session has a running turn", () => ready(shown.size), 60_000);
  const hosts = hostsOf(gateway);
  assert.equal(hosts.length, 1);
  process.kill(hosts[0]!, "SIGKILL");
  release();
  await Promise.all(keys.map((runId) => client.request("agent.wait", { runId, timeoutMs: 60_000 }, { timeoutMs: 70_000 })));
  await until("the end of every run is announced", () => new Set(finals.map(({ runId }) => runId)).size === SESSIONS);
  assert.deepEqual(finals.map(({ runId }) => runId).toSorted(), keys.toSorted(), "one end each");
  await client.close();
  return finals;
}

test(`A host that is killed under ${SESSIONS} turns without output costs none of them its answer`, { timeout: 180_000 }, async (t) => {
  const gateway = await start(t);
  const held = Promise.withResolvers<void>();
  model.setBehaviour((_request, index) => (index < SESSIONS ? { steps: [{ until: held.promise }, { text: "late" }] } : undefined));
  const finals = await killUnderTurns(
    gateway,
    "hello",
    () => model.requests().length === SESSIONS,
    () => undefined,
  );
  held.resolve();
  assert.deepEqual(new Set(finals.map(({ state, text }) => `${state}: ${text}`)), new Set(["final: You said: hello"]));
});

test(
  `A host that is killed under ${SESSIONS} turns with output closes each of them visibly, and runs none again`,
  { timeout: 180_000 },
  async (t) => {
    const gateway = await start(t);
    const held = Promise.withResolvers<void>();
    model.setBehaviour(() => ({ steps: [{ text: "the beginning" }, { until: held.promise }] }));
    const finals = await killUnderTurns(gateway, "hello", (shown) => shown === SESSIONS, held.resolve);
    assert.deepEqual(new Set(finals.map(({ state }) => state)), new Set(["error"]));
    assert.equal(model.requests().length, SESSIONS);
    model.setBehaviour(undefined);
    const client = await gateway.connect();
    await client.request("chat.send", { sessionKey: "s0", message: "still there?", idempotencyKey: "next" });
    const { status } = await client.request<{ status: string }>("agent.wait", { runId: "next", timeoutMs: 30_000 }, { timeoutMs: 40_000 });
    assert.equal(status, "ok");
    await client.close();
  },
);

test(
  "While the agent host keeps failing, readiness, doctor and status say so, and messages are refused visibly",
  { timeout: 180_000 },
  async (t) => {
    const home = newHome();
    const main = fileURLToPath(new URL("./fixtures/broken-agent-host.mjs", import.meta.url));
    const gateway = await start(t, { home, main, env: { GATEWAY_ENTRY: MAIN } });
    const readiness = async (): Promise<{ status: number; text: string }> => {
      const response = await fetch(`${gateway.http}/readyz`);
      return { status: response.status, text: await response.text() };
    };
    await until("the gateway is not ready", async () => (await readiness()).status === 503, 60_000);
    const doctor = await openclaw(home, "doctor", "--json");
    assert.equal(doctor.code, 1);
    const { findings } = JSON.parse(doctor.stdout) as { findings: { check: string; severity: string; title: string; why?: string }[] };
    const finding = findings.find(({ check }) => check === "agent-host");
    assert.equal(finding?.severity, "problem");
    assert.match(finding!.why!, /has failed 5 times within a minute: .*Error.*missing/);
    const status = await openclaw(home, "status");
    assert.match(status.stdout, /has failed 5 times/);
    const client = await gateway.connect();
    await client.request("chat.send", { sessionKey: "s", message: "hello", idempotencyKey: "refused" });
    const wait = async (runId: string) =>
      client.request<{ status: string; error?: string }>("agent.wait", { runId, timeoutMs: 30_000 }, { timeoutMs: 40_000 });
    assert.equal((await wait("refused")).status, "error");
    await client.close();
  },
);
