// node test/bench/run.ts [--runs N] [--only start,turn,channels]: prints CPU seconds and PSS with their spread, beside the budget.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { HARNESSES } from "../channel-kit/harness-registry.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import {
  descendants,
  dropHome,
  modelConfig,
  newHome,
  startGateway,
  stateDir,
  until,
  type GatewayUnderTest,
} from "../wire/gateway-process.ts";

const DIST = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" }, only: { type: "string" }, json: { type: "boolean" } } });
const runs = Number(values.runs);
const only = values.only?.split(",");

/** Turns per run of the turn measurement. */
const TURNS = 25;

type Figure = { name: string; unit: string; samples: number[]; budget?: number };
const figures: Figure[] = [];

function record(name: string, unit: string, sample: number, budget?: number): void {
  let figure = figures.find((each) => each.name === name);
  if (!figure) figures.push((figure = { name, unit, samples: [], ...(budget === undefined ? {} : { budget }) }));
  figure.samples.push(sample);
}

/** CPU seconds of one process so far, all of its threads. */
function cpuOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8"));
  return tasks.reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1e9, 0);
}

function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)![1]) / 1024;
}

const familyOf = (gateway: GatewayUnderTest): number[] => [gateway.pid, ...descendants(gateway.pid)];
const familyCpu = (gateway: GatewayUnderTest): number => familyOf(gateway).reduce((sum, pid) => sum + cpuOf(pid), 0);

const start = (model: ModelServer | null, more: { home?: string } = {}): Promise<GatewayUnderTest> =>
  startGateway({
    main: DIST,
    env: { NODE_COMPILE_CACHE: join(stateDir(shared), "cache") },
    ...(model ? { config: modelConfig(model.url) } : {}),
    ...more,
  });

const shared = newHome();

/** Spawn to the first successful `health`; memory when it is ready. */
async function benchStart(): Promise<void> {
  for (let run = 0; run < runs + 1; run++) {
    const home = newHome();
    const gateway = await start(null, { home });
    const client = await gateway.connect({ scopes: ["operator.read"] });
    await client.request("health");
    const cpu = cpuOf(gateway.pid);
    const pss = pssOf(gateway.pid);
    // The first run fills the compile cache.
    if (run > 0) {
      record("start to first health", "s CPU", cpu, 0.25);
      record("gateway at ready", "MiB PSS", pss, 60);
    }
    client.close();
    await gateway.kill();
    dropHome(home);
  }
}

/** Time in which a channel that is connected may still be loading. */
const SETTLED_MS = 2_500;

/** What channels add to a gateway that is connected to their scripted servers, beyond one without channels. */
async function benchChannels(): Promise<void> {
  const main = ["telegram", "discord", "slack", "signal"];
  const sets = [
    [],
    main,
    ...Object.keys(HARNESSES)
      .filter((id) => id !== "webchat")
      .map((id) => [id]),
  ];
  for (let run = 0; run < runs + 1; run++) {
    const bare = { cpu: 0, pss: 0 };
    for (const ids of sets) {
      const { cpu, pss } = await costOf(ids);
      if (ids.length === 0) Object.assign(bare, { cpu, pss });
      else if (run > 0) {
        const name = ids.length === 1 ? ids[0]! : ids.join(", ");
        const isMain = ids === main;
        record(`added by ${name}`, "MiB PSS", pss - bare.pss, isMain ? 40 : undefined);
        record(`added by ${name} until connected`, "s CPU", cpu - bare.cpu, isMain ? 0.15 : undefined);
      }
    }
  }
}

async function costOf(ids: readonly string[]): Promise<{ cpu: number; pss: number }> {
  const home = newHome();
  const modules = await Promise.all(ids.map((id) => HARNESSES[id]!()));
  const stages = await Promise.all(modules.map((module) => module.open()));
  const channels = Object.fromEntries(ids.map((id, at) => [id, stages[at]!.config({ dmPolicy: "open", allowFrom: ["*"], room: null })]));
  const gateway = await startGateway({
    main: DIST,
    env: { NODE_COMPILE_CACHE: join(stateDir(shared), "cache") },
    config: { channels },
    home,
  });
  try {
    for (const stage of stages) stage.onGatewayListening?.(gateway.http, gateway);
    const client = await gateway.connect({ scopes: ["operator.read"] });
    await until("all channels", async () => {
      const { channelAccounts } = await client.request<{ channelAccounts: Record<string, { connected?: boolean }[]> }>(
        "channels.status",
        {},
      );
      return ids.every((id) => channelAccounts[id]?.[0]?.connected);
    });
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    const cost = { cpu: cpuOf(gateway.pid), pss: pssOf(gateway.pid) };
    client.close();
    return cost;
  } finally {
    await gateway.kill();
    for (const stage of stages) await stage.close();
    dropHome(home);
  }
}

async function benchTurns(model: ModelServer): Promise<void> {
  const home = newHome();
  const gateway = await start(model, { home });
  const client = await gateway.connect();
  await client.request("sessions.subscribe", {});
  const ends = new Map<string, () => void>();
  client.on((event) => {
    const payload = event.payload as { runId?: string; state?: string };
    if (event.event === "chat" && payload.state === "final") ends.get(payload.runId!)?.();
  });
  const turn = async (sessionKey: string, message: string): Promise<void> => {
    const idempotencyKey = crypto.randomUUID();
    const done = new Promise<void>((resolve) => ends.set(idempotencyKey, resolve));
    await client.request("chat.send", { sessionKey, message, idempotencyKey });
    await done;
    ends.delete(idempotencyKey);
  };
  for (let warm = 0; warm < 10; warm++) await turn("main", `warm ${warm}`);
  for (let run = 0; run < runs; run++) {
    // A conversation of its own for each run: what Pi sends to the model grows with the conversation.
    const session = `turns-${run}`;
    for (let warm = 0; warm < 5; warm++) await turn(session, `warm ${warm}`);
    const others = cpuOf(process.pid);
    const before = familyCpu(gateway);
    const own = cpuOf(gateway.pid);
    for (let n = 0; n < TURNS; n++) await turn(session, `message ${n}`);
    record("warm turn, gateway and Pi", "ms CPU", ((familyCpu(gateway) - before) * 1000) / TURNS, 10);
    record("warm turn, gateway alone", "ms CPU", ((cpuOf(gateway.pid) - own) * 1000) / TURNS);
    record("(model server and client, for comparison)", "ms CPU", ((cpuOf(process.pid) - others) * 1000) / TURNS);
  }
  for (let n = 0; n < 50; n++) await turn("main", `filling ${n}`);
  await benchRpc(gateway, client);
  for (let n = 0; n < 31; n++) await turn(`s${n}`, "hello");
  record("gateway with 31 sessions", "MiB PSS", pssOf(gateway.pid));
  record(
    "Pi processes with 31 sessions",
    "MiB PSS",
    descendants(gateway.pid).reduce((sum, pid) => sum + pssOf(pid), 0),
  );
  await benchIdle(gateway);
  await benchBroadcast(gateway, turn);
  await benchCli(gateway);
  await benchLists(gateway, client);
  client.close();
  await gateway.kill();
  dropHome(home);
}

type Connected = Awaited<ReturnType<GatewayUnderTest["connect"]>>;

async function benchRpc(gateway: GatewayUnderTest, client: Connected): Promise<void> {
  const calls: Call[] = [
    ["last-heartbeat", {}, 0.05],
    ["health", {}, 0.05],
    ["config.get", {}, 0.03],
    ["sessions.list", { limit: 10 }, 0.03],
    ["chat.history", { sessionKey: "main", limit: 50 }, 0.042],
  ];
  await benchCalls(gateway, client, calls, 2_000);
}

/** Adds 1,000 sessions, so it comes last. */
async function benchLists(gateway: GatewayUnderTest, client: Connected): Promise<void> {
  for (let n = 0; n < 1_000; n += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => client.request("sessions.create", { key: `listed-${n + i}` })));
  const lists: Call[] = [
    ["sessions.list", { limit: 100 }, 0.3],
    ["sessions.list", { limit: 1_000 }, 3],
  ];
  await benchCalls(gateway, client, lists, 500);
}

type Call = [method: string, params: Record<string, unknown>, budget: number | undefined];

async function benchCalls(gateway: GatewayUnderTest, client: Connected, calls: readonly Call[], many: number): Promise<void> {
  for (const [method, params, budget] of calls) {
    const what = "limit" in params ? `${method} ${String(params["limit"])}` : method;
    for (let n = 0; n < 300; n++) await client.request(method, params);
    for (let run = 0; run < runs; run++) {
      const before = cpuOf(gateway.pid);
      for (let n = 0; n < many; n += 20) await Promise.all(Array.from({ length: 20 }, () => client.request(method, params)));
      record(`RPC ${what}`, "ms CPU", ((cpuOf(gateway.pid) - before) * 1000) / many, budget);
    }
  }
}

async function benchIdle(gateway: GatewayUnderTest): Promise<void> {
  const wakes = (): number =>
    familyOf(gateway).reduce(
      (sum, pid) => sum + Number(/voluntary_ctxt_switches:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]),
      0,
    );
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const before = { cpu: familyCpu(gateway), wakes: wakes(), at: Date.now() };
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const seconds = (Date.now() - before.at) / 1000;
  record("idle, one client", "% of a core", ((familyCpu(gateway) - before.cpu) / seconds) * 100, 0.05);
  record("idle, one client, main threads", "wakes/s", (wakes() - before.wakes) / seconds);
}

/** One event to a thousand clients: what a delivery costs the gateway. */
async function benchBroadcast(gateway: GatewayUnderTest, turn: (sessionKey: string, message: string) => Promise<void>): Promise<void> {
  const helper = spawn(
    process.execPath,
    [fileURLToPath(new URL("./listeners.ts", import.meta.url)), gateway.url, gateway.token(), "1000"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let said = "";
  helper.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await until("a thousand clients", () => said.includes("ready"), 120_000);
  const received = (): number => Number(/received (\d+)\s*$/.exec(said.trim())?.[1] ?? 0);
  for (let run = 0; run < Math.min(runs, 3); run++) {
    const count = received();
    const alone = cpuOf(gateway.pid);
    await turn("main", `long:100 broadcast ${run}`);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const deliveries = received() - count;
    record("broadcast to 1,000 clients", "us CPU per delivery", ((cpuOf(gateway.pid) - alone) * 1e6) / Math.max(1, deliveries), 12);
  }
  record("gateway with 1,000 clients", "MiB PSS", pssOf(gateway.pid));
  helper.kill();
}

async function benchCli(gateway: GatewayUnderTest): Promise<void> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: gateway.home, NODE_COMPILE_CACHE: join(stateDir(shared), "cache") };
  const commands = [
    ["--version"],
    ["status"],
    ["agents", "list", "--bindings"],
    ["sessions", "list"],
    ["gateway", "call", "health"],
    ["doctor"],
  ];
  for (const command of commands) {
    for (let run = 0; run < runs + 1; run++) {
      const result = spawnSync(
        "/usr/bin/env",
        [
          "bash",
          "-c",
          'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1',
          "bench",
          process.execPath,
          DIST,
          ...command,
          "--url",
          gateway.url,
          "--token",
          gateway.token(),
        ],
        { env, encoding: "utf8" },
      );
      const [user = 0, system = 0] = result.stderr.trim().split(/\s+/).map(Number);
      if (run > 0) record(`openclaw ${command.join(" ")}`, "s CPU", user + system, 0.15);
    }
  }
}

const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3));

function print(): void {
  for (const { name, unit, samples, budget } of figures) {
    const middle = median(samples);
    const verdict =
      budget === undefined
        ? ""
        : middle <= budget
          ? `within the budget of ${budget}`
          : `over the budget of ${budget} by ${(middle / budget).toFixed(2)}x`;
    process.stdout.write(
      `${name.padEnd(44)} ${digits(middle).padStart(8)} ${unit.padEnd(22)} (${digits(Math.min(...samples))} to ${digits(Math.max(...samples))}, n=${samples.length})  ${verdict}\n`,
    );
  }
}

if (!existsSync(DIST)) {
  process.stderr.write("dist/ is missing: npm run build\n");
  process.exit(1);
}
const model = await startModelServer();
const wanted = (name: string): boolean => !only || only.includes(name);
try {
  if (wanted("start")) await benchStart();
  if (wanted("turn")) await benchTurns(model);
  if (wanted("channels")) await benchChannels();
  print();
  if (values.json) writeFileSync("bench.json", JSON.stringify(figures, null, 2));
} finally {
  await model.close();
  dropHome(shared);
}
