import { findExternalSecrets, readTextFile } from "../config/load.ts";
import type { StatePaths } from "../config/paths.ts";
import type { ExternalSecrets } from "../config/secret-refs.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ProviderReport, SecretSources } from "../secrets/sources.ts";
import type { StoreEntry } from "../secrets/store.ts";
import type { Health } from "../observe/health.ts";

export type GatewaySecretsDeps = {
  readonly paths: Pick<StatePaths, "config" | "gateway" | "lastGood">;
  readonly env: NodeJS.ProcessEnv;
  readonly clock?: Clock;
};

/** What the secrets do with the running gateway. */
type Runtime = {
  readonly health: Pick<Health, "report" | "forget">;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Applies the configuration again, with the values as they are now. */
  apply(): Promise<void>;
};

const PART = "secrets";

/** Secrets of programs and of the encrypted store. Nothing of it is loaded while the configuration refers to none. */
export class GatewaySecrets {
  readonly #deps: GatewaySecretsDeps;
  readonly #clock: Clock;
  #sources: SecretSources | null = null;
  #runtime: Runtime | null = null;
  readonly #counted: Parameters<Metrics["count"]>[] = [];
  #failures = 0;
  #cancel = (): void => {};
  #stopped = false;

  constructor(deps: GatewaySecretsDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
  }

  readonly lookup: ExternalSecrets = (ref, provider) => this.#sources?.lookup(ref, provider) ?? null;

  /** Providers whose values could not be read, by their keys. */
  get degraded(): string[] {
    return this.reports.filter(({ state }) => state !== "ready").map(({ name }) => `secrets.providers.${name}`);
  }

  get reports(): readonly ProviderReport[] {
    return this.#sources?.reports ?? [];
  }

  /** Reads what the configuration file refers to, before the file is read as a configuration. Resolves to whether a value has changed. */
  async prepare(fresh = false): Promise<boolean> {
    const { paths, env } = this.#deps;
    const texts = [paths.config, paths.lastGood].flatMap((path) => {
      const file = readTextFile(path, LIMITS.configFileBytes);
      return "text" in file ? [file.text] : [];
    });
    const found = texts.map((text) => findExternalSecrets(text, { path: paths.config, env })).find(({ refs }) => refs.length > 0);
    if (found === undefined && this.#sources === null) return false;
    const sources = await this.#load();
    const changed = await sources.read(found ?? { refs: [], providers: {} }, fresh);
    this.#report();
    return changed;
  }

  /** From now on problems are reported, and values are read again when their time is over. */
  start(runtime: Runtime): void {
    this.#runtime = runtime;
    for (const args of this.#counted.splice(0)) runtime.metrics.count(...args);
    runtime.metrics.sample("gateway_secrets_degraded_providers", () => this.degraded.length);
    this.#report();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Reads everything again. Resolves to the providers that could not be read. */
  async reload(): Promise<readonly ProviderReport[]> {
    await this.prepare(true);
    await this.#runtime?.apply();
    return this.reports.filter(({ state }) => state !== "ready");
  }

  /** Names of the encrypted store; never a value. */
  async list(): Promise<readonly StoreEntry[]> {
    return await (await this.#load()).store.list();
  }

  async #load(): Promise<SecretSources> {
    const { SecretSources: Sources } = await import("../secrets/sources.ts");
    const { paths, env } = this.#deps;
    return (this.#sources ??= new Sources({ dir: paths.gateway, env, clock: this.#clock, metrics: this.#countLater }));
  }

  /** The first read comes before there are metrics. */
  readonly #countLater: Pick<Metrics, "count"> = {
    count: (...args) => (this.#runtime ? this.#runtime.metrics.count(...args) : void this.#counted.push(args)),
  };

  #report(): void {
    const { reports } = this;
    const sources = this.#sources;
    if (this.#runtime === null || sources === null) return;
    const { health, log } = this.#runtime;
    const failed = reports.filter(({ state }) => state !== "ready");
    for (const { name, source, problem } of failed) log.warn("secrets could not be read", { provider: name, source, cause: problem ?? "" });
    const { cacheProblem } = sources;
    if (cacheProblem !== null) log.warn("the last values of secrets cannot be kept for the next start", { cause: cacheProblem });
    if (reports.length === 0) health.forget(PART);
    else if (failed.length === 0) health.report(PART, "ready");
    else health.report(PART, "degraded", failed.map(toCause).join("; "));
    this.#failures = failed.length === 0 ? 0 : this.#failures + 1;
    this.#plan(sources, failed.length > 0);
  }

  /** Only programs are asked again by themselves: after a failure, and while values have a lifetime. */
  #plan(sources: SecretSources, isFailing: boolean): void {
    this.#cancel();
    const delayMs = this.#stopped ? null : sources.nextReadMs(isFailing ? this.#failures : 0);
    if (delayMs === null) return;
    const again = contain(
      (failure) => this.#runtime?.log.error("secrets could not be read again", { error: failure }),
      async () => {
        if (this.#stopped || !(await this.prepare())) return;
        this.#runtime?.log.info("secrets have new values");
        await this.#runtime?.apply();
      },
    );
    this.#cancel = this.#clock.after(delayMs, again);
  }
}

const toCause = ({ name, state, problem }: ProviderReport): string =>
  `secrets.providers.${name}: ${problem ?? "it cannot be read"}${state === "stale" ? " (the last values are in use)" : ""}`;
