/**
 * What happens to a message that arrives while a turn is running, with the explanation for people. Types, configuration schema, checks,
 * chat commands and documentation are derived from this table.
 */
export const QUEUE_MODES = ["steer", "followup", "collect", "interrupt"] as const;
export type QueueMode = (typeof QUEUE_MODES)[number];

export const QUEUE_MODE_HELP: Readonly<Record<QueueMode, string>> = {
  steer: "goes into the running turn",
  followup: "waits for the running turn to end",
  collect: "waits, and is answered together with the others that wait",
  interrupt: "ends the running turn",
};

export const DEFAULT_QUEUE_MODE: QueueMode = "steer";

export const toQueueMode = (word: string | null | undefined): QueueMode | null => QUEUE_MODES.find((mode) => mode === word) ?? null;
