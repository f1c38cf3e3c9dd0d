import { asNumber, asString, asStrings, type JsonObject } from "../../core/json.ts";
import { silentMetrics, type Metrics } from "../../core/metrics.ts";
import type { FileLocks } from "../file-locks.ts";
import { errorResult } from "../results.ts";
import type { Tool, ToolContext, ToolName, ToolResult } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import type { AgentBrowsers, BrowserPlan } from "./agent-browsers.ts";
import { PARAMETERS, prepareArguments } from "./arguments.ts";
import { BrowserFiles } from "./browser-files.ts";
import { toErrorResult, toResult } from "./browser-results.ts";
import { describePlan, listProfilesText } from "./describe.ts";
import type { DriverResult } from "./driver-process.ts";
import { answerIdle, STARTING_ACTIONS } from "./idle.ts";
import { BROWSER_LIMITS } from "./limits.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type BrowserToolOptions = {
  browsers: AgentBrowsers;
  files: WorkspaceFiles;
  locks: FileLocks;
  metrics?: Metrics | undefined;
};

/** Actions that do with files what another tool does: who does not have that one may not do it by the browser either. */
const NEEDED_TOOLS: Readonly<Record<string, ToolName>> = { pdf: "write", download: "write", waitfordownload: "write", upload: "read" };

/** A browser of the agent's own, with profiles that stay. Tabs belong to the session that opened them. */
export function createBrowserTool({ browsers, files, locks, metrics = silentMetrics }: BrowserToolOptions): Tool {
  const workspaceFiles = new BrowserFiles(files, locks);

  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const action = asString(args["action"]);
    if (!browsers.config().enabled) return errorResult("Nothing was done: browser.enabled is false.");
    if (action === "profiles") return listProfilesText(await browsers.profiles(context.caller.agentId));
    const plan = browsers.plan(asString(args["profile"]) || undefined);
    if ("what" in plan) return errorResult(`${plan.what} ${plan.fix}`);
    if (action === "doctor" && args["deep"] !== true) return await checkPlan(browsers, plan);
    const path = asString(args["path"]);
    const isSaved = action === "screenshot" && path !== "";
    const needed = isSaved ? "write" : NEEDED_TOOLS[action];
    if (needed !== undefined && !context.caller.tools.includes(needed))
      return errorResult(`Nothing was done: ${action} has the effect of the tool ${needed}, which is not granted.`);
    const result = !browsers.isRunning && !STARTING_ACTIONS.has(action) ? answerIdle(action) : await call({ action, args, plan }, context);
    metrics.count("gateway_browser_calls_total", { action, outcome: "answer" in result ? "ok" : "failed" });
    if ("problem" in result) return toErrorResult(result.problem);
    const { file, ...answer } = result.answer;
    if (action === "status") return toResult({ ...answer, text: `${answer.text} ${describePlan(plan, null)}` });
    const { image } = answer;
    if (!file && !(isSaved && image)) return toResult(answer);
    const saved = file
      ? await workspaceFiles.save(file, path, context)
      : await workspaceFiles.store({ content: Buffer.from(image!.data, "base64"), name: `page.${extensionOf(image!)}` }, path, context);
    context.log.info("the browser has saved a file", { path: saved.path, bytes: saved.bytes });
    return toResult({ ...answer, text: `Saved ${saved.path} (${formatBytes(saved.bytes)}).` });
  }

  type Call = { action: string; args: JsonObject; plan: BrowserPlan };

  async function call({ action, args, plan }: Call, context: ToolContext): Promise<DriverResult> {
    const { agentId: agent, sessionKey: session } = context.caller;
    const { settings, profile } = plan;
    const directory = browsers.directoryOf({ agent, profile: profile.name });
    const given: Record<string, unknown> = { ...args };
    if (action === "upload") {
      const paths = asStrings(args["paths"]);
      if (paths.length === 0 || args["ref"] === undefined)
        return invalid("upload needs paths, files of the workspace, and ref, an element.");
      given["files"] = await workspaceFiles.share(paths, `${directory}/uploads`, context);
      context.log.info("the browser uploads files", { paths });
    }
    const wanted = Math.min(asNumber(args["timeoutMs"]) ?? BROWSER_LIMITS.pageMs, BROWSER_LIMITS.maxCallMs);
    const timeoutMs = wanted + BROWSER_LIMITS.driverGraceMs + (STARTING_ACTIONS.has(action) ? BROWSER_LIMITS.startMs : 0);
    const request = { agent, profile: profile.name, session, directory, action, args: given, settings, timeoutMs };
    return await browsers.call(request, context.signal, context.log);
  }

  return {
    name: "browser",
    description:
      "Controls a browser with a profile of its own: open a page, take a snapshot, act on its elements by ref. Refs are of the last snapshot. To only read a page, web_fetch is faster.",
    parameters: PARAMETERS,
    prepare: prepareArguments,
    run,
    // It saves its cookies before what commands have left running is killed.
    isStoppedFirst: true,
    endSession: (sessionKey) => browsers.endSession(sessionKey),
    stop: () => browsers.stop(),
  };
}

const extensionOf = ({ mimeType }: { mimeType: string }): string => (mimeType === "image/jpeg" ? "jpg" : "png");

const invalid = (message: string): DriverResult => ({ problem: { code: "invalid", message } });

/** Whether there is a browser, without starting it. */
async function checkPlan(browsers: AgentBrowsers, plan: BrowserPlan): Promise<ToolResult> {
  const version = await browsers.versionOf(plan);
  if (plan.program !== null && version === null)
    return errorResult(`${plan.program} does not print a version, as a browser does. Correct browser.executablePath, or install Chromium.`);
  return toResult({ text: describePlan(plan, version) });
}

export const browserEntry: ToolEntry = {
  facts: { browser: { section: "ui", effect: "browse", profiles: [], isFound: true } },
  create: (parts) => [createBrowserTool(parts)],
};
