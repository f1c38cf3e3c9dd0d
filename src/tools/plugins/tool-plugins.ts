import { isSameValue } from "../../config/diff.ts";
import type { PluginsConfig } from "../../config/schema.ts";
import { abortable } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../core/metrics.ts";
import { createToolExecutor } from "../executor.ts";
import { errorResult, quote } from "../results.ts";
import type { ToolSource } from "../tool-source.ts";
import type { CallContext, ToolCall, ToolDescription, ToolEffect, ToolExecutor, ToolResult } from "../tool.ts";
import { isAsked, type OfferedPluginTool, type RefusedTool } from "./description.ts";
import { findOffReason, reportEntry, type PluginReport } from "./plugin-report.ts";
import { ToolPlugin, type ToolPluginDeps } from "./tool-plugin.ts";

export type ToolPluginsOptions = Omit<ToolPluginDeps, "clock"> & {
  config: () => PluginsConfig;
  stateDir: string;
  metrics: Metrics;
  clock: Pick<Clock, "after" | "monotonic">;
};

type Used = { plugin: ToolPlugin; executor: ToolExecutor | null; tools: readonly OfferedPluginTool[]; leftOut: readonly RefusedTool[] };

/** All plugins of the configuration: a source of tools. */
export class ToolPlugins implements ToolSource {
  readonly #options: ToolPluginsOptions;
  readonly #used = new Map<string, Used>();
  /** Plugins that are ending. */
  readonly #ending = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: ToolPluginsOptions) {
    this.#options = options;
    options.metrics.sample("gateway_tool_plugins", () => this.#countStates());
  }

  /** Takes over the configuration: loads what is new in it, in the background, and ends what is not in it any more, or in another way. */
  configure(): void {
    if (this.#isStopped) return;
    const config = this.#options.config();
    for (const [id, { plugin }] of this.#used) {
      if (findOffReason(config, id) === null && isSameValue(config.entries[id], plugin.entry)) continue;
      this.#remove(id);
    }
    for (const id of Object.keys(config.entries)) if (findOffReason(config, id) === null && !this.#used.has(id)) this.#add(id);
  }

  async list(signal: AbortSignal): Promise<readonly ToolDescription[]> {
    this.#renewOutdated();
    try {
      await abortable(this.ready(), signal);
    } catch {
      // What is known then is listed.
    }
    return this.known().map(({ tool }) => tool.description);
  }

  /** Resolves when every plugin was loaded or was not. */
  async ready(): Promise<void> {
    await Promise.all([...this.#used.values()].map(({ plugin }) => plugin.load()));
  }

  /** The tools that can be called, as far as they are known. */
  known(): readonly { plugin: string; label: string; tool: OfferedPluginTool }[] {
    return [...this.#used.values()].flatMap(({ plugin, tools }) =>
      tools.map((tool) => ({ plugin: plugin.id, label: plugin.description?.label ?? plugin.id, tool })),
    );
  }

  has(name: string): boolean {
    return this.#find(name) !== null;
  }

  /** What a tool does outside of its conversation; null for a tool that there is not. */
  effectOf(name: string): ToolEffect | null {
    return this.#find(name)?.tools.find((tool) => tool.description.name === name)?.effect ?? null;
  }

  /** The plugin of a tool, and whether a person is asked before a call; null for a tool that there is not. */
  askOf(name: string): { plugin: string; label: string; effect: ToolEffect; asks: boolean } | null {
    const used = this.#find(name);
    const tool = used?.tools.find(({ description }) => description.name === name);
    if (!used || !tool) return null;
    const { id, description } = used.plugin;
    const mode = this.#options.config().entries[id]?.ask;
    return { plugin: id, label: description?.label ?? id, effect: tool.effect, asks: isAsked(mode, tool) };
  }

  async run(call: ToolCall, context: CallContext): Promise<ToolResult> {
    const { executor } = this.#find(call.name) ?? {};
    return executor ? await executor.run(call, context) : errorResult(`No plugin has a tool ${quote(call.name)}.`);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const id of this.#used.keys()) this.#remove(id);
    await Promise.all(this.#ending);
  }

  /** Every plugin of the configuration, in its order. */
  report(): readonly PluginReport[] {
    const config = this.#options.config();
    return Object.keys(config.entries).map((id) => {
      const entry = reportEntry(config, id);
      const used = this.#used.get(id);
      if (!entry.enabled || !used) return entry;
      const { plugin, tools, leftOut } = used;
      const { state, cause, fix, lastFault, hasThread, description } = plugin;
      const { label = id, config: configSchema = null } = description ?? {};
      return { ...entry, label, state, cause, fix, source: plugin.source, lastFault, hasThread, tools, leftOut, configSchema };
    });
  }

  #find(name: string): Used | null {
    return [...this.#used.values()].find(({ tools }) => tools.some((tool) => tool.description.name === name)) ?? null;
  }

  /** Loads plugins again whose code has changed since. */
  #renewOutdated(): void {
    for (const [id, { plugin }] of this.#used) {
      if (plugin.state === "loading" || !plugin.isOutdated) continue;
      this.#remove(id);
      this.#add(id);
    }
  }

  #add(id: string): void {
    const { stateDir, config, clock, log, metrics } = this.#options;
    const { entries, load } = config();
    const plugin = new ToolPlugin(id, entries[id]!, { stateDir, paths: load.paths }, this.#options);
    const used: Used = { plugin, executor: null, tools: [], leftOut: [] };
    this.#used.set(id, used);
    void plugin.load().then(() => {
      if (this.#used.get(id) !== used || plugin.description === null) return;
      used.executor = createToolExecutor({ tools: plugin.tools(), log, metrics, clock });
      this.#assignNames();
      log.info("a plugin is loaded", { plugin: id, tools: used.tools.map((tool) => tool.description.name) });
    });
  }

  /** A name belongs to the first plugin of the configuration that has it, in any order of loading. */
  #assignNames(): void {
    const owners = new Map<string, string>();
    for (const id of Object.keys(this.#options.config().entries)) {
      const used = this.#used.get(id);
      const description = used?.plugin.description;
      if (!used || !description) continue;
      const isTaken = ({ description: { name } }: OfferedPluginTool): boolean => owners.has(name);
      const taken = description.tools.filter(isTaken).map(({ description: { name } }) => ({
        name,
        reason: `the plugin ${owners.get(name)} has a tool of this name`,
      }));
      used.tools = description.tools.filter((tool) => !isTaken(tool));
      for (const tool of used.tools) owners.set(tool.description.name, id);
      const known = used.leftOut;
      used.leftOut = [...description.leftOut, ...taken];
      for (const { name, reason } of used.leftOut)
        if (!known.some((each) => each.name === name && each.reason === reason))
          this.#options.log.warn("a tool of a plugin is left out", { plugin: id, tool: name, reason });
    }
  }

  #remove(id: string): void {
    const { plugin, executor } = this.#used.get(id)!;
    this.#used.delete(id);
    this.#assignNames();
    const ending: Promise<void> = Promise.all([plugin.stop(), executor?.stop()]).then(() => void this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #countStates(): { labels: { state: string }; value: number }[] {
    const counts = new Map<string, number>();
    for (const { state } of this.report()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return [...counts].map(([state, value]) => ({ labels: { state }, value }));
  }
}
