import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { until } from "../../../test/until.ts";
import { silentLog } from "../../core/log.ts";
import { LIMITS } from "../../core/limits.ts";
import { Secret } from "../../core/secret.ts";
import type { ProviderTable } from "../models.ts";
import { piDirs } from "./files.ts";
import { PiLaunch } from "./launch.ts";

type Provider = ProviderTable[string];

function makeLaunch(t: TestContext) {
  const stateDir = mkdtempSync(join(tmpdir(), "pi-launch-"));
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  const clock = new FakeClock(Date.now());
  let reveals = 0;
  class CountedSecret extends Secret {
    override reveal(): string {
      reveals++;
      return super.reveal();
    }
  }
  const provider = (id: string): Provider => ({
    baseUrl: "http://127.0.0.1:9/v1",
    apiKey: new CountedSecret(`canary-key-${id}`),
    models: [{ id }],
  });
  const state = { version: {}, providers: { one: provider("a") } as Record<string, Provider>, keys: {} as NodeJS.ProcessEnv };
  const change = (next: { providers?: Record<string, Provider>; keys?: NodeJS.ProcessEnv }): void => {
    Object.assign(state, { version: {}, providers: { ...state.providers, ...next.providers }, keys: next.keys ?? state.keys });
  };
  const launch = new PiLaunch({
    stateDir,
    models: () => ({ ...state.providers }),
    env: {},
    agents: () => ({ version: state.version, providerEnv: () => ({ ...state.keys }) }),
    log: silentLog,
    clock,
  });
  return { launch, clock, change, provider, dirs: piDirs(stateDir), reveals: () => reveals };
}

test("the generation of unchanged providers and keys is computed once", async (t) => {
  const { launch, reveals } = makeLaunch(t);
  await launch.spec("process");
  const generation = launch.generation();
  const before = reveals();
  for (let n = 0; n < 10; n++) assert.equal(launch.generation(), generation);
  assert.equal(reveals(), before);
});

test("a changed provider, a new one, and a changed key are a new generation, which processes then have", async (t) => {
  const { launch, change, provider } = makeLaunch(t);
  const seen = [launch.generation()];
  change({ providers: { one: provider("b") } });
  seen.push(launch.generation());
  change({ providers: { two: provider("c") } });
  seen.push(launch.generation());
  change({ keys: { OPENAI_API_KEY: "canary-key-of-openai" } });
  seen.push(launch.generation());
  assert.equal(new Set(seen).size, seen.length);
  assert.equal((await launch.spec("process")).generation, seen.at(-1));
});

test("configuration files that were removed are written again by a later turn", async (t) => {
  const { launch, clock, dirs } = makeLaunch(t);
  await launch.spec("process");
  rmSync(dirs.config, { recursive: true });
  clock.advance(LIMITS.piFilesCheckMs);
  launch.generation();
  await until("the files", () => existsSync(join(dirs.config, "settings.json")) && existsSync(dirs.temp));
});

test("after a crash the locks that are older than it are removed once, before the next process is started", async (t) => {
  const { launch, clock, dirs } = makeLaunch(t);
  await launch.spec("shared");
  const lock = (name: string): string => {
    const path = join(dirs.config, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  // A lock is as old as its creation, which is in real time.
  const crash = async (): Promise<void> => {
    clock.advance(Math.max(0, Date.now() + 1 - clock.now()));
    launch.onCrash();
    await until("a later moment", () => Date.now() > clock.now() + 10);
  };
  const old = lock("old.lock");
  await crash();
  const newer = lock("newer.lock");
  await launch.spec("process");
  assert.deepEqual([existsSync(old), existsSync(newer)], [false, true]);
  await launch.spec("shared");
  assert.ok(existsSync(newer), "no process has ended since");
  await crash();
  await launch.spec("shared");
  assert.ok(!existsSync(newer));
});
