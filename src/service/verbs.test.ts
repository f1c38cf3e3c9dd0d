// Whether a service runs follows from what the operator has said, over any sequence of the verbs and for each profile by itself.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CliError } from "../core/errors.ts";
import type { ServiceDefinition } from "./definition.ts";
import type { RunProgram } from "./run-program.ts";
import { SystemdManager } from "./systemd.ts";

const UNITS = ["openclaw-gateway.service", "openclaw-gateway-work.service"] as const;
type UnitState = { isInstalled: boolean; isEnabled: boolean; isRunning: boolean };

const answer = (code: number, stdout = ""): ReturnType<RunProgram> =>
  Promise.resolve({ code, stdout, stderr: code === 0 ? "" : "not found" });

/** systemd, as far as units are started and stopped. */
function fakeSystemd(dir: string) {
  const units = new Map<string, { isEnabled: boolean; isRunning: boolean }>(
    UNITS.map((unit) => [unit, { isEnabled: false, isRunning: false }]),
  );
  const isThere = (unit: string): boolean => existsSync(join(dir, unit));
  const run: RunProgram = (program, args) => {
    if (program !== "systemctl") return answer(0, "Linger=yes");
    const [verb = "", ...rest] = args.filter((each) => each !== "--user");
    const unit = units.get(rest.at(-1) ?? "");
    if (verb === "daemon-reload" || verb === "reset-failed") return answer(0);
    if (unit === undefined || !isThere(rest.at(-1)!)) return answer(5);
    if (verb === "enable") unit.isEnabled = true;
    if (verb === "disable") unit.isEnabled = false;
    if (verb === "start" || verb === "restart") unit.isRunning = true;
    if (verb === "stop" || rest.includes("--now")) unit.isRunning = false;
    if (verb !== "show") return answer(0);
    const [active, enabled] = [unit.isRunning ? "active" : "inactive", unit.isEnabled ? "enabled" : "disabled"];
    return answer(0, `LoadState=loaded\nActiveState=${active}\nMainPID=${unit.isRunning ? 42 : 0}\nUnitFileState=${enabled}\n`);
  };
  const reboot = (): void => {
    for (const [name, unit] of units) unit.isRunning = unit.isEnabled && isThere(name);
  };
  return { run, reboot };
}

const DEFINITION: ServiceDefinition = {
  description: "gateway",
  command: ["/usr/bin/node", "/opt/main.js", "gateway", "run"],
  workingDirectory: "/home/ann",
  environment: {},
  environmentFile: "/home/ann/.openclaw/env",
  outputFile: "/home/ann/out",
  user: null,
  notifies: false,
};

/** What a verb does, and what the operator means by it. */
const VERBS: Readonly<Record<string, { act: (manager: SystemdManager) => Promise<unknown>; meant: Partial<UnitState> }>> = {
  install: { act: (manager) => manager.install(DEFINITION), meant: { isInstalled: true, isEnabled: true } },
  start: { act: (manager) => manager.start(), meant: { isEnabled: true, isRunning: true } },
  stop: { act: (manager) => manager.stop({ disable: false }), meant: { isRunning: false } },
  disable: { act: (manager) => manager.stop({ disable: true }), meant: { isEnabled: false, isRunning: false } },
  restart: { act: (manager) => manager.restart(), meant: { isRunning: true } },
  uninstall: { act: (manager) => manager.uninstall(), meant: { isInstalled: false, isEnabled: false, isRunning: false } },
};

/** Refused for a unit that is not there; then nothing is changed. */
async function say(verb: string, manager: SystemdManager, state: UnitState): Promise<void> {
  const { act, meant } = VERBS[verb]!;
  try {
    await act(manager);
    Object.assign(state, meant);
  } catch (err) {
    if (!(err instanceof CliError) || state.isInstalled) throw err;
  }
}

async function runSequence(dir: string, next: (count: number) => number): Promise<void> {
  const { run, reboot } = fakeSystemd(dir);
  const managers = UNITS.map((unit) => new SystemdManager({ unit, scope: "user", dir, userName: "ann", run }));
  const states = UNITS.map((): UnitState => ({ isInstalled: false, isEnabled: false, isRunning: false }));
  const said: string[] = [];
  for (let step = 0; step < 30; step++) {
    const [verb, at] = [[...Object.keys(VERBS), "reboot"][next(7)]!, next(2)];
    said.push(`${verb} ${at}`);
    if (verb === "reboot") {
      reboot();
      for (const state of states) state.isRunning = state.isEnabled;
    } else await say(verb, managers[at]!, states[at]!);
    for (const [index, manager] of managers.entries()) {
      const { installed, enabled, active } = await manager.state();
      const { isInstalled, isEnabled, isRunning } = states[index]!;
      assert.deepEqual([installed, enabled, active], [isInstalled, isEnabled, isRunning], `${UNITS[index]} after ${said.join(", ")}`);
    }
  }
}

test("over random verbs and restarts of the machine, each profile runs exactly when its operator has said so", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    let state = seed;
    const next = (count: number): number => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 8) % count;
    const dir = mkdtempSync(join(tmpdir(), "verbs-"));
    try {
      await runSequence(dir, next);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
});
