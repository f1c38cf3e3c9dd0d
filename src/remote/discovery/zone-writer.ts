import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { ensureDirectorySync, isAbsent, writeFileAtomicSync } from "../../core/files.ts";
import type { HealthReporter } from "../../core/health.ts";
import type { Log } from "../../core/log.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { zoneFile, type ZoneFacts } from "./zone.ts";

export type ZoneWriterOptions = {
  path: string;
  /** Null while this machine has no address of a tailnet. */
  zone: () => ZoneFacts | null;
  clock: Clock;
  log: Log;
  health: HealthReporter;
};

const PART = "discovery-zone";

/** Keeps the zone file of the gateway as it is. The address of the tailnet may come late or change: it is looked at again and again. */
export class ZoneWriter {
  readonly #options: ZoneWriterOptions;
  #cancel: () => void = () => {};
  #cause: string | null = null;

  constructor(options: ZoneWriterOptions) {
    this.#options = options;
  }

  start(): void {
    this.update();
    this.#cancel = this.#options.clock.after(REMOTE_LIMITS.zoneCheckMs, () => this.start());
  }

  /** What is announced may have changed. */
  update(): void {
    const { zone, health, log, path } = this.#options;
    try {
      const facts = zone();
      if (facts === null) return this.#report("this machine has no IPv4 address of a tailnet; the zone is written when it has one");
      this.#write(facts);
      this.#cause = null;
      health.report(PART, "ready");
    } catch (err) {
      log.debug("the zone file is tried again", { path });
      this.#report(`${path} could not be written: ${reasonOf(err)}`);
    }
  }

  /** `isRemoved`: the gateway is not to be found there any more. Otherwise it comes back at the same place. */
  stop(isRemoved: boolean): void {
    this.#cancel();
    this.#options.health.forget(PART);
    if (isRemoved) rmSync(this.#options.path, { force: true });
  }

  #write(facts: ZoneFacts): void {
    const { path, clock, log } = this.#options;
    let previous: string | null = null;
    try {
      previous = readFileSync(path, "utf8");
    } catch (err) {
      if (!isAbsent(err)) throw err;
    }
    const text = zoneFile(facts, previous, clock.now());
    if (text === null) return;
    ensureDirectorySync(dirname(path));
    writeFileAtomicSync(path, text);
    log.info("the zone file has changed", { path, domain: facts.domain });
  }

  #report(cause: string): void {
    const { health, log } = this.#options;
    if (cause !== this.#cause) log.warn("the gateway is not in its DNS zone", { cause });
    this.#cause = cause;
    health.report(PART, "degraded", cause);
  }
}
