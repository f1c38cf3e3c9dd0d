import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { AccountChanges, AccountSpec } from "../channels/account-types.ts";
import { channelAccounts } from "../config/channel-accounts.ts";
import { checkConfigText, hashOf, type LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { asId, type ChannelId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createHealth } from "../observe/health.ts";
import { ConfigApplier } from "./config-applier.ts";
import { RunningConfig, type ConfigState } from "./running-config.ts";

const irc = asId<ChannelId>("irc");

function load(text: string): LoadedConfig {
  const { config, issues, isReadable } = checkConfigText(text, { path: "/openclaw.json", env: {}, home: "/" });
  const source = isReadable ? "file" : "last-good";
  return { config, issues, source, raw: text, hash: hashOf(text), path: "/openclaw.json", exists: true };
}

const stateOf = (loaded: LoadedConfig): ConfigState => ({ loaded, agents: {} as never, auth: {} as never, logLevels: {} as never });

const accountsOf = (config: Config): AccountSpec[] =>
  channelAccounts(config, "irc").map(({ id, enabled, raw }) => ({ channel: irc, account: id, enabled, config: raw }));

const withNick = (a: string, b = "b"): string =>
  JSON.stringify({ session: { mainKey: "x" }, channels: { irc: { accounts: { a: { host: "h", nick: a }, b: { host: "h", nick: b } } } } });

const names = (accounts: readonly AccountSpec[]): string => accounts.map((each) => each.account).join(",");

type Step = "build" | "prepare" | "activate" | "accounts";

/** An applier whose file is `content`, and whose steps fail or wait as a test says. */
function open(t: TestContext, first: string) {
  const dir = mkdtempSync(join(tmpdir(), "config-applier-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const seen = { content: first, trail: [] as string[], applied: [] as string[], active: "" };
  let fails: Step | null = null;
  let gate: Promise<void> | null = null;
  let running: AccountSpec[] = [];
  const fail = (step: Step): void => {
    if (fails !== step) return;
    fails = null;
    throw new Error(`${step} failed`);
  };
  const config = new RunningConfig(stateOf(load(first)));
  const health = createHealth();
  const applier = new ConfigApplier({
    running: config,
    paths: { config: "/openclaw.json", lastGood: join(dir, "last-good.json") },
    read: () => load(seen.content),
    build: (loaded) => {
      fail("build");
      return stateOf(loaded);
    },
    prepareAccounts: async (next) => {
      seen.trail.push("prepare");
      await gate;
      fail("prepare");
      return accountsOf(next);
    },
    activate: (state) => {
      fail("activate");
      seen.active = state.loaded.hash;
    },
    supervisor: {
      accounts: () => running,
      apply: async ({ added, removed, restarted, updated }: AccountChanges) => {
        seen.trail.push(`added ${names(added)} removed ${names(removed)} restarted ${names(restarted)} updated ${names(updated)}`);
        const replaced = [...removed, ...restarted, ...updated].map((each) => each.account);
        running = [...running.filter((each) => !replaced.includes(each.account)), ...added, ...restarted, ...updated];
        fail("accounts");
      },
    },
    health,
    log: silentLog,
    onApplied: ({ hash }) => seen.applied.push(hash),
    onChecked: () => {},
  });
  return {
    applier,
    running: config,
    health,
    seen,
    edit: (text: string) => void (seen.content = text),
    failAt: (step: Step) => void (fails = step),
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return () => {
        gate = null;
        resolve();
      };
    },
    nicks: () => Object.fromEntries(running.map((each) => [each.account, (each.config as { nick: string }).nick])),
  };
}

test("a change of one account restarts only that account", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  it.edit(withNick("changed"));
  await it.applier.apply();
  assert.deepEqual(it.seen.trail, ["prepare", "added a,b removed  restarted  updated ", "prepare", "added  removed  restarted a updated "]);
  assert.deepEqual(it.nicks(), { b: "b", a: "changed" });
  assert.deepEqual(it.seen.applied, [hashOf(withNick("changed"))]);
});

test("a change of something else touches no account", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  it.seen.trail.length = 0;
  it.edit(withNick("a").replace('"x"', '"y"'));
  await it.applier.apply();
  assert.deepEqual(it.seen.trail, ["prepare", "added  removed  restarted  updated "]);
});

test("two reloads at once run one after the other, and those that wait share one that reads the latest file", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  it.seen.trail.length = 0;
  const release = it.hold();
  it.edit(withNick("one"));
  const first = it.applier.apply();
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(it.seen.trail, ["prepare"], "the first one is under way");
  it.edit(withNick("two"));
  const second = it.applier.apply();
  it.edit(withNick("three"));
  const third = it.applier.apply();
  release();
  await Promise.all([first, second, third]);
  assert.equal(second, third);
  assert.deepEqual(it.seen.applied, [hashOf(withNick("one")), hashOf(withNick("three"))]);
  assert.deepEqual(it.nicks(), { b: "b", a: "three" });
  const restarts = it.seen.trail.filter((line) => line.includes("restarted a"));
  assert.equal(restarts.length, 2);
});

for (const step of ["build", "prepare", "activate", "accounts"] as const) {
  test(`a configuration that fails to ${step} leaves the running state, and is reported`, async (t) => {
    const it = open(t, withNick("a"));
    await it.applier.startAccounts();
    it.edit(withNick("bad"));
    it.failAt(step);
    await assert.rejects(it.applier.apply(), (err: Error & { code?: string }) => {
      assert.match(err.message, new RegExp(`cannot be applied: ${step} failed`));
      return err.code === "UNAVAILABLE";
    });
    assert.equal(it.running.loaded.hash, hashOf(withNick("a")));
    assert.deepEqual(it.nicks(), { a: "a", b: "b" });
    if (step === "accounts" || step === "activate") assert.equal(it.seen.active, hashOf(withNick("a")), "what was activated is reverted");
    assert.deepEqual(it.seen.applied, []);
    const [part] = it.health.readiness().parts;
    assert.equal(part!.state, "degraded");
    assert.match(part!.cause!, new RegExp(`${step} failed; the running configuration stays`));
    assert.match(it.running.errors().at(-1)!, new RegExp(`${step} failed`));
  });
}

test("a failing reload between two others is discarded, and the next one is applied", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  it.edit(withNick("one"));
  await it.applier.apply();
  it.edit(withNick("bad"));
  it.failAt("accounts");
  const failed = it.applier.apply();
  await assert.rejects(failed);
  assert.deepEqual(it.nicks(), { a: "one", b: "b" });
  it.edit(withNick("two"));
  await it.applier.apply();
  assert.deepEqual(it.nicks(), { a: "two", b: "b" });
  assert.deepEqual(it.health.readiness().parts, [], "the failure is forgotten");
  assert.deepEqual(it.running.errors(), []);
});

test("a failed apply does not end those that wait for it", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  const release = it.hold();
  it.edit(withNick("bad"));
  it.failAt("prepare");
  const failed = it.applier.apply();
  await Promise.resolve();
  await Promise.resolve();
  it.edit(withNick("good"));
  const next = it.applier.apply();
  release();
  await assert.rejects(failed);
  await next;
  assert.deepEqual(it.nicks(), { b: "b", a: "good" });
});

test("a file that cannot be read changes nothing, and its content before is in use again without a restart", async (t) => {
  const it = open(t, withNick("a"));
  await it.applier.startAccounts();
  it.edit("{ ");
  await it.applier.apply();
  assert.equal(it.running.loaded.hash, hashOf(withNick("a")));
  assert.match(it.running.errors()[0]!, /not JSON5/);
  assert.match(it.health.readiness().parts[0]!.cause!, /cannot be used; the running configuration stays/);
  it.edit(withNick("a"));
  await it.applier.apply();
  assert.deepEqual([it.running.errors(), it.health.readiness().parts, it.seen.applied], [[], [], []]);
});

test("before the accounts are started a change is taken over without them", async (t) => {
  const it = open(t, withNick("a"));
  it.edit(withNick("early"));
  await it.applier.apply();
  assert.deepEqual([it.nicks(), it.running.loaded.hash], [{}, hashOf(withNick("early"))]);
  await it.applier.startAccounts();
  assert.deepEqual(it.nicks(), { a: "early", b: "b" });
});
