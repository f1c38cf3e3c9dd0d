import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Auth } from "../auth/open.ts";
import type { Config } from "../config/schema.ts";
import { OFFICIAL_PATH } from "../core/control-ui-root.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";
import type { Secret } from "../core/secret.ts";
import { VERSION } from "../core/version.ts";
import type { ChatDeps } from "../methods/chat-context.ts";
import { runCompletion } from "../methods/openai-backend.ts";
import { isVisible, type Presence } from "../methods/presence.ts";
import { readSessionHistory } from "../methods/session-history.ts";
import { SERVED_EVENTS } from "../methods/stream.ts";
import type { Peer } from "../protocol/hub.ts";
import { loadMethod } from "../protocol/lazy-methods.ts";
import type { Caller, ServedMethods } from "../protocol/method.ts";
import { checkParams } from "../protocol/validate.ts";
import { SERVER_CAPABILITIES } from "../protocol/served-methods.ts";
import { mainSessionKey } from "../routing/session-key.ts";
import type { OriginPolicy, Phase, ServerDeps } from "../server/deps.ts";
import type { ClientHub } from "../server/hub.ts";
import type { HookBackend } from "../server/hooks.ts";
import type { ToolAnswer, ToolInvoker } from "../server/tools-invoke.ts";
import type { GatewayBase } from "./base.ts";
import type { Messaging } from "./messaging.ts";
import type { GatewayNodes } from "./nodes.ts";
import type { A2aBackend } from "../server/a2a.ts";
import type { GatewayPeers } from "./peers.ts";
import type { StateVersion } from "./announcements.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Readiness } from "../core/health.ts";

const MODULE_DIR = fileURLToPath(new URL(".", import.meta.url));

export type ServerPartsDeps = GatewayBase & {
  running: RunningConfig;
  auth: Auth;
  hub: ClientHub;
  identityKey: Secret;
  messaging: Messaging;
  chat: ChatDeps;
  presence: Presence;
  nodes: GatewayNodes;
  peers: GatewayPeers;
  stateVersion: StateVersion;
  healthSnapshot: () => Record<string, unknown>;
  readiness: () => Readiness;
  phase: () => Phase;
  /** Asked when the server begins to listen: the methods are built after the server. */
  methods: () => ServedMethods;
  hooks: HookBackend;
  a2a: A2aBackend;
  /** Names of this machine in networks that it is served in. */
  hostNames: () => readonly string[];
};

export function serverDeps(deps: ServerPartsDeps): ServerDeps {
  const { running, log, metrics, presence, stateVersion, messaging, chat } = deps;
  const { controlUi } = running.config.gateway;
  const { supervisor } = messaging;
  return {
    ...deps,
    log: log.child({ subsystem: "server" }),
    version: VERSION,
    originPolicy: () => originPolicy(running, deps.hostNames()),
    events: SERVED_EVENTS,
    // models.list answers from what is known at once, and knows `provider` and `includeDetails`.
    capabilities: SERVER_CAPABILITIES,
    snapshot: (peer) => helloSnapshot(deps, peer),
    health: deps.healthSnapshot,
    presence: () => ({ presence: presence.rows() }),
    stateVersion: () => stateVersion,
    clientConnected: (peer) => {
      deps.nodes.connected(peer);
      deps.peers.connected(peer);
      return countPresence(stateVersion, isVisible(peer));
    },
    clientDisconnected: (peer) => {
      deps.nodes.disconnected(peer);
      deps.peers.disconnected(peer);
      return countPresence(stateVersion, isVisible(peer));
    },
    metricsText: () => metrics.render(),
    requestAnswered: (stage) => deps.bus.emit("stage.rpc", { ...stage, startedAt: deps.clock.now() - stage.durationMs }),
    pageConfig: () => pageConfig(running),
    strictTransportSecurity: () => running.config.gateway.http.securityHeaders.strictTransportSecurity || null,
    basePath: basePathOf(running),
    pageDir: controlUi.enabled ? pageDir() : null,
    official: officialPage(running.config),
    sessionHistory: (query) => readSessionHistory(chat, query),
    invokeTool: (params, caller) => invokeTool(deps.methods(), params, caller),
    openai: openAiBackend(deps),
    receiveWebhook: (channel, account, request) =>
      timeWebhook(deps, channel, () => supervisor.receive(asId<ChannelId>(channel), asId<AccountId>(account), request)),
    missingWebhookHeader: (channel, account, headers) =>
      supervisor.missingHeader(asId<ChannelId>(channel), asId<AccountId>(account), headers),
  };
}

/** The channel is a part of a URL: as a label it counts only where it is one of the configuration. */
async function timeWebhook<T extends { status: number }>(
  { bus, clock, messaging }: ServerPartsDeps,
  named: string,
  receive: () => Promise<T>,
): Promise<T> {
  const channel = messaging.supervisor.status().some((account) => account.channel === named) ? named : "unknown";
  const began = clock.monotonic();
  const end = (outcome: "ok" | "error"): void => {
    const durationMs = clock.monotonic() - began;
    bus.emit("stage.webhook", { channel, outcome, startedAt: clock.now() - durationMs, durationMs });
  };
  try {
    const answer = await receive();
    end(answer.status >= 500 ? "error" : "ok");
    return answer;
  } catch (err) {
    end("error");
    throw err;
  }
}

/** Counts a change of the presence list; returns whether it was one. */
export function countPresence(stateVersion: StateVersion, isChange: boolean): boolean {
  if (isChange) stateVersion.presence++;
  return isChange;
}

const basePathOf = ({ config }: Pick<RunningConfig, "config">): string => config.gateway.controlUi.basePath.replace(/\/+$/, "");

/** Where the Control UI of OpenClaw is, and its path in browsers; null where it is not served. */
function officialPage(config: Config): { root: string; mount: string } | null {
  const { enabled, root } = config.gateway.controlUi;
  return enabled && root !== undefined ? { root, mount: basePathOf({ config }) + OFFICIAL_PATH } : null;
}

function originPolicy({ config }: RunningConfig, hostNames: readonly string[]): OriginPolicy {
  const { controlUi, publicOrigin } = config.gateway;
  return { allowedOrigins: controlUi.allowedOrigins, publicOrigin: publicOrigin ?? null, hostNames };
}

function pageConfig(running: RunningConfig): Record<string, unknown> {
  const agent = running.agents.defaultAgent();
  return {
    basePath: basePathOf(running),
    assistantAgentId: agent,
    assistantName: running.agents.name(agent),
    serverVersion: VERSION,
  };
}

/** Where the built page is: beside the bundle, or in dist/ when the sources run. */
function pageDir(): string | null {
  return [join(MODULE_DIR, "web"), join(MODULE_DIR, "..", "..", "dist", "web")].find((dir) => existsSync(join(dir, "index.html"))) ?? null;
}

/** `snapshot` of hello-ok. */
function helloSnapshot(deps: ServerPartsDeps, peer: Peer): Record<string, unknown> {
  const { running, presence, stateVersion, auth, paths, uptimeMs } = deps;
  const { agents, config } = running;
  const agent = agents.defaultAgent();
  return {
    presence: presence.rows(),
    health: deps.healthSnapshot(),
    stateVersion: { ...stateVersion },
    uptimeMs: uptimeMs(),
    suspension: { phase: "accepting" },
    sessionDefaults: {
      defaultAgentId: agent,
      modelConfigured: agents.modelSelection(agent).source !== "guide",
      ownership: "sole",
      selectionRequired: false,
      mainKey: "main",
      mainSessionKey: mainSessionKey(agent),
      scope: config.session.scope,
    },
    authMode: auth.settings.mode,
    ...(peer.scopes.has("operator.admin") ? { configPath: paths.config, stateDir: paths.state } : {}),
  };
}

function openAiBackend({ running, chat, bus }: ServerPartsDeps): ServerDeps["openai"] {
  const { chatCompletions, responses } = running.config.gateway.http.endpoints;
  if (!chatCompletions.enabled && !responses.enabled) return null;
  return {
    routes: { chatCompletions: chatCompletions.enabled, responses: responses.enabled },
    agents: () => {
      const first = running.agents.defaultAgent();
      return [first, ...running.agents.ids().filter((id) => id !== first)];
    },
    run: (run) => runCompletion({ ...chat, bus }, { ...run, ...promptOf(run.messages) }),
  };
}

/** The messages of a completion request as one prompt: the last one of the user, and what came before it as context. */
function promptOf(messages: readonly { role: string; text: string }[]): { text: string; context: string | null } {
  const last = messages.findLastIndex((message) => message.role === "user");
  const earlier = messages.filter((_, index) => index !== last).map((message) => `${message.role}: ${message.text}`);
  const context = earlier.length > 0 ? ["[Earlier in this request]", ...earlier, "[The message to answer]"].join("\n") : null;
  return { text: messages[last]?.text ?? "", context };
}

/** `tools.invoke` for a request without a connection. */
async function invokeTool(methods: ServedMethods, params: unknown, { scopes, signal }: Parameters<ToolInvoker>[1]): Promise<ToolAnswer> {
  const caller: Caller = {
    conn: asId("http"),
    role: "operator",
    scopes,
    client: { id: "http", mode: "http", version: VERSION },
    caps: new Set(),
    device: null,
    signal,
    accept: () => {},
  };
  const { run } = await loadMethod(methods, "tools.invoke");
  return (await run(checkParams("tools.invoke", params), caller)) as ToolAnswer;
}
