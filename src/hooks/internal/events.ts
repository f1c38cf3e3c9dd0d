/** Limits of internal hooks, each with what happens at its edge. */
export const INTERNAL_LIMITS = {
  /** Folders of one directory that are read; the others are left out. */
  folders: 64,
  /** Bytes of HOOK.md and of a handler; a larger one is not used. */
  fileBytes: 262_144,
  /** Longest time of one run of a handler; then its thread is ended. */
  runMs: 10_000,
  /** Memory of the thread of a handler; with more it is ended. */
  heapMb: 64,
  youngHeapMb: 16,
  /** Handlers that run at the same time, and events that wait for them; further ones are dropped, counted and logged. */
  concurrent: 2,
  waiting: 100,
  /** Messages that one run may leave for its session, and their characters. */
  messages: 5,
  messageChars: 2_000,
} as const;

/** What happens, in the words of OpenClaw: `type:action`, or a whole type. */
export const INTERNAL_EVENTS = ["gateway:startup", "message:received", "message:sent", "command:new", "command:stop"] as const;
export type InternalEventName = (typeof INTERNAL_EVENTS)[number];

export type InternalEvent = {
  name: InternalEventName;
  sessionKey: string;
  /** Plain values: they are copied into another thread. */
  context: Readonly<Record<string, unknown>>;
};

const TYPES: ReadonlySet<string> = new Set(INTERNAL_EVENTS.map((name) => name.split(":")[0]!));

export const isInternalEvent = (name: string): boolean => TYPES.has(name) || INTERNAL_EVENTS.some((each) => each === name);

/** Whether a hook with these events wants this one. Pure. */
export const wants = (events: readonly string[], name: InternalEventName): boolean =>
  events.includes(name) || events.includes(name.split(":")[0]!);
