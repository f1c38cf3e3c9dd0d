// Counts the files and functions of the sources that one warm turn enters, from the frame of `chat.send` to the last event, as V8 sees them.
//   node scripts/walk.ts [--functions]   --functions lists them
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openClient, type ProtocolClient } from "../src/client/client.ts";
import { Secret } from "../src/core/secret.ts";
import { startModelServer } from "../test/model-server.ts";
import { until } from "../test/until.ts";
import { modelConfig } from "../test/wire/gateway-process.ts";
import { forwarders, lineCounter, readSources, ROOT } from "./source-graph.ts";

const WARM_TURNS = 6;
const TOKEN = new Secret("walk-0123456789abcdef");

type Coverage = {
  result: { url: string; functions: { functionName: string; ranges: { startOffset: number; count: number }[] }[] }[];
};

/** A connection to V8's inspector of another process. */
async function openInspector(url: string) {
  const socket = new WebSocket(url);
  await once(socket, "open");
  const waiting = new Map<number, (result: unknown) => void>();
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  let last = 0;
  const call = <T>(method: string, params = {}): Promise<T> =>
    new Promise((resolve) => {
      waiting.set(++last, (result) => resolve(result as T));
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  return { call, close: () => socket.close() };
}

async function connect(port: number): Promise<ProtocolClient> {
  return until("the gateway", async () => {
    try {
      const scopes = ["operator.read", "operator.write"];
      return await openClient({ url: `ws://127.0.0.1:${port}`, credentials: { token: TOKEN }, scopes });
    } catch {
      return null;
    }
  });
}

/** Sends one message and waits until its turn has ended and nothing follows any more. */
async function runTurn(client: ProtocolClient, ended: ReadonlySet<string>, id: string): Promise<void> {
  await client.request("chat.send", { sessionKey: "main", message: `hello ${id}`, idempotencyKey: id });
  await until(`the end of ${id}`, () => ended.has(id));
  const next = performance.now() + 1_000;
  await until("the events after the end", () => performance.now() > next);
}

async function measure(port: number): Promise<Coverage> {
  const home = mkdtempSync(join(tmpdir(), "walk-"));
  const model = await startModelServer();
  const auth = { mode: "token", token: TOKEN.reveal() };
  writeFileSync(join(home, "openclaw.json"), JSON.stringify({ ...modelConfig(model.url), gateway: { port, auth } }));
  const args = ["--inspect=127.0.0.1:0", join(ROOT, "src/main.ts"), "gateway", "--port", String(port)];
  const env = { ...process.env, OPENCLAW_STATE_DIR: home, OPENCLAW_CONFIG_PATH: join(home, "openclaw.json") };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  try {
    const inspector = await openInspector(await until("the inspector", () => /ws:\S+/.exec(output)?.[0]));
    const client = await connect(port);
    const ended = new Set<string>();
    client.on(({ event, payload }) => {
      const { runId, state } = payload as { runId: string; state: string };
      if (event === "chat" && state === "final") ended.add(runId);
    });
    await client.request("sessions.subscribe");
    for (let n = 0; n < WARM_TURNS; n++) await runTurn(client, ended, `warm-${n}`);
    await inspector.call("Profiler.enable");
    await inspector.call("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
    await inspector.call("Profiler.takePreciseCoverage");
    await runTurn(client, ended, "measured");
    const coverage = await inspector.call<Coverage>("Profiler.takePreciseCoverage");
    await client.close();
    inspector.close();
    return coverage;
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
    await model.close();
    rmSync(home, { recursive: true, force: true });
  }
}

const coverage = await measure(19_788);
const sources = readSources();
const entered = coverage.result
  .filter(({ url }) => url.includes("/src/"))
  .map(({ url, functions }) => {
    const path = url.slice(url.indexOf("/src/") + 1);
    const called = functions.filter(({ ranges }) => ranges[0]!.count > 0);
    const source = sources.get(path);
    // Types are replaced by blanks: offsets are those of the source.
    const lineOf = lineCounter(source?.text ?? "");
    const passing = new Set(source ? forwarders(source).map(({ line }) => line) : []);
    return {
      file: path.slice("src/".length),
      names: called.map(({ functionName }) => functionName || "(anonymous)"),
      forwarders: called.filter(({ ranges }) => passing.has(lineOf(ranges[0]!.startOffset))).map(({ functionName }) => functionName),
    };
  })
  .filter(({ names }) => names.length > 0);
for (const [module, files] of Map.groupBy(entered, ({ file }) => file.split("/")[0]!))
  console.log(`${module.padEnd(10)} ${files.length} files, ${files.flatMap(({ names }) => names).length} functions`);
console.log(`in all     ${entered.length} files, ${entered.flatMap(({ names }) => names).length} functions`);
const passing = entered.flatMap(({ file, forwarders: names }) => names.map((name) => `${file} ${name || "(anonymous)"}`));
console.log(`of these only pass their parameters on: ${passing.length}${passing.map((each) => `\n  ${each}`).join("")}`);
if (process.argv.includes("--functions")) for (const { file, names } of entered) console.log(`${file}: ${names.join(" ")}`);
