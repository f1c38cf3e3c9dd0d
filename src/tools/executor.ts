import { withTimeout } from "../core/async.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { asObject } from "../core/json.ts";
import { contain } from "../core/contain.ts";
import { silentMetrics, type Metrics } from "../core/metrics.ts";
import type { SessionKey } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { reasonOf } from "../core/errors.ts";
import { checkArguments } from "./arguments.ts";
import { errorResult, quote } from "./results.ts";
import {
  describeTools,
  type CallContext,
  type Tool,
  type ToolCall,
  type ToolDescription,
  type ToolExecutor,
  type ToolResult,
} from "./tool.ts";

/** How long `stop` waits for calls: below the time in which the gateway stops. */
const STOP_MS = 1_500;

export type ToolExecutorOptions = { tools: readonly Tool[]; log: Log; metrics?: Metrics; clock?: Pick<Clock, "after" | "monotonic"> };

export const createToolExecutor = (options: ToolExecutorOptions): ToolExecutor => new Executor(options);

const stopTimeout = (): Error => new Error(`calls still ran after ${STOP_MS} ms`);

class Executor implements ToolExecutor {
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #clock: Pick<Clock, "after" | "monotonic">;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<ToolResult>>();

  constructor({ tools, log, metrics = silentMetrics, clock = systemClock }: ToolExecutorOptions) {
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#log = log;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  describe(names: readonly string[]): readonly ToolDescription[] {
    return describeTools([...this.#tools.values()], names);
  }

  async run(call: ToolCall, context: CallContext): Promise<ToolResult> {
    if (this.#stopping.signal.aborted) return errorResult("The gateway is stopping; the call was not run.");
    if (context.signal.aborted) return errorResult("The turn was stopped; the call was not run.");
    const tool = this.#tools.get(call.name);
    if (tool === undefined) return errorResult(`There is no tool ${quote(call.name)}. Tools: ${[...this.#tools.keys()].join(", ")}.`);
    const running = this.#runTool(tool, call, context);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  endSession(sessionKey: SessionKey): void {
    for (const tool of this.#tools.values()) tool.endSession?.(sessionKey);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    try {
      await withTimeout(this.#clock, STOP_MS, Promise.all(this.#running), stopTimeout);
    } catch (err) {
      this.#log.warn("tool calls did not stop in time", { running: this.#running.size, reason: reasonOf(err) });
    }
    const [later, first] = [false, true].map((isFirst) =>
      [...this.#tools.values()].filter((tool) => (tool.isStoppedFirst === true) === isFirst),
    );
    for (const tool of [...first!, ...later!]) await tool.stop?.();
  }

  async #runTool(tool: Tool, call: ToolCall, context: CallContext): Promise<ToolResult> {
    const log = context.log.child({ tool: tool.name, call: call.id });
    const startedAt = this.#clock.monotonic();
    let isOver = false;
    const update: CallContext["update"] = (content) => {
      if (!isOver) context.update(content);
    };
    const showUpdate = contain((err) => log.error("an intermediate result could not be shown", { reason: reasonOf(err) }), update);
    const signal = AbortSignal.any([context.signal, this.#stopping.signal]);
    let result: ToolResult;
    let isInvalid = false;
    try {
      const given = asObject(call.args);
      const checked = checkArguments(tool.parameters, given && tool.prepare ? tool.prepare(given) : call.args);
      isInvalid = !checked.ok;
      result = checked.ok
        ? await tool.run(checked.args, { ...context, callId: call.id, signal, update: showUpdate, log })
        : refusal(tool, checked.problems);
    } catch (err) {
      result = errorResult(err instanceof Error ? err.message : String(err));
    }
    isOver = true;
    const durationMs = this.#clock.monotonic() - startedAt;
    log.debug("tool call ended", { isError: result.isError, durationMs: Math.round(durationMs) });
    const outcome = isInvalid ? "invalid" : result.isError ? "error" : "ok";
    this.#metrics.count("gateway_tools_calls_total", { tool: tool.name, result: outcome });
    this.#metrics.observe("gateway_tools_call_seconds", durationMs / 1_000, { tool: tool.name });
    return result;
  }
}

const refusal = (tool: Tool, problems: readonly string[]): ToolResult =>
  errorResult(`The arguments of ${tool.name} are not valid; nothing was run. ${problems.slice(0, 5).join("; ")}.`);
