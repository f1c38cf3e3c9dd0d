import type { AccountChanges, AccountSpec } from "../channels/account-types.ts";
import { diffAccounts, diffConfig, strongestEffect } from "../config/diff.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { saveLastGood, type LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { detailError, reasonOf, type GatewayError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Health } from "../observe/health.ts";
import { logIssues, newIssues } from "./config-log.ts";
import type { ConfigState, RunningConfig } from "./running-config.ts";

export type ConfigApplierDeps = {
  running: RunningConfig;
  paths: { config: string; lastGood: string };
  read: () => LoadedConfig | Promise<LoadedConfig>;
  /** Builds what follows from a configuration, without an effect on what runs. */
  build: (loaded: LoadedConfig) => ConfigState;
  /** Parses the accounts of a configuration. Starts nothing. */
  prepareAccounts: (config: Config) => Promise<readonly AccountSpec[]>;
  /** Gives a state to the parts that keep a copy of their settings: log and authentication. */
  activate: (state: ConfigState) => void;
  supervisor: { accounts(): readonly AccountSpec[]; apply(changes: AccountChanges): Promise<void> };
  health: Pick<Health, "report" | "forget">;
  log: Log;
  /** The configuration in use, or what is known to be wrong with the file, has changed. */
  onApplied: (loaded: LoadedConfig, previous: LoadedConfig) => void;
  onChecked: () => void;
};

/** The part of the health that reports a configuration file which is not in use. */
const HEALTH_PART = "config";

/**
 * Takes over changes of the configuration file. The new state (derived agents, authentication, log levels, parsed accounts) is built
 * beside the running one and then swapped in, or discarded as a whole. One apply runs at a time; requests that arrive meanwhile share the
 * next one, which reads the file again, so the latest content wins.
 */
export class ConfigApplier {
  readonly #deps: ConfigApplierDeps;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | null = null;
  #hasStartedAccounts = false;
  #isForced = false;

  constructor(deps: ConfigApplierDeps) {
    this.#deps = deps;
  }

  /**
   * Reads the file and applies it. Rejects with UNAVAILABLE when the new state cannot be built or activated; the running state stays then.
   * A file that cannot be read as a configuration changes nothing either, and is reported without a rejection.
   */
  apply(): Promise<void> {
    return this.#request();
  }

  /** As `apply`, also when the file is the one in use: the secrets that it refers to have changed. */
  applyAgain(): Promise<void> {
    this.#isForced = true;
    return this.#request();
  }

  #request(): Promise<void> {
    this.#next ??= this.#enqueue(() => {
      this.#next = null;
      return this.#apply();
    });
    return this.#next;
  }

  /** Starts the accounts of the running configuration; from then on `apply` restarts what has changed. */
  startAccounts(): Promise<void> {
    return this.#enqueue(async () => {
      const { running, prepareAccounts } = this.#deps;
      await this.#applyAccounts(await prepareAccounts(running.config));
      this.#hasStartedAccounts = true;
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const result = this.#running.then(work);
    this.#running = result.catch(() => undefined);
    return result;
  }

  async #apply(): Promise<void> {
    const { running, paths, read, log, onChecked } = this.#deps;
    const loaded = await read();
    const known = running.issues;
    const previous = running.loaded;
    const isForced = this.#isForced;
    this.#isForced = false;
    if (loaded.hash === running.loaded.hash && !isForced) {
      this.#accept();
      return onChecked();
    }
    logIssues(log, paths.config, newIssues(known, loaded.issues));
    if (loaded.source !== "file" && loaded.source !== "missing") {
      this.#reject(loaded.issues, "the configuration file cannot be used");
      return log.error("the configuration file cannot be used; the running configuration stays", { path: paths.config });
    }
    try {
      await this.#swap(loaded);
    } catch (err) {
      const cause = `the changed configuration cannot be applied: ${reasonOf(err)}`;
      this.#reject([...loaded.issues, { severity: "error", path: "", line: 0, column: 0, message: cause }], cause);
      log.error("the changed configuration cannot be applied; the running configuration stays", { path: paths.config, error: err });
      throw toApplyError(err, paths.config);
    }
    this.#accept();
    await saveLastGood(loaded, paths.lastGood).catch((err: unknown) =>
      log.warn("the last good configuration could not be kept", { cause: reasonOf(err) }),
    );
    this.#deps.onApplied(loaded, previous);
  }

  /** Builds the new state completely, then makes it the running one. Throws with the previous state in use. */
  async #swap(loaded: LoadedConfig): Promise<void> {
    const { running, build, prepareAccounts, log } = this.#deps;
    const previous = running.state;
    const next = build(loaded);
    const accounts = await prepareAccounts(loaded.config);
    const accountsBefore = this.#deps.supervisor.accounts();
    const changes = diffConfig(previous.loaded.config, loaded.config);
    try {
      await this.#activate(next, accounts);
    } catch (err) {
      await this.#activate(previous, accountsBefore).catch((failure: unknown) =>
        log.error("the previous configuration could not be restored completely", { error: failure }),
      );
      throw err;
    }
    log.info("configuration reloaded", { changes: changes.map((change) => change.path), effect: strongestEffect(changes) ?? "none" });
    const waiting = changes.filter((change) => change.effect === "restart-gateway").map((change) => change.path);
    if (waiting.length > 0) log.warn("these changes need a restart: openclaw gateway restart", { keys: waiting });
  }

  async #activate(state: ConfigState, accounts: readonly AccountSpec[]): Promise<void> {
    this.#deps.running.swap(state);
    this.#deps.activate(state);
    if (this.#hasStartedAccounts) await this.#applyAccounts(accounts);
  }

  async #applyAccounts(accounts: readonly AccountSpec[]): Promise<void> {
    const { supervisor } = this.#deps;
    await supervisor.apply(diffAccounts(supervisor.accounts(), accounts));
  }

  #accept(): void {
    this.#deps.running.reject(null);
    this.#deps.health.forget(HEALTH_PART);
  }

  #reject(issues: readonly ConfigIssue[], cause: string): void {
    const { running, health, paths, onChecked } = this.#deps;
    running.reject(issues);
    health.report(HEALTH_PART, "degraded", `${cause}; the running configuration stays. Correct ${paths.config} and save it`);
    onChecked();
  }
}

function toApplyError(err: unknown, path: string): GatewayError {
  return detailError("CONFIG_NOT_APPLIED", `the changed configuration cannot be applied: ${reasonOf(err)}`, {
    fix: `The running configuration stays. Correct ${path} and save it.`,
    cause: err,
  });
}
