import { fieldsOf } from "../core/json.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import { MCP_LIMITS } from "./limits.ts";
import type { OfferedTool } from "./offered-tools.ts";

export type ToolPinsOptions = {
  keyValue: Pick<KeyValueStore, "get" | "set">;
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
};

type Hashes = Readonly<Record<string, unknown>>;

/** The hash of every tool as it was at first contact, or when a person accepted it. */
export class ToolPins {
  readonly #options: ToolPinsOptions;

  constructor(options: ToolPinsOptions) {
    this.#options = options;
  }

  /** Pins the tools that are new, and returns the names of those that differ from what is pinned. */
  async compare(server: string, tools: readonly OfferedTool[]): Promise<ReadonlySet<string>> {
    const { keyValue, write, now } = this.#options;
    return await write(() => {
      const pinned = this.#read(server);
      const room = MCP_LIMITS.pins - Object.keys(pinned).length;
      const added = tools.filter(({ name }) => !Object.hasOwn(pinned, name)).slice(0, Math.max(0, room));
      const all: Hashes = { ...pinned, ...toHashes(added) };
      if (added.length > 0) keyValue.set(keyOf(server), all, now());
      return new Set(tools.filter(({ name, hash }) => !Object.hasOwn(all, name) || all[name] !== hash).map(({ name }) => name));
    });
  }

  /** Pins exactly these tools. */
  async accept(server: string, tools: readonly OfferedTool[]): Promise<void> {
    const { keyValue, write, now } = this.#options;
    await write(() => keyValue.set(keyOf(server), toHashes(tools), now()));
  }

  #read(server: string): Hashes {
    return fieldsOf(this.#options.keyValue.get(keyOf(server)));
  }
}

const keyOf = (server: string): string => `mcp.tools.${server}`;
const toHashes = (tools: readonly OfferedTool[]): Hashes => Object.fromEntries(tools.map(({ name, hash }) => [name, hash]));
