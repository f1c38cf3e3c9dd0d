import type { AgentRuntime } from "../agents/runtime.ts";
import { LinkTable } from "../channels/link-table.ts";
import { openAuth, type Auth } from "../auth/open.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import type { LoadedConfig } from "../config/load.ts";
import { Secret } from "../core/secret.ts";
import { randomBytes, randomUUID } from "node:crypto";
import { AnswerCache } from "../methods/answer-cache.ts";
import { toDeviceRequestRow } from "../methods/device-rows.ts";
import { healthMethods } from "../methods/health.ts";
import { Presence } from "../methods/presence.ts";
import type { ServedMethods } from "../protocol/method.ts";
import type { MediaStore } from "../store/media.ts";
import { ClientHub } from "../server/hub.ts";
import type { Phase } from "../server/deps.ts";
import { createServer } from "../server/server.ts";
import type { Readiness } from "../core/health.ts";
import { createAgentRuntime, createBrowsers, createTools } from "./agent-runtime.ts";
import { createAgentSkills } from "./agent-skills.ts";
import { loadAcpRuntime } from "./acp-agents.ts";
import { acpWorkbench } from "./acp-workbench.ts";
import { Announcements, type StateVersion } from "./announcements.ts";
import { GatewayBackups } from "./backups.ts";
import { CrashLoop } from "./crash-loop.ts";
import type { GatewayBase } from "./base.ts";
import { ChannelDirectory } from "./channel-directory.ts";
import { ConfigApplier } from "./config-applier.ts";
import { ConfigHistory } from "./config-history.ts";
import { buildConfigState } from "./config-state.ts";
import { GatewayEndpoint } from "./endpoint.ts";
import { a2aBackend } from "./a2a.ts";
import { GatewayHooks } from "./hooks.ts";
import { GatewayInternalHooks } from "./internal-hooks.ts";
import { guideFacts } from "./guide-facts.ts";
import { RuntimeImageModels } from "./image-models.ts";
import { LiveAccounts } from "./live-accounts.ts";
import { LocalModels } from "./local-models.ts";
import { createMcpServers, decideMcpCall, questionOfMcp } from "./mcp-servers.ts";
import { createMessaging, type Messaging } from "./messaging.ts";
import { chatDeps, type MethodsDeps } from "./method-deps.ts";
import { createMethods, sendDeps } from "./methods.ts";
import { GatewayNodes } from "./nodes.ts";
import { GatewayPeers } from "./peers.ts";
import { PromptContext } from "./prompt-context.ts";
import { RemoteAccess } from "./remote-access.ts";
import { RunningConfig } from "./running-config.ts";
import { Schedule } from "./schedule.ts";
import { countPresence, serverDeps } from "./server-deps.ts";
import { readConfig } from "./settings.ts";
import { openMedia, type Storage } from "./storage.ts";
import { gatewayWarnings, turnChecks } from "./turn-checks.ts";
import { GatewayTelemetry, traceLogLines } from "./telemetry.ts";
import { ToolMessages } from "./tool-messages.ts";
import { LazySubagents } from "./subagents.ts";
import { ToolNodes } from "./tool-nodes.ts";
import { ToolSchedule } from "./tool-schedule.ts";
import { decidePluginCall, LazyToolPlugins, questionOfPlugin } from "./tool-plugins.ts";
import { withSource, type GatedSource } from "./tool-sources.ts";
import { Spending } from "./spending.ts";
import { TurnReadiness } from "./turn-readiness.ts";
import { enqueueSystemEvent } from "../methods/status.ts";
import { reasonOf } from "../core/errors.ts";
import type { AgentSkills } from "../skills/agent-skills.ts";
import type { AgentBrowsers } from "../tools/browser/agent-browsers.ts";
import type { ToolExecutor } from "../tools/tool.ts";
import { CommandAllowlist } from "../approvals/allowlist.ts";
import { Approvals } from "../approvals/approvals.ts";
import { ApprovalGrants } from "../approvals/grants.ts";
import type { CommandGate } from "../tools/command-gate.ts";
import { SettingsCommandGate, type ApprovalDesk } from "../tools/commands/gate.ts";
import { approvalDesk, toolAsker } from "./approval-desk.ts";
import { commandSettings } from "./tool-permits.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { MemoryNotes } from "../tools/memory/memory-notes.ts";
import { createMemory } from "./agent-memory.ts";
import { CommandSandboxes } from "./command-sandbox.ts";
import { GatewayRetention } from "./retention.ts";
import { GatewayUpdates } from "./updates.ts";

export type ComposeInput = {
  base: GatewayBase;
  storage: Storage;
  loaded: LoadedConfig;
  options: GatewayOptions;
  restart: (reason: string) => void;
};

/** Whether `connect` works. Set by the life cycle, read by the server. */
export type PhaseRef = { value: Phase };

/** Everything that lives as long as the gateway. */
export type GatewayParts = ReturnType<typeof composeGateway>;

/**
 * Builds the gateway, each part from the ones before it: configuration, authentication, channels and turns, reports, server, methods.
 * Nothing listens or connects yet.
 */
export function composeGateway(input: ComposeInput) {
  const { base, storage } = input;
  const { running, local, directory } = composeSettings(input);
  const hub = new ClientHub(base.metrics);
  const peers = new GatewayPeers({ ...base, ...storage, running, hub });
  const auth = composeAuth(input, { running, hub, peers });
  const endpoint = new GatewayEndpoint();
  const identityKey = new Secret(randomBytes(32).toString("base64url"));
  const accounts = new LiveAccounts();
  const links = new LinkTable(() => running.config.gateway.shadow);
  const media = openMedia(base, running);
  const prompt = new PromptContext({ ...base, ...storage, running, directory });
  const approving = composeApprovals(input);
  const { approvals } = approving;
  const spending = new Spending({ ...base, ...storage, running, prompt });
  const toolParts = composeTools(input, { running, spending, ...approving });
  const { tools, images, subagents, toolSchedule, toolNodes } = toolParts;
  const skills = createAgentSkills(base, running);
  const workbench = () => acpWorkbench({ ...base, tools, gate: toolParts.gate });
  const runtime = peers.withRemoteAgents(
    createAgentRuntime(base, running, {
      tools,
      guideFacts: () => guideFacts({ ...base, ...storage, running, endpoint, accounts: accounts.status }),
      loadAcp: () => loadAcpRuntime({ ...base, ...storage, running, ...approving, workbench }),
    }),
  );
  images.bind(runtime);
  traceLogLines(base);
  const telemetry = new GatewayTelemetry({ ...base, ...storage, running });
  const messaging = createMessaging({
    ...base,
    ...storage,
    media,
    running,
    directory,
    accounts,
    links,
    runtime,
    prompt,
    approvals,
    skills,
    traceFor: telemetry.traceFor,
    spending,
  });
  subagents.bind(messaging, media);
  peers.bind(messaging);
  const schedule = new Schedule({ ...base, ...storage, running, directory, messaging, prompt, spending });
  toolSchedule.bind(() => schedule.get());
  const hooks = new GatewayHooks({ ...base, ...storage, running, messaging, schedule });
  const internalHooks = new GatewayInternalHooks({ ...base, ...storage, running });
  const remote = new RemoteAccess({ ...base, running, auth, endpoint, options: input.options });
  const nodes = new GatewayNodes({ ...base, ...storage, running, hub, auth, approvals });
  toolNodes.bind(() => nodes.get());
  const answers = new AnswerCache(base.metrics);
  const shared = {
    ...base,
    ...storage,
    running,
    local,
    directory,
    hub,
    auth,
    endpoint,
    identityKey,
    media,
    ...approving,
    ...toolParts,
    skills,
    runtime,
    telemetry,
    messaging,
    schedule,
    hooks,
    internalHooks,
    spending,
    prompt,
    nodes,
    peers,
    answers,
    remote,
    ...composeRecords(input, running),
    retention: new GatewayRetention({ ...base, ...storage, media, messaging, running, runtime }),
  };
  const reports = composeReports(shared);
  const applier = composeApplier({ ...shared, ...reports, options: input.options });
  const { server, methods, chat } = composeServer({ ...shared, ...reports, applier, restart: input.restart });
  return { ...shared, ...reports, applier, server, methods, chat };
}

/** What is kept beside the conversations: backups, earlier configurations, and how the last starts ended. */
const composeRecords = ({ base, storage }: ComposeInput, running: RunningConfig) => ({
  backups: new GatewayBackups({ ...base, ...storage, running }),
  configHistory: new ConfigHistory({ ...base, ...storage, versions: storage.configVersions }),
  crashLoop: new CrashLoop({ ...base, ...storage }, process.env),
  updates: new GatewayUpdates({ ...base, running, env: process.env, entry: process.argv[1] ?? "" }),
});

/** The tools of agents, and what they act through. */
function composeTools(
  { base, storage }: ComposeInput,
  { running, spending, allowlist, approvals, grants }: { running: RunningConfig; spending: Spending } & Approving,
) {
  const sandbox = new CommandSandboxes(base, running);
  const desk = approvalDesk(approvals, allowlist, grants);
  const gate = composeGate(base, running, { allowlist, desk, sandbox });
  const memory = createMemory(base, { config: () => running.config, spending });
  const toolMessages = new ToolMessages({ ...storage, running, desk });
  const toolSchedule = new ToolSchedule(storage);
  const subagents = new LazySubagents({ ...base, ...storage, running });
  const toolNodes = new ToolNodes({ ...base, ...storage, running, allowlist, approvals });
  const mcp = createMcpServers({ ...base, ...storage, running });
  const browsers = createBrowsers(base, running);
  const images = new RuntimeImageModels({ ...base, ...storage, running, spending });
  const plugins = new LazyToolPlugins({ ...base, running });
  const sources: readonly GatedSource[] = [
    {
      source: mcp,
      grant: "mcp",
      decide: (caller, name) => decideMcpCall(running, caller, name),
      question: (call, caller, signal) =>
        questionOfMcp(mcp, call, { settingsOf: () => commandSettings(running, allowlist, caller), signal }),
    },
    {
      source: plugins,
      grant: "plugins",
      decide: (caller, name) => decidePluginCall(running, plugins, caller, name),
      question: (call) => questionOfPlugin(plugins, call),
    },
  ];
  const askAboutTool = toolAsker(approvals, grants);
  const tools = sources.reduce(
    (executor, source) => withSource(executor, source, askAboutTool),
    createTools({
      ...base,
      ...storage,
      running,
      gate,
      memory,
      toolMessages,
      toolSchedule,
      toolNodes,
      subagents,
      images,
      browsers,
      sources,
    }),
  );
  return { sandbox, gate, memory, toolMessages, toolSchedule, toolNodes, subagents, mcp, browsers, images, plugins, tools };
}

/** The configuration in use, and what is known about channels and local models. */
function composeSettings({ base, loaded, options }: ComposeInput) {
  const local = new LocalModels();
  const running = new RunningConfig(buildConfigState(loaded, { ...base, options, local }));
  base.log.setPatterns(running.config.logging.redactPatterns);
  const directory = new ChannelDirectory({ running, stateDir: base.paths.state, env: process.env, log: base.log });
  return { local, running, directory };
}

type Approving = { allowlist: CommandAllowlist; approvals: Approvals; grants: ApprovalGrants };

/** Questions to people about commands, and what they always allow. */
function composeApprovals({ base, storage }: ComposeInput): Approving {
  const { bus, clock, metrics } = base;
  const { approvalRows, grantRows, keyValue, sessions, store } = storage;
  const log = base.log.child({ subsystem: "approvals" });
  const allowlist = new CommandAllowlist({ keyValue, now: () => clock.now(), log });
  const grants = new ApprovalGrants({
    rows: grantRows,
    conversationOf: (sessionKey) => sessions.get(sessionKey)?.session_id ?? null,
    write: (change) => store.write(change),
    now: () => clock.now(),
    newId: randomUUID,
    log,
    metrics,
  });
  const approvals = new Approvals({
    rows: approvalRows,
    allowlist,
    grants,
    write: (change) => store.write(change),
    bus,
    clock,
    log,
    metrics,
    newId: randomUUID,
  });
  return { allowlist, approvals, grants };
}

/** Decides about the commands of agents by the settings that hold when they are to run. */
function composeGate(
  { log }: GatewayBase,
  running: RunningConfig,
  { allowlist, desk, sandbox }: { allowlist: CommandAllowlist; desk: ApprovalDesk; sandbox: CommandSandboxes },
): CommandGate {
  return new SettingsCommandGate({
    settings: (caller) => commandSettings(running, allowlist, caller),
    sandbox: (caller) => sandbox.probe(caller),
    desk,
    log: log.child({ subsystem: "tools" }),
  });
}

type AuthInput = { running: RunningConfig; hub: ClientHub; peers: GatewayPeers };

function composeAuth({ base, storage }: ComposeInput, { running, hub, peers }: AuthInput): Auth {
  const { clock, log, bus } = base;
  const audience = { scope: "operator.pairing" };
  return openAuth({
    store: storage.store,
    clock,
    log: log.child({ subsystem: "auth" }),
    settings: running.state.auth,
    requested: (request) => hub.publish("device.pair.requested", toDeviceRequestRow(request), audience),
    resolved: (answer) => hub.publish("device.pair.resolved", { ...answer, ts: clock.now() }, audience),
    onRevoked: (revoked) => bus.emit("credential.revoked", revoked),
    peers,
  });
}

type Shared = GatewayBase &
  Storage & {
    running: RunningConfig;
    local: LocalModels;
    directory: ChannelDirectory;
    hub: ClientHub;
    auth: Auth;
    endpoint: GatewayEndpoint;
    identityKey: Secret;
    media: MediaStore;
    allowlist: CommandAllowlist;
    approvals: Approvals;
    grants: ApprovalGrants;
    sandbox: CommandSandboxes;
    memory: MemoryNotes;
    toolMessages: ToolMessages;
    mcp: McpServers;
    plugins: LazyToolPlugins;
    tools: ToolExecutor;
    browsers: AgentBrowsers;
    skills: AgentSkills;
    runtime: AgentRuntime;
    telemetry: GatewayTelemetry;
    messaging: Messaging;
    schedule: Schedule;
    hooks: GatewayHooks;
    internalHooks: GatewayInternalHooks;
    subagents: LazySubagents;
    spending: Spending;
    prompt: PromptContext;
    nodes: GatewayNodes;
    peers: GatewayPeers;
    answers: AnswerCache;
    configHistory: ConfigHistory;
    remote: RemoteAccess;
    backups: GatewayBackups;
    updates: GatewayUpdates;
    retention: GatewayRetention;
  };

/** What the gateway says about itself: health, presence, events. */
function composeReports(deps: Shared) {
  const { clock, health, loop, startedAt, instanceId, store, running, directory, hub, messaging } = deps;
  const phase: PhaseRef = { value: "starting" };
  const stateVersion: StateVersion = { presence: 1, health: 1 };
  const turnReadiness = new TurnReadiness({ clock, health, checks: turnChecks(deps), warnings: gatewayWarnings(deps) });
  const readiness = (): Readiness => {
    if (phase.value === "serving") turnReadiness.checkIfStale();
    return health.readiness();
  };
  const healthReport = healthMethods({
    ...deps,
    now: clock.now,
    readiness,
    loop,
    channels: messaging.supervisor.status,
    labelOf: (channel) => directory.label(channel),
    agents: () => running.agents.list(),
    plugins: () => deps.plugins.report(),
    storePath: store.path,
    requestSeconds: () => deps.metrics.read("gateway_server_request_seconds"),
    heartbeatOf: (agentId) => {
      const { waitingForRoute: _waiting, ...facts } = deps.schedule.heartbeats.facts(agentId);
      return facts;
    },
    configErrors: () => running.errors(),
  });
  const presence = new Presence({ now: clock.now, hub, startedAt, instanceId });
  const announcements = new Announcements({ hub, clock, health: healthReport, stateVersion });
  return { phase, stateVersion, turnReadiness, readiness, healthReport, presence, announcements };
}

type Reports = ReturnType<typeof composeReports>;

function composeApplier(deps: Shared & Reports & { options: GatewayOptions }): ConfigApplier {
  const {
    running,
    paths,
    health,
    log,
    auth,
    directory,
    messaging,
    announcements,
    healthReport,
    answers,
    mcp,
    plugins,
    schedule,
    telemetry,
    remote,
    backups,
    peers,
    configHistory,
  } = deps;
  return new ConfigApplier({
    running,
    paths,
    read: async () => {
      await deps.secrets.prepare();
      return readConfig(paths, deps.secrets.lookup);
    },
    build: (loaded) => buildConfigState(loaded, deps, auth.settings),
    prepareAccounts: (config) => directory.prepareAccounts(config),
    activate: (state) => {
      if (state.auth !== auth.settings) auth.configure(state.auth);
      log.setPatterns(state.loaded.config.logging.redactPatterns);
      log.setLevel(state.logLevels.file);
      log.setTerminalLevel(state.logLevels.terminal);
      mcp.configure();
      plugins.configure();
      void telemetry.configure();
    },
    supervisor: messaging.supervisor,
    health,
    log,
    onApplied: (loaded, previous) => {
      answers.clear();
      configHistory.record(loaded, previous);
      schedule.configure();
      deps.internalHooks.configure();
      remote.configure();
      backups.configure();
      peers.configure();
      announcements.configChanged(paths.config, loaded.hash);
    },
    onChecked: healthReport.invalidate,
  });
}

function composeServer(deps: Shared & Reports & { applier: ConfigApplier; restart: (reason: string) => void }) {
  const { running, bus, store, keyValue, clock, endpoint, stateVersion, announcements, healthReport, phase, log } = deps;
  const chat = chatDeps(deps);
  const server = createServer(
    serverDeps({
      ...deps,
      chat,
      healthSnapshot: healthReport.snapshot,
      phase: () => phase.value,
      hooks: deps.hooks.backend,
      a2a: a2aBackend(deps),
      hostNames: () => deps.remote.hostNames,
      methods: () => methods,
    }),
  );
  const methodDeps: MethodsDeps = {
    ...deps,
    chat,
    presenceChanged: () => {
      countPresence(stateVersion, true);
      server.presenceChanged();
    },
    address: () => endpoint.publicAddress(running.config),
    deviceAddress: () => endpoint.deviceAddress(running.config),
    port: () => endpoint.port,
  };
  const methods: ServedMethods = createMethods(methodDeps);
  deps.toolMessages.bind(sendDeps(methodDeps));
  bus.on("credential.revoked", () => void server.closeRevoked());
  bus.on("channel.changed", () => announcements.healthChanged());
  bus.on("owner.alert", ({ text }) => {
    enqueueSystemEvent({ keyValue, now: clock.now, write: (change) => store.write(change) }, text, { session: null }).catch(
      (err: unknown) => log.warn("an owner alert could not be stored", { cause: reasonOf(err) }),
    );
    announcements.publishHealth();
  });
  return { server, methods, chat };
}
