import { LIMITS } from "../core/limits.ts";
import type { Labels, Metrics } from "../core/metrics.ts";
import { METRIC_HELP } from "./metric-names.ts";
import { ORIGINAL_PREFIX } from "./original-metrics.ts";

/** Upper bounds of histogram buckets, by the unit suffix of the name. */
const BUCKETS: readonly [suffix: string, bounds: readonly number[]][] = [
  ["_seconds", [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800]],
  ["_ms", [0.1, 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000]],
  ["_token_usage", Array.from({ length: 14 }, (_, power) => 4 ** power)],
  ["_rss_bytes", [16, 32, 64, 96, 128, 192, 256, 512, 1_024, 2_048, 4_096].map((mib) => mib * 1_048_576)],
  ["_bytes", [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]],
  ["", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]],
];

type Kind = "counter" | "gauge" | "histogram";
type Series = { labels: Labels; value: number; buckets: Float64Array | null };
type Family = { kind: Kind; bounds: readonly number[]; series: Map<string, Series> };
type Families = { byName: Map<string, Family>; /** Label sets of names of OpenClaw. */ originals: number; dropped: number };
type SampleReader = () => number | readonly { labels: Labels; value: number }[];

export interface Registry extends Metrics {
  /** The Prometheus text exposition (version 0.0.4), names in alphabetical order. */
  render(): string;
  /** All values of one metric now; empty for a name that nothing has counted yet. */
  read(name: string): readonly MetricPoint[];
  /** Brings values up to date that are measured by a reading; before `read`, and part of `render`. */
  refresh(): void;
  /** Called before each reading of all metrics. */
  beforeRead(prepare: () => void): void;
}

/** One label set with its value. Of a histogram `value` is the sum, and `buckets` counts what lies between the bounds. */
export type MetricPoint = { labels: Labels; value: number; bounds?: readonly number[]; buckets?: readonly number[] };

/**
 * Counts in memory; one map lookup and one addition per event. A name has the type of its first use. Beyond
 * LIMITS.seriesPerMetric label sets, further ones are counted together under the label value `other`.
 */
export function createMetrics(): Registry {
  const families: Families = { byName: new Map(), originals: 0, dropped: 0 };
  const preparations: (() => void)[] = [];
  const refresh = (): void => preparations.forEach((prepare) => prepare());
  const samples = new Map<string, SampleReader>();
  const at = (name: string, kind: Kind, labels: Labels | undefined): Series | null => seriesOf(families, name, kind, labels ?? NONE);
  samples.set(`${ORIGINAL_PREFIX}prometheus_series_dropped_total`, () => families.dropped);
  return {
    count(name, labels, by = 1) {
      const series = at(name, "counter", labels);
      if (series && by > 0) series.value += by;
    },
    gauge(name, value, labels) {
      const series = at(name, "gauge", labels);
      if (series) series.value = value;
    },
    observe(name, value, labels) {
      const series = at(name, "histogram", labels);
      if (!series || !Number.isFinite(value)) return;
      const bounds = families.byName.get(name)!.bounds;
      let slot = 0;
      while (slot < bounds.length && value > bounds[slot]!) slot++;
      series.buckets![slot]!++;
      series.value += value;
    },
    sample(name, read) {
      samples.set(name, read);
    },
    beforeRead(prepare) {
      preparations.push(prepare);
    },
    read(name) {
      const sample = samples.get(name);
      return sample ? readSample(sample) : readFamily(families.byName.get(name));
    },
    refresh,
    render() {
      refresh();
      const blocks = [...families.byName].map(([name, family]) => [name, renderFamily(name, family)] as const);
      const read = [...samples].map(([name, sample]) => [name, renderSample(name, sample)] as const);
      return [...blocks, ...read]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([, text]) => text)
        .join("");
    },
  };
}

const NONE: Labels = {};

/** Null when the name is in use with another type, or there is no room for the series: a wrong metric must not stop the module that counts. */
function seriesOf(families: Families, name: string, kind: Kind, labels: Labels): Series | null {
  let family = families.byName.get(name);
  if (!family) {
    const bounds = kind === "histogram" ? BUCKETS.find(([suffix]) => name.endsWith(suffix))![1] : [];
    family = { kind, bounds, series: new Map() };
    families.byName.set(name, family);
  }
  if (family.kind !== kind) return null;
  const found = family.series.get(keyOf(labels));
  if (found) return found;
  const kept = family.series.size < LIMITS.seriesPerMetric ? labels : Object.fromEntries(Object.keys(labels).map((key) => [key, "other"]));
  const key = keyOf(kept);
  let series = family.series.get(key);
  if (!series) {
    if (name.startsWith(ORIGINAL_PREFIX)) {
      if (families.originals >= LIMITS.originalSeries) return drop(families);
      families.originals++;
    }
    series = { labels: { ...kept }, value: 0, buckets: kind === "histogram" ? new Float64Array(family.bounds.length + 1) : null };
    family.series.set(key, series);
  }
  return series;
}

function drop(families: Families): null {
  families.dropped++;
  return null;
}

function keyOf(labels: Labels): string {
  let key = "";
  for (const name in labels) key += `${name}\u0000${labels[name]}\u0000`;
  return key;
}

function renderFamily(name: string, family: Family): string {
  let text = renderHead(name, family.kind);
  for (const series of family.series.values()) {
    if (!series.buckets) {
      text += renderLine(name, series.labels, series.value);
      continue;
    }
    let total = 0;
    family.bounds.forEach((bound, slot) => {
      total += series.buckets![slot]!;
      text += renderLine(`${name}_bucket`, { ...series.labels, le: String(bound) }, total);
    });
    total += series.buckets[family.bounds.length]!;
    text += renderLine(`${name}_bucket`, { ...series.labels, le: "+Inf" }, total);
    text += renderLine(`${name}_sum`, series.labels, series.value) + renderLine(`${name}_count`, series.labels, total);
  }
  return text;
}

function renderSample(name: string, read: SampleReader): string {
  const rows = readSample(read);
  const head = renderHead(name, name.endsWith("_total") ? "counter" : "gauge");
  return head + rows.map((row) => renderLine(name, row.labels, row.value)).join("");
}

function readSample(read: SampleReader): readonly MetricPoint[] {
  const value = read();
  return typeof value === "number" ? [{ labels: NONE, value }] : value.slice(0, LIMITS.seriesPerMetric);
}

function readFamily(family: Family | undefined): MetricPoint[] {
  if (!family) return [];
  return [...family.series.values()].map(({ labels, value, buckets }) =>
    buckets ? { labels, value, bounds: family.bounds, buckets: [...buckets] } : { labels, value },
  );
}

function renderHead(name: string, kind: Kind): string {
  const help = METRIC_HELP[name];
  return `${help ? `# HELP ${name} ${help}\n` : ""}# TYPE ${name} ${kind}\n`;
}

function renderLine(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${toNumber(value)}\n`;
}

const escapeLabel = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

function toNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}
