import type { Metrics } from "../core/metrics.ts";
import { SKILL_LIMITS } from "./limits.ts";
import type { ScanInput, ScanResult } from "./scan.ts";
import type { SkillSet } from "./skill.ts";

/** The skills of each workspace. They are read when they are first asked for, and again when something in their directories has changed. */
export class SkillCatalog {
  readonly #metrics: Metrics;
  readonly #kept = new Map<string, ScanResult>();
  readonly #reading = new Map<string, Promise<ScanResult>>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** What the directories have now: the same object as long as nothing has changed. */
  async refresh(input: ScanInput): Promise<SkillSet> {
    const key = JSON.stringify(input);
    const kept = await this.#unchanged(key);
    if (kept) return kept;
    const reading = this.#reading.get(key);
    if (reading === undefined) return await this.#read(key, input);
    await reading;
    // It may have begun before the last change.
    return (await this.#unchanged(key)) ?? (await this.#read(key, input));
  }

  async #unchanged(key: string): Promise<ScanResult | null> {
    const kept = this.#kept.get(key);
    return kept && (await kept.watched.isUnchanged()) ? kept : null;
  }

  async #read(key: string, input: ScanInput): Promise<ScanResult> {
    const reading = this.#scan(input);
    this.#reading.set(key, reading);
    try {
      const result = await reading;
      this.#kept.delete(key);
      if (this.#kept.size >= SKILL_LIMITS.workspaces) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(key, result);
      return result;
    } finally {
      if (this.#reading.get(key) === reading) this.#reading.delete(key);
    }
  }

  async #scan(input: ScanInput): Promise<ScanResult> {
    const { scanSkills } = await import("./scan.ts");
    this.#metrics.count("gateway_skills_reads_total");
    return await scanSkills(input);
  }
}
