import { watchConfig } from "../../config/watch.ts";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import type { HealthReporter } from "../../core/health.ts";
import type { Log } from "../../core/log.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { validityOf } from "./expiry.ts";
import { generateIfAbsent, readTlsPair, type TlsPair, type TlsPaths } from "./pair.ts";

export type GatewayTlsOptions = {
  paths: TlsPaths;
  /** Make a certificate when there is none. */
  autoGenerate: boolean;
  /** Names and addresses for a certificate that is made. */
  hosts: readonly string[];
  clock: Clock;
  log: Log;
  health: HealthReporter;
  signal: AbortSignal;
  /** Takes another pair; connections that are open stay. */
  onSwap: (pair: TlsPair) => void;
};

const PART = "tls";

/** The certificate of the gateway's port: read or made at start, read again when a file changes. A pair that is not good is not used. */
export class GatewayTls {
  readonly #options: GatewayTlsOptions;
  #pair: TlsPair;

  /** Throws GatewayError when there is no pair that can be used. */
  constructor(options: GatewayTlsOptions) {
    this.#options = options;
    const { paths, autoGenerate, hosts, clock, log, signal } = options;
    if (autoGenerate && generateIfAbsent(paths, hosts, clock.now())) log.info("made a self-signed certificate", { path: paths.cert });
    this.#pair = readTlsPair(paths);
    log.info("TLS is on", { certificate: paths.cert, fingerprint: this.#pair.fingerprint });
    this.#reportValidity();
    for (const path of new Set([paths.cert, paths.key, paths.ca])) {
      if (path === null) continue;
      watchConfig(path, { signal, clock, onChange: () => this.#reload() });
    }
    this.#scheduleCheck();
  }

  get pair(): TlsPair {
    return this.#pair;
  }

  #reload(): void {
    const { paths, log, health, onSwap } = this.#options;
    let next: TlsPair;
    try {
      next = readTlsPair(paths);
    } catch (err) {
      // The two files of a pair are rarely replaced in one step.
      const fix = err instanceof GatewayError && err.fix ? ` ${err.fix}` : "";
      log.warn("the changed certificate cannot be used; the previous one stays", { cause: reasonOf(err) });
      return health.report(PART, "degraded", `${reasonOf(err)}; the previous certificate stays in use.${fix}`);
    }
    const isSame = next.fingerprint === this.#pair.fingerprint && next.key.equals(this.#pair.key);
    this.#pair = next;
    this.#reportValidity();
    if (isSame && next.ca === null) return;
    onSwap(next);
    log.info("the certificate was replaced; open connections stay", { fingerprint: next.fingerprint });
  }

  #reportValidity(): void {
    const { health, clock, paths } = this.#options;
    const { state, text } = validityOf(this.#pair, clock.now());
    if (state === "valid") health.report(PART, "ready");
    else
      health.report(
        PART,
        "degraded",
        `the certificate in ${paths.cert} needs replacing: ${text}. A new pair is used as soon as it is there`,
      );
  }

  #scheduleCheck(): void {
    const { clock, log, signal } = this.#options;
    const check = contain(
      (err) => log.error("the certificate could not be checked", { error: err }),
      () => {
        if (signal.aborted) return;
        this.#reportValidity();
        this.#scheduleCheck();
      },
    );
    const cancel = clock.after(REMOTE_LIMITS.certificateCheckMs, check);
    signal.addEventListener("abort", cancel, { once: true });
  }
}
