import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { UpdateAvailable, UpdateStatus } from "../methods/update.ts";
import type { Install } from "../update/install.ts";
import type { Release } from "../update/release-source.ts";
import type { UpdateChannel } from "../update/versions.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";

export type UpdatesDeps = Pick<GatewayBase, "paths" | "clock" | "metrics"> & {
  log: Log;
  running: RunningConfig;
  env: Readonly<Record<string, string | undefined>>;
  /** The entry file of this process. */
  entry: string;
  /** Asks the registry or the repository; null: this installation has none. A test answers by itself. */
  find?: (install: Install, channel: UpdateChannel, signal: AbortSignal) => Promise<Release | null>;
};

/** What this gateway knows about newer versions of itself. It asks only for `update.checkOnStart`, or when a client wants it to. */
export class GatewayUpdates {
  readonly #deps: UpdatesDeps;
  readonly #abort = new AbortController();
  #cancel: () => void = () => {};
  /** Undefined: it was not asked. */
  #available: UpdateAvailable | null | undefined;
  #asking: Promise<void> | null = null;

  constructor(deps: UpdatesDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_update_available", () =>
      this.#available === undefined ? [] : [{ labels: {}, value: this.#available === null ? 0 : 1 }],
    );
  }

  /** Once, some time after the start. */
  start(): void {
    const { running, clock } = this.#deps;
    if (!running.config.update.checkOnStart) return;
    this.#cancel = clock.after(CHECK_AFTER_MS, () => void this.#ask());
  }

  stop(): void {
    this.#abort.abort();
    this.#cancel();
  }

  async status({ refresh }: { refresh: boolean }): Promise<UpdateStatus> {
    const { running, paths } = this.#deps;
    const { channel } = running.config.update;
    const [{ readUpdateRecord }, { wireKind }] = await Promise.all([import("../update/record.ts"), import("../update/install.ts")]);
    if (refresh) await this.#ask();
    return {
      sentinel: readUpdateRecord(paths.gateway),
      updateAvailable: this.#available ?? null,
      effectiveChannel: channel,
      schedule: { channel, autoEnabled: false, install: { kind: wireKind(await this.#install()) } },
    };
  }

  async #install(): Promise<Install> {
    const { findInstall, rootOf } = await import("../update/install.ts");
    return findInstall(rootOf(this.#deps.entry), this.#deps.env);
  }

  readonly #findRelease: NonNullable<UpdatesDeps["find"]> = async (install, channel, signal) => {
    const [{ releaseSourceFor }, { runProgram }] = await Promise.all([import("../update/releases.ts"), import("../update/run-program.ts")]);
    const source = await releaseSourceFor(install, { env: this.#deps.env, run: runProgram, signal });
    return source === null ? null : await source.find({ channel, tag: undefined });
  };

  /** Never rejects: what was known stays. */
  #ask(): Promise<void> {
    this.#asking ??= this.#find().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #find(): Promise<void> {
    const { running, log } = this.#deps;
    const { channel } = running.config.update;
    try {
      const install = await this.#install();
      const release = await (this.#deps.find ?? this.#findRelease)(install, channel, this.#abort.signal);
      if (release === null) return log.info("this installation cannot be asked about newer versions", { kind: install.kind });
      const { compareVersions } = await import("../update/versions.ts");
      const isNewer = !release.isCurrent && (release.version === null || compareVersions(release.version, install.version) > 0);
      this.#available = isNewer
        ? {
            currentVersion: install.version,
            latestVersion: release.version ?? release.sha?.slice(0, 12) ?? release.spec,
            channel,
            ...(release.sha !== null && { upstreamRef: release.spec, upstreamSha: release.sha }),
            ...(release.commitsBehind !== null && { commitsBehind: release.commitsBehind }),
          }
        : null;
      if (isNewer) log.info("a newer version is available: openclaw update", { version: this.#available?.latestVersion });
    } catch (err) {
      if (!this.#abort.signal.aborted) log.warn("whether there is a newer version is not known", { cause: reasonOf(err) });
    }
  }
}

/** Clients and channels come first. */
const CHECK_AFTER_MS = 30_000;
