import { own, type QueueConfig } from "./types.ts";

export type QueueMode = "steer" | "followup" | "collect" | "interrupt";
export type QueueDrop = "summarize" | "old" | "new";
/** What happens to a message that arrives while a turn is running. `source` says which setting decided the mode. */
export type QueueSettings = {
  mode: QueueMode;
  /** Quiet time before waiting messages run. */
  debounceMs: number;
  /** Messages that may wait; `drop` says what gives way beyond it. */
  cap: number;
  drop: QueueDrop;
  source: "message" | "channel" | "config" | "default";
};
/** What one session or one message says about itself (`/queue collect debounce:2s`). */
export type QueueOverride = { mode?: QueueMode; debounceMs?: number; cap?: number; drop?: QueueDrop };

const MODES: readonly QueueMode[] = ["steer", "followup", "collect", "interrupt"];
const DROPS: readonly QueueDrop[] = ["summarize", "old", "new"];
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const asMode = (value: string | undefined): QueueMode | undefined => MODES.find((mode) => mode === value);
const asDrop = (value: string | undefined): QueueDrop | undefined => DROPS.find((drop) => drop === value);
const asMs = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) && value >= 0 ? value : undefined;
const asCap = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) && value >= 1 ? Math.floor(value) : undefined;

/** Message or session override > channel > configuration > steer. Values that make no sense are passed over. */
export function queueSettings(config: QueueConfig | undefined, channel: string, override: QueueOverride = {}): QueueSettings {
  const chosen: readonly [QueueSettings["source"], QueueMode | undefined][] = [
    ["message", override.mode],
    ["channel", asMode(own(config?.byChannel, channel))],
    ["config", asMode(config?.mode)],
    ["default", "steer"],
  ];
  const [source, mode] = chosen.find(([, value]) => value !== undefined)!;
  return {
    mode: mode!,
    source,
    debounceMs: asMs(override.debounceMs) ?? asMs(own(config?.debounceMsByChannel, channel)) ?? asMs(config?.debounceMs) ?? 500,
    cap: asCap(override.cap) ?? asCap(config?.cap) ?? 20,
    drop: asDrop(override.drop) ?? asDrop(config?.drop) ?? "summarize",
  };
}

/**
 * Reads the words after `/queue`. Null: `default` or `reset`, which removes the override. Unknown words are returned, so that the
 * answer can name them.
 */
export function parseQueueCommand(words: string): { override: QueueOverride | null; unknown: readonly string[] } {
  const override: QueueOverride = {};
  const unknown: string[] = [];
  for (const word of words.trim().toLowerCase().split(/\s+/).filter(Boolean)) {
    if (word === "default" || word === "reset") return { override: null, unknown: [] };
    const [key, value = ""] = word.split(":", 2) as [string, string?];
    const mode = asMode(word);
    const debounceMs = key === "debounce" ? parseDuration(value) : undefined;
    const cap = key === "cap" && /^\d{1,6}$/.test(value) ? asCap(Number(value)) : undefined;
    const drop = key === "drop" ? asDrop(value) : undefined;
    if (mode) override.mode = mode;
    else if (debounceMs !== undefined) override.debounceMs = debounceMs;
    else if (cap !== undefined) override.cap = cap;
    else if (drop) override.drop = drop;
    else unknown.push(word);
  }
  return { override, unknown };
}

function parseDuration(text: string): number | undefined {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text);
  return found ? Math.round(Number(found[1]) * UNITS_MS[found[2] ?? "ms"]!) : undefined;
}
