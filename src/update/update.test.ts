import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLog } from "../core/log.ts";
import { openStore } from "../store/open.ts";
import { applyUpdate, lockStaging, NotRestoredError, RolledBackError, type ApplyDeps } from "./apply.ts";
import { canaryConfig } from "./canary.ts";
import { exchange } from "./exchange.ts";
import { findInstall } from "./install.ts";
import { readUpdateRecord } from "./record.ts";
import type { Release, ReleaseSource } from "./release-source.ts";
import { rollBackStore, takeSnapshot } from "./store-snapshot.ts";
import { compareVersions, newestTag } from "./versions.ts";

const home = mkdtempSync(join(tmpdir(), "update-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;

function dir(files: Record<string, string> = {}): string {
  const path = join(home, String(++made));
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

const manifest = (version: string): string => JSON.stringify({ name: "openclaw-gateway", version });

test("versions compare by the rules of Semantic Versioning", () => {
  const sorted = [
    "0.9.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
  ];
  assert.deepEqual(sorted.toReversed().toSorted(compareVersions), sorted);
  assert.equal(compareVersions("v1.0.0", "1.0.0+build"), 0);
  const tags = ["v1.0.0", "v1.1.0-beta.1", "nightly", "v0.9.0", "v1.0.0.1"];
  assert.deepEqual([newestTag(tags, "stable"), newestTag(tags, "beta"), newestTag(["main"], "beta")], ["v1.0.0", "v1.1.0-beta.1", null]);
});

test("how a copy was installed follows from where it is", () => {
  const root = dir({
    "prefix/lib/node_modules/openclaw-gateway/package.json": manifest("1.0.0"),
    "project/package.json": "{}",
    "project/node_modules/openclaw-gateway/package.json": manifest("1.1.0"),
    "clone/package.json": manifest("1.2.0"),
    "clone/.git": "gitdir: elsewhere",
    "copied/package.json": manifest("1.3.0"),
  });
  const kindOf = (path: string, env = {}): string => findInstall(join(root, path), env).kind;
  assert.deepEqual(
    ["prefix/lib/node_modules/openclaw-gateway", "project/node_modules/openclaw-gateway", "clone", "copied", "nothing"].map((path) =>
      kindOf(path),
    ),
    ["npm-global", "npm-local", "git", "unknown", "unknown"],
  );
  assert.equal(kindOf("clone", { OPENCLAW_SUPERVISOR_MODE: "external", KUBERNETES_SERVICE_HOST: "10.0.0.1" }), "container");
  assert.equal(findInstall(join(root, "clone"), {}).version, "1.2.0");
});

test("the configuration of a canary has nothing that reaches out, and keeps the rest", () => {
  const raw = `{
    channels: { telegram: { botToken: "secret" } }, hooks: { enabled: true }, peers: { other: {} }, cron: { enabled: true, maxConcurrentRuns: 2 },
    mcp: { servers: { a: { command: "x" } } }, plugins: { entries: {} }, discovery: { mdns: { mode: "full" } }, backup: { enabled: true, keep: 3 },
    gateway: { bind: "lan", port: 1, tailscale: { mode: "funnel" }, auth: { mode: "none" } }, diagnostics: { otel: { enabled: true, endpoint: "http://x" } },
    agents: { defaults: { model: "a/b" } }, // mine
  }`;
  const text = canaryConfig(raw);
  for (const gone of ["telegram", "hooks", "peers", "mcp", "plugins", "discovery", "tailscale", "lan", '"none"'])
    assert.ok(!text.includes(gone), `${gone} is still there`);
  assert.match(text, /enabled: false, maxConcurrentRuns: 2/);
  assert.match(text, /model: "a\/b"/);
  assert.match(canaryConfig("{ not json"), /"?loopback"?/);
  assert.match(canaryConfig(""), /"?loopback"?/);
});

test("an exchange that fails in the middle leaves every file where it was", async () => {
  const root = dir({ "a/old": "1", "b/old": "1", "new-a/new": "2" });
  const places = [
    { place: join(root, "a"), staged: join(root, "new-a") },
    { place: join(root, "b"), staged: join(root, "missing") },
  ];
  await assert.rejects(exchange(places, join(root, "aside")), /could not be put into its place/);
  assert.deepEqual(
    [existsSync(join(root, "a/old")), existsSync(join(root, "b/old")), existsSync(join(root, "new-a/new"))],
    [true, true, true],
  );
  const undo = await exchange(places.slice(0, 1), join(root, "aside"));
  assert.ok(existsSync(join(root, "a/new")));
  await undo();
  assert.deepEqual([existsSync(join(root, "a/old")), existsSync(join(root, "new-a/new"))], [true, true]);
});

const SESSION = "INSERT INTO sessions (key, session_id, agent_id, created_at, updated_at) VALUES (?, 's', 'main', 1, 1)";

function withStore(path: string, sql: readonly string[]): void {
  const store = openStore({ dir: path, log: silentLog });
  store.writeNow(() => sql.forEach((key) => store.run(SESSION, key)));
  store.close();
}

const keysIn = (path: string): string[] => {
  const store = openStore({ dir: path, log: silentLog });
  const keys = store.all<{ key: string }>("SELECT key FROM sessions ORDER BY key").map(({ key }) => key);
  store.close();
  return keys;
};

test("a store in which nothing is missing stays with what came in since; any other one goes back", async () => {
  const path = dir();
  withStore(path, ["a", "b"]);
  await takeSnapshot(path, join(path, "snapshot"));
  withStore(path, ["c"]);
  assert.deepEqual(await rollBackStore(path, join(path, "snapshot"), "x"), { restored: false, keptAs: null, newerMessages: 0 });
  assert.deepEqual(keysIn(path), ["a", "b", "c"]);

  const store = openStore({ dir: path, log: silentLog });
  store.writeNow(() => store.run("DELETE FROM sessions WHERE key IN ('a', 'c')"));
  store.close();
  const lost = await rollBackStore(path, join(path, "snapshot"), "y");
  assert.deepEqual([lost.restored, lost.keptAs], [true, join(path, "gateway.db.y")]);
  assert.deepEqual(keysIn(path), ["a", "b"]);

  writeFileSync(join(path, "gateway.db"), "not a database at all");
  assert.equal((await rollBackStore(path, join(path, "snapshot"), "z")).restored, true);
  assert.deepEqual(keysIn(path), ["a", "b"]);
});

const RELEASE: Release = { version: "2.0.0", sha: null, spec: "x", commitsBehind: null, isCurrent: false };

/** An update of a directory with a package.json; `fails` names the step that fails. */
function setUp(fails: "stage" | "backup" | "canary" | "start" | "start-again" | null, isRunning = true) {
  const root = dir({ "app/package.json": manifest("1.0.0"), "staged/package.json": manifest("2.0.0"), "state/x": "" });
  const calls: string[] = [];
  const stop = (name: string): void => {
    calls.push(name);
    if (fails === name) throw new Error(`${name} failed`);
  };
  const versionNow = (): string => (JSON.parse(readFileSync(join(root, "app/package.json"), "utf8")) as { version: string }).version;
  const source: ReleaseSource = {
    stagingDir: join(root, "staging"),
    find: async () => RELEASE,
    stage: async () => {
      stop("stage");
      return { root: join(root, "staged"), version: "2.0.0", replacements: [{ place: join(root, "app"), staged: join(root, "staged") }] };
    },
    cleanUp: async () => void calls.push("clean up"),
  };
  const deps: ApplyDeps = {
    install: { kind: "git", root: join(root, "app"), name: "openclaw-gateway", version: "1.0.0" },
    source,
    gatewayDir: join(root, "state"),
    gateway: {
      isRunning,
      stop: async () => void calls.push("stop"),
      start: async () => void calls.push(`start ${versionNow()}`),
      untilReady: async () => {
        if (fails === "start-again" || (fails === "start" && versionNow() === "2.0.0")) throw new Error("it is not ready");
        return versionNow();
      },
    },
    env: {},
    signal: new AbortController().signal,
    now: () => 1,
    backUp: async () => {
      stop("backup");
      return "backup.zip";
    },
    canary: async () => {
      stop("canary");
      return { readyMs: 1, sessions: 0 };
    },
    onStep: () => {},
  };
  return { deps, calls, versionNow, root };
}

test("the gateway is stopped only after the backup and the canary, and starts as the new version", async () => {
  const it = setUp(null);
  const result = await applyUpdate(it.deps, RELEASE);
  assert.deepEqual(it.calls, ["stage", "backup", "canary", "stop", "start 2.0.0"]);
  assert.deepEqual([result.version, result.restarted, it.versionNow()], ["2.0.0", true, "2.0.0"]);
  assert.equal(readUpdateRecord(it.deps.gatewayDir)?.status, "ok");
  const idle = setUp(null, false);
  await applyUpdate(idle.deps, RELEASE);
  assert.deepEqual(idle.calls, ["stage", "backup", "canary"], "a gateway that was stopped stays stopped");
});

test("what fails before the switch stops nothing", async () => {
  for (const step of ["stage", "backup", "canary"] as const) {
    const it = setUp(step);
    await assert.rejects(applyUpdate(it.deps, RELEASE), new RegExp(`${step} failed`));
    assert.ok(!it.calls.includes("stop"), step);
    assert.equal(it.versionNow(), "1.0.0");
    const record = readUpdateRecord(it.deps.gatewayDir);
    assert.deepEqual([record?.status, record?.stats.rolledBack], ["error", false]);
  }
});

test("a version that does not become ready is replaced by the old one", async () => {
  const it = setUp("start");
  await assert.rejects(applyUpdate(it.deps, RELEASE), RolledBackError);
  assert.deepEqual(it.calls.slice(3), ["stop", "start 2.0.0", "stop", "start 1.0.0"]);
  assert.equal(it.versionNow(), "1.0.0");
  assert.equal(readUpdateRecord(it.deps.gatewayDir)?.stats.rolledBack, true);
  assert.ok(!existsSync(join(it.deps.gatewayDir, "update-rollback")));
});

test("when the old version cannot be started either, what it needs is kept and named", async () => {
  const it = setUp("start-again");
  await assert.rejects(applyUpdate(it.deps, RELEASE), (err: unknown) => {
    assert.ok(err instanceof NotRestoredError);
    assert.match(err.fix ?? "", /update-rollback/);
    return true;
  });
  assert.ok(existsSync(join(it.deps.gatewayDir, "update-rollback")));
});

test("one update of an installation runs at a time", async () => {
  const { deps, root } = setUp(null);
  const both = await Promise.allSettled([lockStaging(deps.source), lockStaging(deps.source)]);
  const [unlock, ...more] = both.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  assert.equal(more.length, 0, "not two that begin at the same moment");
  await unlock!();
  writeFileSync(join(root, "staging.pid"), String(process.ppid));
  mkdirSync(join(root, "staging/new"), { recursive: true });
  await assert.rejects(lockStaging(deps.source), /another update of this installation runs/);
  assert.ok(existsSync(join(root, "staging/new")), "what it works with stays");
  writeFileSync(join(root, "staging.pid"), String(2 ** 22 + 1));
  await (
    await lockStaging(deps.source)
  )();
  mkdirSync(join(root, "staging/new"), { recursive: true });
  await (
    await lockStaging(deps.source)
  )();
  mkdirSync(join(root, "staging/old"), { recursive: true });
  await assert.rejects(lockStaging(deps.source), /interrupted after the switch/);
  rmSync(join(root, "staging"), { recursive: true });
  assert.deepEqual(
    readdirSync(root).filter((name) => name.startsWith("staging")),
    [],
  );
});
