import { join } from "node:path";
import type { BrowserConfig } from "../../config/schema.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { asNumber, asString, asStrings, type JsonObject } from "../../core/json.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { silentMetrics, type Metrics } from "../../core/metrics.ts";
import type { FileLocks } from "../file-locks.ts";
import { errorResult } from "../results.ts";
import type { Tool, ToolContext, ToolName, ToolResult } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { PARAMETERS, prepareArguments } from "./arguments.ts";
import { BrowserFiles } from "./browser-files.ts";
import { toErrorResult, toResult } from "./browser-results.ts";
import { DriverProcess, type DriverResult } from "./driver-process.ts";
import { findBrowser } from "./find-browser.ts";
import { answerIdle, STARTING_ACTIONS } from "./idle.ts";
import { BROWSER_LIMITS } from "./limits.ts";
import type { BrowserSettings } from "./records.ts";

export type BrowserToolOptions = {
  config: () => BrowserConfig;
  /** The directory of the profiles of all agents. */
  directory: string;
  /** The environment of the browsers. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in them, for nothing else. */
  marker: string;
  files: WorkspaceFiles;
  locks: FileLocks;
  metrics?: Metrics | undefined;
  clock?: Pick<Clock, "after" | "monotonic">;
};

/** Actions that do with files what another tool does: who does not have that one may not do it by the browser either. */
const NEEDED_TOOLS: Readonly<Record<string, ToolName>> = { pdf: "write", download: "write", upload: "read" };

/** A browser of the agent's own, with a profile that stays. Tabs belong to the session that opened them. */
export function createBrowserTool(options: BrowserToolOptions): Tool {
  const { config, files, locks, metrics = silentMetrics, clock = systemClock } = options;
  const workspaceFiles = new BrowserFiles(files, locks);
  const counts = { tabs: 0, browsers: 0 };
  let log: Log = silentLog;
  metrics.sample("gateway_browser_tabs", () => counts.tabs);
  metrics.sample("gateway_browser_processes", () => counts.browsers);
  const driver = new DriverProcess({
    directory: options.directory,
    env: { ...options.env, ...displayVariables(process.env) },
    marker: options.marker,
    clock,
    onCounts: (now) => {
      if (now.browsers > counts.browsers) metrics.count("gateway_browser_starts_total", {}, now.browsers - counts.browsers);
      Object.assign(counts, now);
    },
  });

  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    log = context.log;
    const action = asString(args["action"]);
    const settings = config();
    if (!settings.enabled) return errorResult("Nothing was done: browser.enabled is false.");
    const found = findBrowser(settings.executablePath, options.env["PATH"]);
    if ("problem" in found) return errorResult(`No browser was found: ${found.problem}. ${found.fix}`);
    const needed = NEEDED_TOOLS[action];
    if (needed !== undefined && !context.caller.tools.includes(needed))
      return errorResult(`Nothing was done: ${action} has the effect of the tool ${needed}, which is not granted.`);
    const result =
      !driver.isRunning && !STARTING_ACTIONS.has(action)
        ? answerIdle(action)
        : await call({ action, args, settings: toSettings(settings, found.path) }, context);
    metrics.count("gateway_browser_calls_total", { action, outcome: "answer" in result ? "ok" : "failed" });
    if ("problem" in result) return toErrorResult(result.problem);
    const { file, ...answer } = result.answer;
    if (action === "status") return toResult({ ...answer, text: `${answer.text} Program: ${found.path}.` });
    if (!file) return toResult(answer);
    const saved = await workspaceFiles.save(file, asString(args["path"]), context);
    context.log.info("the browser has saved a file", { path: saved.path, bytes: saved.bytes });
    return toResult({ ...answer, text: `Saved ${saved.path} (${formatBytes(saved.bytes)}).` });
  }

  type Call = { action: string; args: JsonObject; settings: BrowserSettings };

  async function call({ action, args, settings }: Call, context: ToolContext): Promise<DriverResult> {
    const { agentId, sessionKey } = context.caller;
    const directory = join(options.directory, agentId);
    const given: Record<string, unknown> = { ...args };
    if (action === "upload") {
      const paths = asStrings(args["paths"]);
      if (paths.length === 0 || args["ref"] === undefined)
        return invalid("upload needs paths, files of the workspace, and ref, an element.");
      given["files"] = await workspaceFiles.share(paths, join(directory, "files"), context);
      context.log.info("the browser uploads files", { paths });
    }
    const wanted = Math.min(asNumber(args["timeoutMs"]) ?? BROWSER_LIMITS.pageMs, BROWSER_LIMITS.maxCallMs);
    const timeoutMs = wanted + BROWSER_LIMITS.driverGraceMs + (STARTING_ACTIONS.has(action) ? BROWSER_LIMITS.startMs : 0);
    const request = { agent: agentId, session: sessionKey, directory, action, args: given, settings, timeoutMs };
    return await driver.call(request, context.signal, context.log);
  }

  return {
    name: "browser",
    description:
      "Controls a browser with a profile of its own: open a page, take a snapshot, act on its elements by ref. Refs are of the last snapshot. To only read a page, web_fetch is faster.",
    parameters: PARAMETERS,
    prepare: prepareArguments,
    run,
    endSession: (sessionKey) => driver.endSession(sessionKey),
    stop: () => driver.stop(log),
  };
}

const invalid = (message: string): DriverResult => ({ problem: { code: "invalid", message } });

/** By which a browser with a window finds the screen. Pure. */
const displayVariables = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"].flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );

/** Chromium refuses its own sandbox to root. */
function toSettings({ headless, noSandbox, evaluateEnabled, ssrfPolicy }: BrowserConfig, executable: string): BrowserSettings {
  const hasDisplay = process.platform !== "linux" || (process.env["DISPLAY"] ?? process.env["WAYLAND_DISPLAY"] ?? "") !== "";
  return {
    executable,
    headless: headless ?? !hasDisplay,
    noSandbox: noSandbox || process.getuid?.() === 0,
    evaluateEnabled,
    allowPrivateNetwork: ssrfPolicy.dangerouslyAllowPrivateNetwork,
    allowedHostnames: ssrfPolicy.allowedHostnames,
  };
}
