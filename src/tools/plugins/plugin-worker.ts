// The thread of a tool plugin: loads its code and runs calls of its tools.
import { parentPort, workerData } from "node:worker_threads";
import { isObject, type JsonObject } from "../../core/json.ts";
import { importPlugin } from "../../core/plugin-module.ts";
import type { FromPluginMessage, PluginThreadData, ToPluginMessage } from "./messages.ts";
import { PLUGIN_LIMITS } from "./limits.ts";
import { limitContent, limitResult } from "./thread-results.ts";

type Run = (args: JsonObject, context: unknown) => unknown;

const port = parentPort!;
const { module, sdk, loadMs } = workerData as PluginThreadData;
const tools = new Map<string, Run>();
const calls = new Map<number, AbortController>();
let config: JsonObject = {};

// oxlint-disable-next-line require-post-message-target-origin -- a port of Node, not a window
const post = (message: FromPluginMessage): void => port.postMessage(message);
const reasonOf = (err: unknown): string => (err instanceof Error ? err.message : String(err)).slice(0, PLUGIN_LIMITS.errorChars);

async function load(): Promise<void> {
  try {
    const { default: definition } = await importPlugin(module, sdk, loadMs);
    if (isObject(definition) && Array.isArray(definition["tools"])) for (const tool of definition["tools"]) addTool(tool);
    const text = JSON.stringify(definition, markFunctions) ?? "null";
    if (text.length > PLUGIN_LIMITS.descriptionChars) return post({ t: "failed", cause: "its description is too large" });
    post({ t: "loaded", description: JSON.parse(text) });
  } catch (err) {
    post({ t: "failed", cause: `it could not be loaded: ${reasonOf(err)}` });
  }
}

/** `true` stands for a function, and for nothing else where a function belongs. */
const markFunctions = (key: string, value: unknown): unknown =>
  typeof value === "function" ? true : key === "run" && value === true ? false : value;

/** The first of several tools with one name counts, as in the description. */
function addTool(tool: unknown): void {
  if (!isObject(tool) || typeof tool["name"] !== "string" || typeof tool["run"] !== "function" || tools.has(tool["name"])) return;
  tools.set(tool["name"], (tool["run"] as Run).bind(tool));
}

async function run({ call, tool, args, facts }: Extract<ToPluginMessage, { t: "call" }>): Promise<void> {
  const abort = new AbortController();
  const updates = updatesOf(call);
  calls.set(call, abort);
  try {
    const runTool = tools.get(tool);
    if (runTool === undefined) throw new Error(`the plugin no longer has the tool ${tool}`);
    const result = await runTool(args, { ...facts, config, signal: abort.signal, update: updates.show, log: logOf(call) });
    post({ t: "done", call, result: limitResult(result) });
  } catch (err) {
    post({ t: "threw", call, message: reasonOf(err) });
  } finally {
    updates.cancel();
    calls.delete(call);
  }
}

/** Intermediate results of a call: the newest one at each interval, and none after its end. */
function updatesOf(call: number): { show: (content: unknown) => void; cancel: () => void } {
  let newest: { content: unknown } | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isOver = false;
  const flush = (): void => {
    timer = null;
    if (newest === null) return;
    post({ t: "update", call, content: limitContent(newest.content) });
    newest = null;
    timer = setTimeout(flush, PLUGIN_LIMITS.updateMs);
  };
  return {
    show(content) {
      if (isOver) return;
      newest = { content };
      if (timer === null) flush();
    },
    cancel() {
      isOver = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

function logOf(call: number): Record<string, (message: unknown, fields?: unknown) => void> {
  let lines = 0;
  const write = (level: string) => (message: unknown, fields?: unknown) => {
    if (++lines > PLUGIN_LIMITS.logLines) return;
    const text = String(message).slice(0, PLUGIN_LIMITS.logChars);
    post({ t: "log", call, level, message: text, fields: (JSON.stringify(fields) ?? "").slice(0, PLUGIN_LIMITS.logChars) });
  };
  return Object.fromEntries(["debug", "info", "warn", "error"].map((level) => [level, write(level)]));
}

port.on("message", (message: ToPluginMessage) => {
  if (message.t === "configure") config = message.config;
  else if (message.t === "call") void run(message);
  else if (message.t === "abort") calls.get(message.call)?.abort();
  else post({ t: "pong" });
});

void load();
