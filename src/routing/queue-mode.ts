import { DEFAULT_QUEUE_MODE, toQueueMode, type QueueMode } from "../core/queue-modes.ts";
import { ownProperty, type QueueConfig } from "./types.ts";

/** What happens to a message that arrives while a turn is running. `source` says which setting decided the mode. */
export type QueueSettings = {
  mode: QueueMode;
  /** Mode `collect`: waiting messages are taken together once none has come for so long. */
  debounceMs: number;
  source: "channel" | "config" | "default";
};

const DEBOUNCE_MS = 500;

const asMs = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) && value >= 0 ? value : undefined;

/** Precedence: channel, configuration, DEFAULT_QUEUE_MODE. Unknown modes are skipped. */
export function queueSettings(config: QueueConfig | undefined, channel: string): QueueSettings {
  const ofChannel = toQueueMode(ownProperty(config?.byChannel, channel));
  const ofConfig = toQueueMode(config?.mode);
  return {
    mode: ofChannel ?? ofConfig ?? DEFAULT_QUEUE_MODE,
    source: ofChannel ? "channel" : ofConfig ? "config" : "default",
    debounceMs: asMs(ownProperty(config?.debounceMsByChannel, channel)) ?? asMs(config?.debounceMs) ?? DEBOUNCE_MS,
  };
}
