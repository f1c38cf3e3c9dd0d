import { isObject } from "../core/json.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import { MCP_LIMITS } from "./limits.ts";
import type { SeenTool } from "./offered-tools.ts";

export type ToolPinsOptions = {
  keyValue: Pick<KeyValueStore, "get" | "set" | "isDamaged">;
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
};

/**
 * Why a tool is withheld. `changed`: it is another one than the accepted one; `new`: the server did not have it when its tools were accepted;
 * `unknown`: the record of what was accepted is damaged.
 */
export type WithheldReason = "changed" | "new" | "unknown";

type Hashes = Readonly<Record<string, unknown>>;

/** The hash of every tool as it was at first contact with its server, or when a person accepted it. */
export class ToolPins {
  readonly #options: ToolPinsOptions;

  constructor(options: ToolPinsOptions) {
    this.#options = options;
  }

  /** Pins all tools at first contact. After that: those that differ from what is pinned, and why. */
  async compare(server: string, tools: readonly SeenTool[]): Promise<ReadonlyMap<string, WithheldReason>> {
    const { keyValue, write, now } = this.#options;
    return await write(() => {
      const pinned = this.#read(server);
      if (pinned === "damaged") return new Map(tools.map(({ name }) => [name, "unknown"]));
      // A server without a tool has shown nothing that could be accepted.
      if (pinned === null && tools.length > 0) keyValue.set(keyOf(server), toHashes(tools), now());
      const known = pinned ?? toHashes(tools);
      const reasons = tools.map(({ name, hash }) => [name, reasonOf(known, name, hash)] as const);
      return new Map(reasons.filter((each): each is [string, WithheldReason] => each[1] !== null));
    });
  }

  /** Those that only read, and did so when they were accepted: what a server says later of a tool makes it no safer. */
  reading(server: string, tools: readonly SeenTool[]): ReadonlySet<string> {
    const pinned = this.#read(server);
    if (pinned === null || pinned === "damaged") return new Set();
    return new Set(tools.flatMap(({ name, readsOnly }) => (readsOnly && isReading(pinned, name) ? [name] : [])));
  }

  /** Pins exactly these tools. */
  async accept(server: string, tools: readonly SeenTool[]): Promise<void> {
    const { keyValue, write, now } = this.#options;
    await write(() => keyValue.set(keyOf(server), toHashes(tools), now()));
  }

  /** Null before the first contact. */
  #read(server: string): Hashes | "damaged" | null {
    const { keyValue } = this.#options;
    if (keyValue.isDamaged(keyOf(server))) return "damaged";
    const stored = keyValue.get(keyOf(server));
    if (stored === null) return null;
    return isObject(stored) ? stored : "damaged";
  }
}

function reasonOf(known: Hashes, name: string, hash: string): WithheldReason | null {
  if (!Object.hasOwn(known, name)) return "new";
  if (typeof known[name] !== "string") return "unknown";
  return hashIn(known[name]) === hash ? null : "changed";
}

/** What follows the hash of a tool that only reads. */
const READING = " reads";
const hashIn = (pinned: string): string => (pinned.endsWith(READING) ? pinned.slice(0, -READING.length) : pinned);
const isReading = (pinned: Hashes, name: string): boolean => Object.hasOwn(pinned, name) && String(pinned[name]).endsWith(READING);

const keyOf = (server: string): string => `mcp.tools.${server}`;
const toHashes = (tools: readonly SeenTool[]): Hashes =>
  Object.fromEntries(tools.slice(0, MCP_LIMITS.pins).map(({ name, hash, readsOnly }) => [name, readsOnly ? hash + READING : hash]));
