// Kills the gateway while agents of other vendors wait, answer, or ignore the end of their input, and counts the processes that are left.
//   npm run crash:acp -- [--cycles N] [--seed N] [--main FILE]
// --cycles: 100 by default. After each kill the gateway starts again; no process of an agent, nor of what it has started, may run 5 s later. Ends
// with 1 otherwise.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isRunning } from "../fakes/command-tools.ts";
import { KillableGateway, sleep } from "./killable-gateway.ts";
import { SeededRandom } from "./seeded-random.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
  },
});
const AGENT = join(import.meta.dirname, "../fakes/acp-agent.mjs");
const LIMIT_MS = 5_000;

const random = new SeededRandom(Number(values.seed));
const gateway = new KillableGateway({ main: values.main });
const log = join(gateway.home, "acp-log");
const script = JSON.stringify({ load: true, child: true, state: join(gateway.home, "acp-state"), log });

const entries = (name: string): string[] =>
  (existsSync(log) ? readFileSync(log, "utf8") : "").split("\n").filter((line) => line.startsWith(name));
const pids = (): number[] => [...entries("start "), ...entries("child ")].map((line) => Number(line.split(" ")[1]));

/** Waits for a condition, so long; returns whether it came. */
async function comes(is: () => boolean, ms: number): Promise<boolean> {
  const end = Date.now() + ms;
  while (!is()) {
    if (Date.now() > end) return false;
    await sleep(20);
  }
  return true;
}

const started = Date.now();
let [left, most] = [0, 0];
console.log(`seed ${values.seed}`);
try {
  await gateway.prepare({
    acp: { agents: { scripted: { command: process.execPath, args: [AGENT], env: { ACP_SCRIPT: script } } } },
    agents: { entries: { main: { runtime: { type: "acp", acp: { agent: "scripted" } } } } },
  });
  gateway.start();
  for (let cycle = 0; cycle < Number(values.cycles); cycle++) {
    const prompts = entries("session/prompt").length;
    const message = random.pick(["hello", "hang", "deaf", "spawn"]);
    const sessionKey = `agent:main:c${random.int(0, 3)}`;
    await gateway.call("chat.send", { sessionKey, message, idempotencyKey: `m${cycle}` });
    if (!(await comes(() => entries("session/prompt").length > prompts, 60_000))) throw new Error(`cycle ${cycle}: no prompt came`);
    await gateway.end("SIGKILL");
    const before = pids();
    gateway.start();
    await (await gateway.connect()).close();
    const connectedAt = Date.now();
    // An interrupted turn may have started another process meanwhile; that one belongs to the gateway that runs.
    if (!(await comes(() => !before.some(isRunning), LIMIT_MS))) {
      const running = before.filter(isRunning);
      left += running.length;
      console.log(`LEFT after cycle ${cycle} (${message}): ${running.join(", ")}`);
    }
    most = Math.max(most, Date.now() - connectedAt);
    if (cycle % 10 === 9) console.log(`${cycle + 1} of ${values.cycles}; ${before.length} processes so far`);
  }
  await gateway.end("SIGTERM");
  await comes(() => !pids().some(isRunning), LIMIT_MS);
  left += pids().filter(isRunning).length;
} finally {
  await gateway.end("SIGKILL");
  gateway.remove();
}
console.log(`${values.cycles} cycles in ${Math.round((Date.now() - started) / 1_000)} s; processes left: ${left}; longest wait ${most} ms`);
if (left > 0) process.exitCode = 1;
