import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startModelServer, type ModelServer } from "../../../test/model-server.ts";
import { silentLog } from "../../core/log.ts";
import { until } from "../../../test/until.ts";
import { killMarkedProcesses, MARKER_VARIABLE } from "../../core/marked-processes.ts";

const root = mkdtempSync(join(tmpdir(), "orphans-"));
let server: ModelServer;
before(async () => {
  mkdirSync(join(root, "workspace"));
  server = await startModelServer();
});
after(async () => {
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** A gateway in miniature: one runtime, one turn. */
const gateway = (text: string): string => `
import { createPiRuntime } from ${url("./runtime.ts")};
import { testHosts, testTools } from ${url("../../../test/fakes/pi-runtime-options.ts")};
import { silentLog } from ${url("../../core/log.ts")};
import { allowTools } from ${url("../../../test/fakes/tool-permit.ts")};
import { silentMetrics } from ${url("../../core/metrics.ts")};
import { systemClock } from ${url("../../core/clock.ts")};
const runtime = createPiRuntime({
  stateDir: ${JSON.stringify(join(root, "state"))}, env: process.env, guideFacts: () => ({}),
  models: () => ({ test: { baseUrl: ${JSON.stringify(`${server.url}/v1`)}, models: [{ id: "test-model" }] } }),
  tools: testTools(${JSON.stringify(join(root, "state"))}), ...testHosts("shared"), log: silentLog, metrics: silentMetrics, clock: systemClock });
runtime.start();
setInterval(() => {}, 1e6);
const turn = { runId: "r", sessionKey: "agent:main:x", sessionId: "x", agentId: "main", text: ${JSON.stringify(text)}, images: [],
  models: [{ provider: "test", id: "test-model" }], thinking: "off", tools: ["exec"], workspace: ${JSON.stringify(join(root, "workspace"))},
  conversationContext: "", isPrivate: true, checkpoint: null, history: () => [], beforeTool: allowTools(${JSON.stringify(join(root, "workspace"))}) };
for await (const event of runtime.prompt(turn, new AbortController().signal)) console.log(event.type);
`;

/** Processes that carry the runner's mark and this test's directory. */
function children(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        if (!environment.includes(`${MARKER_VARIABLE}=`) || !environment.includes(root)) return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`];
      } catch {
        return []; // ended in the meantime, or someone else's
      }
    });
}

const start = (text: string): ChildProcess =>
  spawn(process.execPath, ["--input-type=module", "-e", gateway(text)], { stdio: ["ignore", "pipe", "inherit"] });

for (const [what, text, sign] of [
  ["in the middle of a tool", "tool:bash:sleep 4721 & setsid sleep 4723 & sleep 4722", "sleep 4722"],
  ["in the middle of an answer", "hang", "openclaw-pi"],
] as const) {
  test(`No process outlives a gateway that is killed ${what}`, { skip: process.platform !== "linux" }, async () => {
    server.clear();
    const child = start(text);
    await until("the turn runs", () => server.requests().length > 0 && children().some((each) => each.includes(sign)), 30_000);
    child.kill("SIGKILL");
    await until("everything is gone", () => children().length === 0, 5_000);
  });
}

const bound = spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0;

test(
  "A process that handles signals and is too busy to notice the gateway's end ends with it",
  { skip: bound ? false : "setpriv of util-linux is missing" },
  async () => {
    const looping = join(root, "looping");
    const loop = `process.on("SIGTERM", () => process.exit()); require("fs").writeFileSync(${JSON.stringify(looping)}, ""); for (;;);`;
    const script = `
import { PiProcess } from ${url("./process.ts")};
import { silentLog } from ${url("../../core/log.ts")};
new PiProcess({ args: ["-e", ${JSON.stringify(loop)}], env: { ${MARKER_VARIABLE}: "busy-1", PATH: process.env.PATH, OLDPWD: ${JSON.stringify(root)} },
  cwd: "/", keys: {}, marker: "busy-" + process.pid, log: silentLog, onRecord: () => {}, onExit: () => {} });
setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
    await until("it loops", () => existsSync(looping), 30_000);
    child.kill("SIGKILL");
    await until("it is gone", () => children().length === 0, 5_000);
  },
);

test(
  "A process that starts when the gateway is gone already ends before it has begun",
  { skip: bound ? false : "setpriv of util-linux is missing" },
  async () => {
    // The first program in the path stands for a slow start: it holds the child until the gateway is dead.
    const bin = join(root, "bin");
    mkdirSync(bin);
    const started = join(root, "started");
    writeFileSync(join(bin, "setpriv"), `#!/bin/sh\n/bin/sleep 0.5\nexec "$(PATH=/usr/bin:/bin command -v setpriv)" "$@"\n`, {
      mode: 0o755,
    });
    const script = `
import { PiProcess } from ${url("./process.ts")};
import { silentLog } from ${url("../../core/log.ts")};
new PiProcess({ args: ["-e", ${JSON.stringify(`require("fs").writeFileSync(${JSON.stringify(started)}, ""); for (;;);`)}],
  env: { ${MARKER_VARIABLE}: "late-1", PATH: ${JSON.stringify(`${bin}:/usr/bin:/bin`)}, OLDPWD: ${JSON.stringify(root)} },
  cwd: "/", keys: {}, marker: "late-" + process.pid, log: silentLog, onRecord: () => {}, onExit: () => {} });
setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
    await until("it is held", () => children().some((each) => each.includes("sleep 0.5")), 30_000);
    child.kill("SIGKILL");
    await until("it is gone", () => children().length === 0, 10_000);
    assert.ok(!existsSync(started));
  },
);

test(
  "Leftovers of an earlier life are found by their mark, also when they detached themselves",
  { skip: process.platform !== "linux" },
  async () => {
    const env = { PATH: process.env["PATH"], [MARKER_VARIABLE]: "family-1-old" };
    const stray = spawn("sleep", ["4731"], { env, detached: true, stdio: "ignore" });
    const other = spawn("sleep", ["4732"], { env: { ...env, [MARKER_VARIABLE]: "family-2-old" }, stdio: "ignore" });
    const spared = spawn("sleep", ["4733"], { env: { ...env, [MARKER_VARIABLE]: "family-1-new-commands" }, stdio: "ignore" });
    const gone = new Promise((resolve) => stray.once("exit", (_code, signal) => resolve(signal)));
    await until(
      "they run",
      () => [stray, other, spared].every(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep")),
      5_000,
    );
    assert.equal(await killMarkedProcesses("family-1-", silentLog, "family-1-new"), 1);
    assert.equal(await gone, "SIGKILL");
    for (const each of [other, spared]) {
      assert.equal(each.exitCode ?? each.signalCode, null);
      each.kill();
    }
  },
);
