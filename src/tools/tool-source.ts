import type { ToolEntry } from "./tool-entry.ts";
import type { CallContext, ToolCall, ToolDescription, ToolResult } from "./tool.ts";

/** Tools beside the built-in ones: they have names of their own, and a model finds them by words. */
export interface ToolSource {
  /**
   * The tools that can be called. What others say of them is a quotation on one line of the description. May start what serves them, but
   * resolves when `signal` aborts at the latest, with what is known then. Never rejects.
   */
  list(signal: AbortSignal): Promise<readonly ToolDescription[]>;
  /** Whether a tool of this name is the source's, without waiting. */
  has(name: string): boolean;
  /** The same where that is not known without waiting. Never rejects. */
  find?(name: string, signal: AbortSignal): Promise<boolean>;
  /** As ToolExecutor.run. */
  run(call: ToolCall, context: CallContext): Promise<ToolResult>;
  stop(): Promise<void>;
}

/** Rows that stand for the tools of sources. */
export const mcpEntry: ToolEntry = {
  facts: { mcp: { section: "mcp", effect: "mcp", profiles: ["coding", "messaging"], isFound: true } },
  create: () => [],
};
export const pluginsEntry: ToolEntry = {
  facts: { plugins: { section: "plugins", effect: "plugin", profiles: [], isFound: true } },
  create: () => [],
};
