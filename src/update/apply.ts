import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { tryLock } from "../core/lock-file.ts";
import type { CanaryInput, CanaryReport } from "./canary.ts";
import { exchange } from "./exchange.ts";
import { versionIn, wireKind, type Install } from "./install.ts";
import { writeUpdateRecord, type UpdateRecord, type UpdateStep } from "./record.ts";
import type { Release, ReleaseSource, StagedRelease } from "./release-source.ts";
import { rollBackStore, takeSnapshot, type StoreRollback } from "./store-snapshot.ts";

/** The gateway of the state directory, as far as an update stops and starts it. */
export type UpdatedGateway = {
  /** Whether it ran when the update began; one that was stopped stays stopped. */
  readonly isRunning: boolean;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Resolves to the version that answers when its vital parts work. */
  untilReady(): Promise<string>;
};

export type ApplyDeps = {
  readonly install: Install;
  readonly source: ReleaseSource;
  readonly gatewayDir: string;
  readonly gateway: UpdatedGateway;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Makes a backup and resolves to its file. */
  readonly backUp: () => Promise<string>;
  readonly canary: (input: CanaryInput) => Promise<CanaryReport>;
  readonly onStep: (name: string) => void;
};

export type UpdateResult = {
  readonly version: string;
  readonly backup: string;
  readonly canary: CanaryReport;
  readonly restarted: boolean;
  readonly steps: readonly UpdateStep[];
};

/** An update that failed after the switch, and what was done about it. */
export class RolledBackError extends GatewayError {
  readonly store: StoreRollback;

  constructor(message: string, store: StoreRollback, options: { cause: unknown; fix: string }) {
    super("UNAVAILABLE", message, options);
    this.store = store;
  }
}

/** The old version could not be put back: what is needed for it is kept. */
export class NotRestoredError extends GatewayError {}

const lockOf = (dir: string): string => `${dir}.pid`;

/** One update at a time. Resolves to what removes the staging directory. */
export async function lockStaging(source: ReleaseSource): Promise<() => Promise<void>> {
  const dir = source.stagingDir;
  const release = await takeLock(dir);
  try {
    if (existsSync(join(dir, "old")))
      throw new GatewayError("CONFLICT", "an earlier update was interrupted after the switch", {
        fix: `${join(dir, "old")} has the files of the version before it. When the gateway works as it is now, remove ${dir} and run this again.`,
      });
    // What an update left that was killed before it changed anything.
    await source.cleanUp(dir);
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { mode: 0o700 }).catch((err: unknown) => {
      throw notWritable(dir, err);
    });
  } catch (err) {
    await release();
    throw err;
  }
  return async () => {
    await source.cleanUp(dir);
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    await release();
  };
}

/** Before anything is cleaned up: that may be what another update works with. */
async function takeLock(dir: string): Promise<() => Promise<void>> {
  const lock = lockOf(dir);
  await mkdir(dirname(dir), { recursive: true }).catch((err: unknown) => {
    throw notWritable(dir, err);
  });
  // The first attempt removes the lock of an update that was killed.
  for (let left = 3; ; left--) {
    const attempt = await tryLock(lock).catch((err: unknown) => {
      throw notWritable(dir, err);
    });
    if (attempt.isTaken) return attempt.release;
    if (attempt.holder > 0 || left === 0)
      throw new GatewayError("CONFLICT", `another update of this installation runs (process ${attempt.holder})`, {
        fix: `Wait for its end. When that process is another program, remove ${lock}.`,
      });
  }
}

const notWritable = (dir: string, err: unknown): GatewayError =>
  new GatewayError("FORBIDDEN", `${dir} cannot be written: ${reasonOf(err)}`, {
    cause: err,
    fix: "Run this as the user who owns the installation.",
  });

/**
 * Stages a release beside the running one, tries it on a copy of the state, and switches to it. Until the switch nothing is changed and the
 * gateway goes on; after it, everything that fails is undone, the store included. How it ended is kept for `update.status`.
 */
export async function applyUpdate(deps: ApplyDeps, release: Release): Promise<UpdateResult> {
  const { install, gatewayDir, now } = deps;
  const began = now();
  const steps: UpdateStep[] = [];
  const outcome: { after: string | null; backup: string | null; rolledBack: boolean } = { after: null, backup: null, rolledBack: false };
  const keep = (status: UpdateRecord["status"], message: string | null): void =>
    writeUpdateRecord(gatewayDir, {
      kind: "update",
      status,
      ts: now(),
      message,
      stats: {
        mode: wireKind(install),
        root: install.root,
        before: { version: install.version, sha: null },
        after: outcome.after === null ? null : { version: outcome.after, sha: release.sha },
        reason: message,
        rolledBack: outcome.rolledBack,
        backup: outcome.backup,
        durationMs: now() - began,
        steps,
      },
    });
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    deps.signal.throwIfAborted();
    deps.onStep(name);
    const from = now();
    try {
      const result = await work();
      steps.push({ name, durationMs: now() - from, ok: true });
      return result;
    } catch (err) {
      steps.push({ name, durationMs: now() - from, ok: false });
      throw err;
    }
  };
  keep("running", null);
  try {
    const result = await runSteps(deps, release, step, outcome);
    keep("ok", null);
    return { ...result, steps };
  } catch (err) {
    outcome.rolledBack = err instanceof RolledBackError;
    keep("error", reasonOf(err));
    throw err;
  }
}

type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>;

async function runSteps(
  deps: ApplyDeps,
  release: Release,
  step: Step,
  outcome: { after: string | null; backup: string | null },
): Promise<Omit<UpdateResult, "steps">> {
  const { source, gateway, env, signal } = deps;
  const dir = source.stagingDir;
  const staged = await step("stage", () => source.stage(release, dir));
  const backup = await step("backup", deps.backUp);
  outcome.backup = backup;
  const canary = await step("canary", () =>
    deps.canary({ root: staged.root, version: staged.version, backup, dir: join(dir, "canary"), env, signal }),
  );
  outcome.after = staged.version;
  await step("switch", () => switchTo(deps, staged));
  return { version: staged.version, backup, canary, restarted: gateway.isRunning };
}

/** From here on an interruption is ignored: the gateway is down. */
async function switchTo(deps: ApplyDeps, staged: StagedRelease): Promise<void> {
  const { install, gateway, gatewayDir, source } = deps;
  const snapshot = join(gatewayDir, "update-rollback");
  const undo: (() => Promise<void>)[] = [];
  let hasStarted = false;
  if (gateway.isRunning) await gateway.stop();
  try {
    await takeSnapshot(gatewayDir, snapshot);
    if (staged.prepare) undo.push(await staged.prepare());
    undo.push(await exchange(staged.replacements, join(source.stagingDir, "old")));
    await staged.finish?.();
    const installed = versionIn(install.root);
    if (installed !== staged.version)
      throw new GatewayError("UNAVAILABLE", `${install.root} has version ${installed ?? "none"}, and not ${staged.version}`);
    if (gateway.isRunning) {
      hasStarted = true;
      await gateway.start();
      const running = await gateway.untilReady();
      if (running !== staged.version) throw new GatewayError("UNAVAILABLE", `version ${running} runs, and not ${staged.version}`);
    }
  } catch (err) {
    throw await rollBack(deps, { err, undo, snapshot, hasStarted });
  }
  await rm(snapshot, { recursive: true, force: true });
}

type Failure = { err: unknown; undo: (() => Promise<void>)[]; snapshot: string; hasStarted: boolean };

/** The old version runs again when it resolves; to the error that says so. */
async function rollBack(
  { install, gateway, gatewayDir, source }: ApplyDeps,
  { err, undo, snapshot, hasStarted }: Failure,
): Promise<GatewayError> {
  const why = reasonOf(err);
  let store: StoreRollback = { restored: false, keptAs: null, newerMessages: 0 };
  try {
    if (hasStarted) {
      await gateway.stop();
      store = await rollBackStore(gatewayDir, snapshot, `after-update-${randomBytes(4).toString("hex")}`);
    }
    for (const step of undo.toReversed()) await step();
    if (gateway.isRunning) {
      await gateway.start();
      await gateway.untilReady();
    }
  } catch (failure) {
    return new NotRestoredError(
      "UNAVAILABLE",
      `the update failed (${why}), and version ${install.version} could not be put back: ${reasonOf(failure)}`,
      {
        cause: failure,
        fix: `The old files are in ${join(source.stagingDir, "old")}, the store from before is in ${snapshot}: put them back, then openclaw gateway start.`,
      },
    );
  }
  await rm(snapshot, { recursive: true, force: true });
  const kept =
    store.keptAs === null
      ? ""
      : ` The store that the new version had changed is kept as ${store.keptAs}${store.newerMessages > 0 ? `; ${store.newerMessages} messages are only there` : ""}.`;
  return new RolledBackError(`the new version did not work, and ${install.version} is back: ${why}`, store, {
    cause: err,
    fix: `Report it with openclaw update status --json and openclaw logs.${kept}`,
  });
}
