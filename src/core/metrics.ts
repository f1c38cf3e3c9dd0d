/** Label values must come from a small fixed set (method names, states), never from a user. */
export type Labels = Readonly<Record<string, string>>;

/** The metrics as modules see them. Names are `gateway_<module>_<what>_<unit>`; implemented in observe/metrics. */
export type Metrics = {
  /** Adds `by` (default 1) to a counter. */
  count(name: string, labels?: Labels, by?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Records one observation, in the unit that the name ends with. */
  observe(name: string, value: number, labels?: Labels): void;
  /** A gauge that is read by each scrape and costs nothing in between. */
  sample(name: string, read: () => number | readonly { labels: Labels; value: number }[]): void;
};

const noop = (): void => {};
export const silentMetrics: Metrics = { count: noop, gauge: noop, observe: noop, sample: noop };
