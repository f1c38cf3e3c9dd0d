import { piDirs } from "../agents/pi/files.ts";
import { abortable } from "../core/async.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { reasonOf } from "../core/errors.ts";
import { decidePluginTool, type ToolDecision } from "../tools/policy.ts";
import { reportEntry, usesPlugins, type PluginReport } from "../tools/plugins/plugin-report.ts";
import type { ToolPlugins } from "../tools/plugins/tool-plugins.ts";
import { errorResult } from "../tools/results.ts";
import {
  isPluginToolName,
  type CallContext,
  type ToolCall,
  type ToolDescription,
  type ToolEffect,
  type ToolResult,
} from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import { decideForRooms, type PolicyCaller, type CallQuestion } from "./tool-sources.ts";

type PluginsInput = Pick<GatewayBase, "paths" | "log" | "metrics" | "clock"> & { running: RunningConfig };

/** The plugins of the configuration: nothing for them is loaded before it names one. */
export class LazyToolPlugins implements ToolSource {
  readonly #input: PluginsInput;
  #plugins: ToolPlugins | null = null;
  #loading: Promise<void> | null = null;
  #isStopped = false;

  constructor(input: PluginsInput) {
    this.#input = input;
  }

  /** Takes over the configuration, in the background. */
  configure(): void {
    if (this.#plugins !== null) return this.#plugins.configure();
    if (this.#isStopped || this.#loading !== null || !usesPlugins(this.#input.running.config.plugins)) return;
    this.#loading = this.#load().catch((err: unknown) => this.#input.log.error("plugins could not be loaded", { cause: reasonOf(err) }));
  }

  async list(signal: AbortSignal): Promise<readonly ToolDescription[]> {
    await this.#loaded(signal);
    return (await this.#plugins?.list(signal)) ?? [];
  }

  has(name: string): boolean {
    return this.#plugins?.has(name) ?? false;
  }

  async find(name: string, signal: AbortSignal): Promise<boolean> {
    if (!isPluginToolName(name)) return false;
    await this.#loaded(signal);
    return this.has(name);
  }

  effectOf(name: string): ToolEffect | null {
    return this.#plugins?.effectOf(name) ?? null;
  }

  askOf(name: string): ReturnType<ToolPlugins["askOf"]> {
    return this.#plugins?.askOf(name) ?? null;
  }

  known(): ReturnType<ToolPlugins["known"]> {
    return this.#plugins?.known() ?? [];
  }

  async run(call: ToolCall, context: CallContext): Promise<ToolResult> {
    return (await this.#plugins?.run(call, context)) ?? errorResult("No plugin is loaded.");
  }

  /** Every plugin of the configuration, in its order. */
  report(): readonly PluginReport[] {
    const { plugins } = this.#input.running.config;
    return this.#plugins?.report() ?? Object.keys(plugins.entries).map((id) => reportEntry(plugins, id));
  }

  /** The same when each of them was loaded or was not. */
  async settledReport(signal: AbortSignal): Promise<readonly PluginReport[]> {
    await this.#loaded(signal);
    return this.report();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loading;
    await this.#plugins?.stop();
  }

  /** Resolves when it is known which tools the plugins have, or when the signal aborts. */
  async #loaded(signal: AbortSignal): Promise<void> {
    try {
      await abortable(Promise.resolve(this.#loading), signal);
      await abortable(Promise.resolve(this.#plugins?.ready()), signal);
    } catch {
      // What is known then is used.
    }
  }

  async #load(): Promise<void> {
    const { paths, log, metrics, clock, running } = this.#input;
    const { ToolPlugins } = await import("../tools/plugins/tool-plugins.ts");
    if (this.#isStopped) return;
    this.#plugins = new ToolPlugins({
      config: () => running.config.plugins,
      stateDir: paths.state,
      env: toCommandEnv(process.env, piDirs(paths.state).temp),
      log: log.child({ subsystem: "plugins" }),
      metrics,
      clock,
    });
    this.#plugins.configure();
  }
}

/** Whether such a caller may call a tool of a plugin with the configuration that holds now. */
export function decidePluginCall(
  running: Pick<RunningConfig, "agents">,
  plugins: Pick<LazyToolPlugins, "effectOf">,
  caller: PolicyCaller,
  name: string,
): Omit<ToolDecision, "tool"> {
  const effect = plugins.effectOf(name) ?? "plugin";
  return decideForRooms(running, caller, (layers) => decidePluginTool(layers, caller.surface, { name, effect }));
}

/** What a person is asked before a call of a tool of a plugin; null where none is asked. */
export function questionOfPlugin(
  plugins: Pick<LazyToolPlugins, "askOf">,
  { name, args }: Pick<ToolCall, "name" | "args">,
): CallQuestion | null {
  const found = plugins.askOf(name);
  if (!found?.asks) return null;
  return {
    title: `${found.label}: ${name}`,
    about: `An agent wants to call a tool of the plugin ${found.plugin}, which has the rights of the gateway (${found.effect}).`,
    args,
    pluginId: found.plugin,
    toolName: name,
  };
}
