import { agentIds } from "../config/agents.ts";
import { GatewayError } from "../core/errors.ts";
import type { AgentId } from "../core/ids.ts";
import { asString, fieldsOf, type JsonObject } from "../core/json.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { AgentBrowsers, ProfileRow } from "../tools/browser/agent-browsers.ts";
import { missingSandbox } from "../tools/browser/describe.ts";
import { listProfiles } from "../tools/browser/profiles.ts";
import type { ToolContent } from "../tools/tool.ts";
import { inspectBrowser, isOperatorAction } from "./browser-inspect.ts";
import { toInspectFields, toRouteCall, toRouteFields } from "./browser-routes.ts";
import { requireAgent } from "./require-agent.ts";
import { invokeTool, type ToolsDeps } from "./tools.ts";

/** How long an answer about the browser is given again: it starts a process, a trial several. */
const KEPT_MS = 10_000;

export type BrowserMethodsDeps = ToolsDeps & { browsers: AgentBrowsers };

type BrowserExplanation =
  | { available: true; description: string; /** Why pages are not kept from the gateway's user. */ withoutSandbox: string | null }
  | { available: false; isOff: boolean; reason: string };

/** Whether there is a browser; with `deep` by a start of it. */
async function explainBrowser(deps: BrowserMethodsDeps, caller: Caller, deep: boolean): Promise<BrowserExplanation> {
  const { ok, output, error } = await invokeTool(deps, { name: "browser", args: { action: "doctor", deep } }, caller);
  const text = (output?.content ?? []).flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
  if (ok) {
    const plan = deps.browsers.plan(undefined);
    return { available: true, description: text, withoutSandbox: "what" in plan ? null : missingSandbox(plan.settings) };
  }
  return { available: false, isOff: error?.code === "denied", reason: error?.message ?? text };
}

/** A profile as OpenClaw's clients read it, with what is only known here. */
const toProfileRow = ({ name, isDefault, driver, color, address, isRemote, problem, running, tabCount }: ProfileRow): object => ({
  name,
  driver,
  color,
  running,
  tabCount,
  isDefault,
  isRemote,
  cdpUrl: address,
  ...(problem && { problem: problem.what, fix: problem.fix }),
});

/** browser.*: the browsers of agents, for operators. The tool's policy holds for what they do with pages. */
export function browserMethods(deps: BrowserMethodsDeps) {
  const { browsers } = deps;
  let kept: { answer: BrowserExplanation; at: number } | null = null;
  return {
    "browser.request": {
      scope: "operator.admin",
      run: (params, caller: Caller) => (params.path === undefined ? request(deps, params, caller) : answerRoute(deps, params, caller)),
    },
    "browser.explain": {
      scope: "operator.read",
      run: async ({ deep = false }, caller: Caller) => {
        const now = deps.now();
        if (!deep && kept !== null && Math.abs(now - kept.at) < KEPT_MS) return kept.answer;
        const answer = await explainBrowser(deps, caller, deep);
        // A problem may have been solved meanwhile.
        kept = answer.available ? { answer, at: now } : null;
        return answer;
      },
    },
    "browser.profiles": {
      scope: "operator.read",
      run: async ({ agentId }) => ({ profiles: (await browsers.profiles(requireAgent(deps.config(), agentId))).map(toProfileRow) }),
    },
    "browser.profiles.reset": {
      scope: "operator.admin",
      run: (params) => resetProfile(deps, params),
    },
    "browser.tabs": {
      scope: "operator.read",
      run: async () => ({ enabled: browsers.config().enabled, browsers: await listBrowsers(browsers) }),
    },
    "browser.screenshot": {
      scope: "operator.read",
      run: async ({ agentId, profile, sessionKey, targetId }) => {
        const agent = requireAgent(deps.config(), agentId);
        const picture = await browsers.picture({ agent, profile, session: sessionKey, targetId });
        if (picture) return picture;
        throw new GatewayError("INVALID_REQUEST", "the tab was not found", { fix: "browser.tabs lists the open ones." });
      },
    },
  } satisfies MethodTable;
}

type RequestParams = MethodParams<"browser.request">;

function placeOf(deps: ToolsDeps, sessionKey: string | undefined, agentId: string | undefined) {
  const session = deps.resolveSession(sessionKey ?? "main", agentId);
  return { agentId: requireAgent(deps.config(), session.agentId), sessionKey: session.key };
}

/** An action of the tool, in the conversation that is named, or one that only operators have. */
async function request(
  deps: BrowserMethodsDeps,
  { action, args, sessionKey, agentId }: RequestParams,
  caller: Caller,
): Promise<{ content: readonly ToolContent[]; data?: JsonObject }> {
  if (action === undefined)
    throw new GatewayError("INVALID_REQUEST", "neither an action nor a path is named", { fix: "Name an action of the tool browser." });
  if (isOperatorAction(action)) {
    const { text, data } = await inspectBrowser(deps, { action, args: args ?? {}, place: placeOf(deps, sessionKey, agentId) }, caller);
    return { content: text === "" ? [] : [{ type: "text", text }], data };
  }
  const session = { ...(sessionKey !== undefined && { sessionKey }), ...(agentId !== undefined && { agentId }) };
  const { ok, output, error } = await invokeTool(deps, { ...session, name: "browser", args: { ...args, action } }, caller);
  if (ok) return { content: output?.content ?? [] };
  throw new GatewayError("INVALID_REQUEST", error?.message ?? "the browser did nothing");
}

/** The form of OpenClaw's command line: a method and a path. */
async function answerRoute(deps: BrowserMethodsDeps, params: RequestParams, caller: Caller): Promise<object> {
  const { method = "GET", path = "/", query = {}, body = {}, timeoutMs } = params;
  const call = toRouteCall({ method, path, query, body });
  if (typeof call === "string") throw new GatewayError("INVALID_REQUEST", call);
  const profile = asString(fieldsOf(query)["profile"]) || undefined;
  const { browsers, config } = deps;
  const session = deps.resolveSession(params.sessionKey ?? "main", params.agentId);
  const agent = requireAgent(config(), session.agentId);
  if ("inspect" in call) {
    const args = { ...call.args, ...(profile !== undefined && { profile }) };
    const { text, data } = await inspectBrowser(
      deps,
      { action: call.inspect, args, place: placeOf(deps, params.sessionKey, params.agentId) },
      caller,
    );
    return { ok: true, ...toInspectFields(data), message: text };
  }
  if ("action" in call) {
    const args = { ...call.args, ...(profile !== undefined && { profile }), ...(timeoutMs !== undefined && { timeoutMs }) };
    const { content } = await request(deps, { ...params, action: call.action, args }, caller);
    const text = content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
    const [current] = (await tabsOf(deps, { agent, profile, session: session.key })).filter((tab) => tab.current);
    return { ok: true, ...current, ...(call.as !== undefined && toRouteFields(call.as, text)), message: text, content };
  }
  if (call.about === "tab") {
    const tabs = await tabsOf(deps, { agent, profile, session: session.key });
    const tab = tabs[call.index];
    if (!tab) throw new GatewayError("INVALID_REQUEST", `tab ${call.index + 1} was not found: ${tabs.length} are open`);
    await request(
      deps,
      { ...params, action: call.doing, args: { targetId: tab.targetId, ...(profile !== undefined && { profile }) } },
      caller,
    );
    return { ok: true, tab };
  }
  if (call.about === "profiles") return { profiles: (await browsers.profiles(agent)).map(toProfileRow) };
  if (call.about === "tabs") return { running: browsers.isRunning, tabs: await tabsOf(deps, { agent, profile, session: session.key }) };
  if (call.about === "reset") return await resetProfile(deps, { agentId: agent, ...(profile !== undefined && { profile }) });
  const status = await routeStatus(deps, agent, profile);
  return call.about === "status" ? status : { ok: status.problem === null, status, checks: [] };
}

type Conversation = { agent: AgentId; profile: string | undefined; session: string };

/** The tabs of a conversation with the names that OpenClaw's clients read. */
async function tabsOf({ browsers }: BrowserMethodsDeps, { agent, profile, session }: Conversation) {
  const name = profile ?? listProfiles(browsers.config()).find(({ isDefault }) => isDefault)?.name;
  const found = (await browsers.overview()).find((each) => each.agent === agent && each.profile === name);
  return (found?.tabs ?? [])
    .filter((tab) => tab.session === session)
    .map(({ targetId, url, title, isCurrent }) => ({
      targetId,
      tabId: targetId,
      suggestedTargetId: targetId,
      url,
      title,
      type: "page",
      current: isCurrent,
    }));
}

/** What OpenClaw's clients show of a profile. */
async function routeStatus({ browsers }: BrowserMethodsDeps, agent: AgentId, profile: string | undefined) {
  const rows = await browsers.profiles(agent);
  const row = rows.find(({ name, isDefault }) => (profile === undefined ? isDefault : name === profile));
  const plan = browsers.plan(profile);
  const planned = "what" in plan ? null : plan;
  return {
    enabled: browsers.config().enabled,
    profile: row?.name ?? profile ?? null,
    driver: row?.driver ?? null,
    transport: "cdp",
    running: row?.running ?? false,
    tabCount: row?.tabCount ?? 0,
    cdpPort: null,
    cdpUrl: row?.address ?? null,
    chosenBrowser: planned?.program ? "chromium" : null,
    detectedExecutablePath: planned?.program ?? null,
    headless: planned?.settings.headless ?? true,
    color: row?.color ?? null,
    attachOnly: row !== undefined && row.address !== null,
    problem: "what" in plan ? `${plan.what} ${plan.fix}` : null,
    ...("what" in plan && { detectError: `${plan.what} ${plan.fix}` }),
  };
}

/** The browsers that run, with the color of their profile. */
async function listBrowsers(browsers: AgentBrowsers): Promise<object[]> {
  const profiles = listProfiles(browsers.config());
  return (await browsers.overview()).map(({ agent, tabs, ...browser }) => ({
    agentId: agent,
    ...browser,
    color: profiles.find(({ name }) => name === browser.profile)?.color ?? null,
    tabs: tabs.map(({ session, isCurrent, ...tab }) => ({ ...tab, sessionKey: session, current: isCurrent })),
  }));
}

/** Stops the browser with a profile, of one agent or of all, and moves what it has stored to the trash. */
async function resetProfile(
  { browsers, config }: BrowserMethodsDeps,
  { profile, agentId, allAgents }: MethodParams<"browser.profiles.reset">,
) {
  const known = listProfiles(browsers.config());
  const name = profile ?? known.find(({ isDefault }) => isDefault)?.name;
  const found = known.find((each) => each.name === name);
  if (!found)
    throw new GatewayError("INVALID_REQUEST", `there is no browser profile ${JSON.stringify(name)}`, {
      fix: `Profiles: ${known.map((each) => each.name).join(", ")}.`,
    });
  if (found.attach)
    throw new GatewayError("INVALID_REQUEST", `the profile ${found.name} is a running browser, whose data is not the gateway's`, {
      fix: "Remove what sites have stored in that browser.",
    });
  const agents = allAgents === true ? agentIds(config()) : [requireAgent(config(), agentId)];
  const moved = await Promise.all(agents.map((agent) => browsers.reset({ agent, profile: found.name })));
  const paths = moved.filter((path) => path !== null);
  return { ok: true, profile: found.name, moved: paths.length > 0, to: paths[0] ?? null, paths };
}
