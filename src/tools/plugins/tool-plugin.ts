import type { PluginEntry } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { isObject, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { PluginLoadError, type PluginModule } from "../../core/plugin-module.ts";
import { Secret } from "../../core/secret.ts";
import { checkArguments } from "../arguments.ts";
import { errorResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { readPluginDescription, type OfferedPluginTool, type PluginDescription } from "./description.ts";
import { PLUGIN_LIMITS } from "./limits.ts";
import { findPluginModule, type PlaceOptions } from "./place.ts";
import type { PluginState } from "./plugin-report.ts";
import { readPluginResult, readPluginUpdate } from "./plugin-result.ts";
import { PluginThread, type PluginThreadLimits } from "./plugin-thread.ts";

export type ToolPluginDeps = {
  /** The whole environment of the code. */
  env: Readonly<Record<string, string>>;
  clock: Pick<Clock, "after">;
  log: Log;
  limits?: Partial<PluginThreadLimits & { idleMs: number }>;
};

const SDK = {
  name: "openclaw-gateway/tool",
  url: new URL(import.meta.url.endsWith(".ts") ? "./sdk.ts" : "./tool.js", import.meta.url).href,
};

/** A plugin of the configuration. Its code runs in a thread that is started when it is needed and ends when it is idle. */
export class ToolPlugin {
  readonly id: string;
  readonly entry: PluginEntry;
  state: PluginState = "loading";
  /** Why it cannot be used, and what to do about it. */
  cause: string | null = null;
  fix: string | null = null;
  description: PluginDescription | null = null;
  /** File or package of its code, as people call it. */
  source: string | null = null;
  /** The last time that its thread ended by a fault; the next call starts another one. */
  lastFault: string | null = null;
  readonly #deps: ToolPluginDeps;
  readonly #place: PlaceOptions;
  readonly #limits: PluginThreadLimits & { idleMs: number };
  #module: PluginModule | null = null;
  #thread: PluginThread | null = null;
  #loading: Promise<void> | null = null;
  #cancelIdle: (() => void) | null = null;
  #isStopped = false;

  constructor(id: string, entry: PluginEntry, place: PlaceOptions, deps: ToolPluginDeps) {
    this.id = id;
    this.entry = entry;
    this.#place = place;
    this.#deps = deps;
    this.#limits = { ...PLUGIN_LIMITS, ...deps.limits };
  }

  /** Whether its code is another one than was loaded. */
  get isOutdated(): boolean {
    try {
      return findPluginModule(this.id, this.entry, this.#place).specifier !== this.#module?.specifier;
    } catch {
      // Loading it reports what is wrong.
      return this.#module !== null;
    }
  }

  get hasThread(): boolean {
    return this.#thread !== null && !this.#thread.isEnded;
  }

  /** Loads the code once. Never rejects: the state says what became of it. */
  load(): Promise<void> {
    return (this.#loading ??= this.#start().then(
      () => {},
      (err: unknown) => this.#fail(err),
    ));
  }

  /** The tools, as the executor runs them. */
  tools(): readonly Tool[] {
    return (this.description?.tools ?? []).map((tool) => ({
      ...tool.description,
      run: (args, context) => this.#run(tool, args, context),
    }));
  }

  /** Ends its thread. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelIdle?.();
    await this.#thread?.stop("the gateway does not use it any more");
  }

  /** A thread with the code loaded and configured. */
  async #start(): Promise<PluginThread> {
    if (this.#isStopped) throw new Error("the plugin is not used any more");
    if (this.#thread !== null && !this.#thread.isEnded) {
      await this.#thread.loaded;
      return this.#thread;
    }
    const { env, clock, log } = this.#deps;
    const module = findPluginModule(this.id, this.entry, this.#place);
    this.#module = module;
    this.source = module.name;
    const data = { module, sdk: SDK, loadMs: this.#limits.loadMs };
    const thread = new PluginThread({ data, env, clock, log: log.child({ plugin: this.id }), limits: this.#limits });
    this.#thread = thread;
    const description = readPluginDescription(this.id, await thread.loaded);
    const config = typeof description === "string" ? description : this.#readConfig(description);
    if (typeof description === "string" || typeof config === "string") {
      await thread.stop("it is not valid");
      throw new Error(String(config));
    }
    thread.configure(config);
    this.description = description;
    this.state = "ready";
    this.#endWhenIdle();
    return thread;
  }

  /** The settings, checked; a text says what is wrong with them. */
  #readConfig({ config: schema }: PluginDescription): JsonObject | string {
    const given = reveal(this.entry.config ?? {});
    if (schema === null)
      return isObject(given) && Object.keys(given).length === 0
        ? {}
        : `plugins.entries.${this.id}.config is set, but the plugin has no settings`;
    const checked = checkArguments(schema, given);
    const stray = isObject(given) ? Object.keys(given).filter((key) => checked.ok && !Object.hasOwn(checked.args, key)) : [];
    if (!checked.ok) return `plugins.entries.${this.id}.config is not valid: ${checked.problems.slice(0, 5).join("; ")}`;
    return stray.length === 0 ? checked.args : `plugins.entries.${this.id}.config has unknown keys: ${stray.slice(0, 5).join(", ")}`;
  }

  #fail(err: unknown): void {
    if (this.#isStopped) return;
    const isMissing = err instanceof PluginLoadError && this.#module === null;
    this.state = isMissing ? "missing" : "failed";
    this.cause = reasonOf(err);
    this.fix =
      err instanceof PluginLoadError ? err.fix : `Correct the plugin or plugins.entries.${this.id}; docs/tool-plugins.md describes both.`;
    this.#deps.log.warn("a plugin is not used", { plugin: this.id, cause: this.cause, fix: this.fix });
  }

  async #run(tool: OfferedPluginTool, args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { name } = tool.description;
    const { callId, workspace, log } = context;
    const { agentId, sessionKey, runId, surface, isPrivate } = context.caller;
    const thread = await this.#start();
    if (thread.running >= PLUGIN_LIMITS.calls)
      return errorResult(`The plugin ${this.id} already runs ${PLUGIN_LIMITS.calls} calls; try again later.`);
    this.#cancelIdle?.();
    const time = new AbortController();
    const late = (): void =>
      time.abort(new Error(`The tool ${name} took longer than ${tool.timeoutMs / 1_000} s; its plugin was asked to stop it.`));
    const cancelLate = this.#deps.clock.after(tool.timeoutMs, late);
    const signal = AbortSignal.any([context.signal, time.signal]);
    const onUpdate = (content: unknown): void => {
      const shown = readPluginUpdate(content);
      if (shown !== null) context.update(shown);
    };
    try {
      const facts = { callId, agentId, sessionKey, runId, surface, isPrivate, workspace };
      const result = readPluginResult(name, this.id, await thread.call(name, args, facts, { ...context, signal }, onUpdate));
      this.lastFault = null;
      if (typeof result !== "string") return result;
      log.warn("a tool of a plugin has not returned a result", { plugin: this.id, reason: result });
      return errorResult(`The tool ${name} of the plugin ${this.id} has a fault: ${result}.`);
    } catch (err) {
      const problem = readPluginResult(name, this.id, { content: reasonOf(err), isError: true });
      if (!thread.isEnded) return typeof problem === "string" ? errorResult(problem) : problem;
      this.lastFault = reasonOf(err);
      log.warn("the thread of a plugin ended during a call", { plugin: this.id, cause: this.lastFault });
      return errorResult(`The tool ${name} has no result. ${this.lastFault}`);
    } finally {
      cancelLate();
      this.#endWhenIdle();
    }
  }

  #endWhenIdle(): void {
    const thread = this.#thread;
    this.#cancelIdle?.();
    if (thread === null || thread.isEnded || thread.running > 0) return;
    this.#cancelIdle = this.#deps.clock.after(this.#limits.idleMs, () => void thread.stop("it was idle"));
  }
}

/** Settings as the plugin gets them: it needs its credentials. */
function reveal(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(reveal);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, reveal(each)])) : value;
}
