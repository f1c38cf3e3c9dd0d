import { ownProperty, type QueueConfig } from "./types.ts";

export type QueueMode = "steer" | "followup" | "collect" | "interrupt";
/** What happens to a message that arrives while a turn is running. `source` says which setting decided the mode. */
export type QueueSettings = {
  mode: QueueMode;
  /** Mode `collect`: waiting messages are taken together once none has come for so long. */
  debounceMs: number;
  source: "channel" | "config" | "default";
};

const MODES: readonly QueueMode[] = ["steer", "followup", "collect", "interrupt"];
const DEBOUNCE_MS = 500;

const asMode = (value: string | undefined): QueueMode | undefined => MODES.find((mode) => mode === value);
const asMs = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) && value >= 0 ? value : undefined;

/** Channel > configuration > steer. Values that make no sense are passed over. */
export function queueSettings(config: QueueConfig | undefined, channel: string): QueueSettings {
  const chosen: readonly [QueueSettings["source"], QueueMode | undefined][] = [
    ["channel", asMode(ownProperty(config?.byChannel, channel))],
    ["config", asMode(config?.mode)],
    ["default", "steer"],
  ];
  const [source, mode] = chosen.find(([, value]) => value !== undefined)!;
  return {
    mode: mode!,
    source,
    debounceMs: asMs(ownProperty(config?.debounceMsByChannel, channel)) ?? asMs(config?.debounceMs) ?? DEBOUNCE_MS,
  };
}
