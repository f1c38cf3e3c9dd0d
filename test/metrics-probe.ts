import type { Labels, Metrics } from "../src/core/metrics.ts";

/** Metrics that a test can read. */
export class MetricsProbe implements Metrics {
  readonly #counts = new Map<string, number>();
  readonly #samples = new Map<string, () => number | readonly { labels: Labels; value: number }[]>();

  count(name: string, labels: Labels = {}, by = 1): void {
    const key = `${name} ${JSON.stringify(labels)}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  gauge(): void {}
  observe(): void {}

  sample(name: string, read: () => number | readonly { labels: Labels; value: number }[]): void {
    this.#samples.set(name, read);
  }

  counted(name: string, labels: Labels = {}): number {
    return this.#counts.get(`${name} ${JSON.stringify(labels)}`) ?? 0;
  }

  /** The value of a sampled gauge with this label value; without one the sum of all. */
  sampled(name: string, label?: string): number {
    const value = this.#samples.get(name)?.() ?? 0;
    if (typeof value === "number") return value;
    return value
      .filter(({ labels }) => label === undefined || Object.values(labels).includes(label))
      .reduce((sum, each) => sum + each.value, 0);
  }
}
