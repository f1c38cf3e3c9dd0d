import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { modelName } from "../agents/runtime.ts";
import { channelIds } from "../channels/registry.ts";
import { verifyAccount } from "../channels/verify.ts";
import { defaultAccountId } from "../config/channel-accounts.ts";
import { channelKeys } from "../config/channel-keys.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type ChannelId } from "../core/ids.ts";
import { agentMethods } from "../methods/agent.ts";
import { agentFileMethods } from "../methods/agent-files.ts";
import { agentsMethods } from "../methods/agents.ts";
import type { ChannelSetupDeps } from "../methods/channel-setup.ts";
import { channelsMethods } from "../methods/channels.ts";
import { chatMethods } from "../methods/chat.ts";
import { commandsMethods, listCommands } from "../methods/commands.ts";
import { configMethods } from "../methods/config.ts";
import type { McpDeps } from "../methods/mcp.ts";
import { requireAgent } from "../methods/require-agent.ts";
import { decideMcpCall } from "./mcp-servers.ts";
import { peersMethods } from "../methods/peers.ts";
import { LIMITS } from "../core/limits.ts";
import { NODE_LIMITS } from "../nodes/limits.ts";
import { mirrorIdentity } from "../methods/identity-file.ts";
import { listModels, modelsMethods } from "../methods/models.ts";
import { restartMethods } from "../methods/restart.ts";
import { resolveKey } from "../methods/chat-context.ts";
import { decideMessage, routesMethods, type RoutesDeps } from "../methods/routes.ts";
import { sendMethods, type SendDeps } from "../methods/send.ts";
import { sessionMethods } from "../methods/sessions.ts";
import { statusMethods } from "../methods/status.ts";
import { systemMethods } from "../methods/system.ts";
import { timelineMethods } from "../methods/timeline.ts";
import type { ToolsDeps } from "../methods/tools.ts";
import { lazyMethods } from "../protocol/lazy-methods.ts";
import type { ServedMethods } from "../protocol/method.ts";
import { listAccountBacklogs } from "../store/account-backlog.ts";
import { createVault } from "../store/vault.ts";
import { guardedFetch } from "../tools/web/guarded-fetch.ts";
import { mainSessionKey } from "../routing/session-key.ts";
import { isServedCommand } from "../turns/commands.ts";
import { accountConfig, candidateConfig } from "./channel-account-config.ts";
import { openGatewayIdentity } from "./nodes.ts";
import { internalHookStatus } from "./internal-hooks.ts";
import { configDeps, fileStamp, modelsDeps, prepareWorkspace, statusDeps, type MethodsDeps } from "./method-deps.ts";
import { notifyApproved, waitUntilSettled } from "./outgoing-notices.ts";
import { discoverLocalModels } from "./local-models.ts";
import { readConfig } from "./settings.ts";
import { permitWithSkills, turnSkills } from "./agent-skills.ts";
import { commandSettings, fileAccess } from "./tool-permits.ts";
import { approvalMethods } from "../methods/approvals.ts";
import type { AgentWorkspace } from "../methods/approval-patterns.ts";
import { toAgentId } from "../core/agent-id.ts";

/** All methods by name: this table is the advertised list. */
export function createMethods(deps: MethodsDeps): ServedMethods {
  return {
    ...deps.healthReport.methods,
    ...statusMethods(statusDeps(deps)),
    ...conversationMethods(deps),
    ...configurationMethods(deps),
    ...channelMethods(deps),
    ...toolFamily(deps),
    ...lazyMethods(["mcp"], async () => (await import("../methods/mcp.ts")).mcpMethods(mcpDeps(deps))),
    ...lazyMethods(["plugins"], async () => (await import("../methods/plugins.ts")).pluginsMethods(deps)),
    ...backgroundMethods(deps),
    ...lazyMethods(
      ["node", "exec.approvals.node"],
      async () =>
        (await import("../methods/nodes.ts")).nodesMethods({
          nodes: () => deps.nodes.get(),
          devices: deps.auth.devices,
          askerPlace: (sessionKey) => askerPlace(deps, sessionKey),
          newId: randomUUID,
        }),
      { "node.invoke": 2 * NODE_LIMITS.paramsChars, "node.invoke.result": NODE_LIMITS.resultBytes },
    ),
    ...peersMethods({ ...configDeps(deps), peers: () => deps.peers.get(), isInUse: deps.peers.isInUse }),
    ...lazyMethods(["skills"], async () =>
      (await import("../methods/skills.ts")).skillsMethods({
        ...configDeps(deps),
        skills: deps.skills,
        workspaceOf: (agentId) => deps.running.agents.settings(agentId).workspace,
        stateDir: deps.paths.state,
      }),
    ),
    ...lazyMethods(["sandbox"], async () =>
      (await import("../methods/sandbox.ts")).sandboxMethods({
        sandbox: deps.sandbox,
        config: () => deps.running.config,
        now: () => deps.clock.now(),
        resolveSession: (key, agentId) => resolveKey(deps.chat, key, agentId),
        commandSettings: (owner) =>
          commandSettings(deps.running, deps.allowlist, {
            ...owner,
            surface: "operator",
            tools: deps.running.agents.operatorTools(owner.agentId),
          }),
      }),
    ),
    ...lazyMethods(["memory", "doctor"], async () =>
      (await import("../methods/memory.ts")).memoryMethods({
        config: () => deps.running.config,
        memory: deps.memory,
        workspaceOf: (agentId) => deps.running.agents.settings(agentId).workspace,
      }),
    ),
    ...approvalMethods({
      ...deps,
      write: (change) => deps.store.write(change),
      workspaces: () => workspacesOf(deps.running),
      activeRun: (sessionKey) => deps.messaging.turns.lanes.busySessions().get(sessionKey) ?? null,
    }),
    ...operationMethods(deps),
    // What a handler declares of its params has to be what the schema says of them.
  } satisfies ServedMethods;
}

/** Jobs, hooks, tasks, and what they and the conversations took. */
function backgroundMethods(deps: MethodsDeps) {
  return {
    ...lazyMethods(["cron"], async () => (await import("../methods/cron.ts")).cronMethods({ schedule: () => deps.schedule.get() })),
    ...lazyMethods(["hooks"], async () =>
      (await import("../methods/hooks.ts")).hooksMethods({
        deliveries: (query) => deps.hooks.deliveries(query),
        status: (agentId) => internalHookStatus(deps, agentId),
        test: (request) => deps.hooks.test(request),
      }),
    ),
    ...lazyMethods(["tasks"], async () =>
      (await import("../methods/tasks.ts")).taskMethods({ rows: deps.subagents.rows, subagents: () => deps.subagents.get() }),
    ),
    ...lazyMethods(["usage", "budgets", "sessions.usage"], async () =>
      (await import("../methods/usage.ts")).usageMethods({
        reports: () => deps.spending.reports(),
        budgets: deps.spending.budgets,
        clock: deps.clock,
        sessionKey: (key, agentId) => resolveKey(deps.chat, key, agentId).key,
      }),
    ),
  };
}

/** For whom an operator calls a command of a node. */
function askerPlace({ chat, running }: MethodsDeps, sessionKey: string | undefined): { agentId: string; sessionKey: string } {
  if (sessionKey !== undefined) {
    const { key, agentId } = resolveKey(chat, sessionKey);
    return { agentId, sessionKey: key };
  }
  const agentId = running.agents.defaultAgent();
  return { agentId, sessionKey: mainSessionKey(agentId) };
}

const workspacesOf = ({ agents }: MethodsDeps["running"]): AgentWorkspace[] =>
  agents.list().map(({ id }) => ({ agentId: id, path: agents.settings(asId<AgentId>(id)).workspace }));

/** Sessions, chat, agent runs and outgoing messages. */
function conversationMethods(deps: MethodsDeps) {
  const { chat, messaging } = deps;
  return {
    ...chatMethods({
      ...chat,
      models: async (agentId) => (await listModels(modelsDeps(deps), { agentId })).models,
      commands: async (agentId) => listCommands(true, await skillNames(deps, agentId)).commands,
    }),
    ...sessionMethods(chat),
    ...lazyMethods(
      ["sessions.export", "sessions.import"],
      async () => (await import("../methods/session-transfer.ts")).sessionTransferMethods(chat),
      { "sessions.import": LIMITS.attachmentRequestBytes },
    ),
    ...timelineMethods({ ...deps, runs: messaging.turns.runs, resolveKey: (key, agentId) => resolveKey(chat, key, agentId) }),
    ...agentMethods(chat),
    ...sendMethods(sendDeps(deps)),
    ...lazyMethods(["deadletters"], async () =>
      (await import("../methods/dead-letters.ts")).deadLetterMethods({
        ...deps,
        lanes: messaging.turns.lanes,
        deliver: messaging.delivery.wake,
        reread: (row) => messaging.ingest.retry(row),
      }),
    ),
    ...commandsMethods({ skillNames: (agentId) => skillNames(deps, agentId) }),
  } satisfies ServedMethods;
}

/** The skills that an operator may ask an agent for. */
async function skillNames({ running, skills }: MethodsDeps, agentId: string | undefined): Promise<readonly string[]> {
  const { agents } = running;
  const id = agentId === undefined ? agents.defaultAgent() : toAgentId(agentId);
  if (!agents.ids().includes(id)) return [];
  const { invocable } = await turnSkills(skills)(id, agents.operatorTools(id));
  return invocable.map(({ name }) => name);
}

/** What sends and changes messages on channels, for methods and for agents. */
export function sendDeps(deps: MethodsDeps): SendDeps {
  const { chat, running, messaging, directory, outbox, media, keyValue, log } = deps;
  return {
    ...chat,
    outbox,
    split: directory.split,
    deliver: messaging.delivery.wake,
    waitUntilSettled: (intentId, timeoutMs) => waitUntilSettled(deps, intentId, timeoutMs),
    onlyChannel: () => onlyChannel(deps),
    link: messaging.supervisor.link,
    abilities: (channel) => directory.capabilities(channel),
    keyValue,
    mediaFor: (agentId) => ({
      workspace: running.agents.settings(agentId ?? running.agents.defaultAgent()).workspace,
      media,
      log,
      fetch: (url, maxBytes) => guardedFetch(url, { maxBytes }),
    }),
  };
}

/** The configuration, agents and models. */
function configurationMethods(deps: MethodsDeps) {
  const { paths, running, clock, log } = deps;
  const config = configDeps(deps);
  return {
    ...configMethods({
      ...config,
      now: clock.now,
      fileStamp: () => fileStamp(paths.config, clock.now()),
      restart: (request) => scheduleRestart(deps, request),
      versions: deps.configVersions,
    }),
    ...agentsMethods({
      ...config,
      now: clock.now,
      stateDir: paths.state,
      home: process.env["HOME"] || "/",
      ensureWorkspace: (workspace) => prepareWorkspace(running, workspace),
      forgetNotes: (agentId) => deps.memory.forget(agentId),
      mirrorIdentity: (workspace, fields) =>
        mirrorIdentity(workspace, fields).catch((err: unknown) =>
          log.warn("the identity file was not updated", { workspace, cause: reasonOf(err) }),
        ),
      modelOf: (agentId) => modelName(running.agents.modelSelection(agentId).primary),
      toolsOf: (agentId) => running.agents.operatorTools(agentId),
      thinkingOf: (model, agentId) => ({
        levels: running.agents.modelFacts(model ?? "").thinkingLevels,
        default: running.agents.settings(agentId).thinking,
      }),
    }),
    ...modelsMethods(modelsDeps(deps)),
    ...lazyMethods(["models.authStatus", "models.key", "models.probe"], async () =>
      (await import("../methods/model-keys.ts")).modelKeyMethods({
        ...config,
        now: clock.now,
        elapsed: () => clock.monotonic(),
        keysDir: join(paths.gateway, "keys"),
        env: process.env,
        log,
        local: async (refresh) => {
          if (refresh) await discoverLocalModels(deps, log);
          return deps.local.servers;
        },
      }),
    ),
    ...agentFileMethods({
      requireAgent: (agentId) => requireAgent(running.config, agentId),
      workspaceOf: (agentId) => running.agents.settings(asId<AgentId>(agentId)).workspace,
      ensureWorkspace: (workspace) => prepareWorkspace(running, workspace),
    }),
  } satisfies ServedMethods;
}

/** Channel accounts, their pairings and routes. */
function channelMethods(deps: MethodsDeps) {
  const { running, directory, messaging, store, pairings, clock, loop } = deps;
  return {
    ...channelsMethods({
      now: clock.now,
      host: messaging.supervisor,
      backlogs: () => listAccountBacklogs(store),
      labelOf: (channel) => directory.label(channel),
      defaultAccountOf: (channel) => defaultAccountId(running.config, channel) ?? "default",
      loop,
      pairings,
      write: (change) => store.write(change),
      ownerConfigured: () => running.config.commands.ownerAllowFrom.length > 0,
      probe: (channel, account, signal) => probeAccount(deps, { channel, account }, signal),
      notifyApproved: (request) => notifyApproved(deps, request),
    }),
    ...lazyMethods(["channels.catalog", "channels.verify", "channels.logout", "web.login"], async () =>
      (await import("../methods/channel-setup.ts")).channelSetupMethods(channelSetupDeps(deps)),
    ),
    ...routesMethods(routesDeps(deps)),
  } satisfies ServedMethods;
}

const routesDeps = ({ running, directory, messaging, pairings, clock }: MethodsDeps): RoutesDeps => ({
  config: () => running.config,
  isPaired: (channel, account, sender) => pairings.isPaired(channel, account, sender),
  botFacts: (channel) => ({
    now: clock.now(),
    isCommand: (text) => isServedCommand(messaging.turns.admission.parseCommand(text)),
    canonicalId: directory.canonicalId(channel),
  }),
  isAddressed: (channel, account, text) => directory.isAddressed(channel, account, text),
  now: clock.now,
});

/** The tools of agents, and the calls of operators. */
function toolFamily(deps: MethodsDeps) {
  return {
    ...lazyMethods(["tools"], async () => (await import("../methods/tools.ts")).toolsMethods(toolsDeps(deps))),
    ...lazyMethods(["browser"], async () =>
      (await import("../methods/browser.ts")).browserMethods({ ...toolsDeps(deps), browsers: deps.browsers }),
    ),
  } satisfies ServedMethods;
}

const mcpDeps = ({ running, mcp }: MethodsDeps): McpDeps => ({
  mcp,
  requireAgent: (agentId) => requireAgent(running.config, agentId),
  decide: (agentId, tool) => {
    const { isGranted, rule } = decideMcpCall(running, { agentId, surface: "operator" }, tool);
    return { isGranted, rule };
  },
});

function toolsDeps(deps: MethodsDeps): ToolsDeps {
  const { running, allowlist, audit, sessions, skills, tools, mcp, plugins, keyValue, store, clock, log, chat } = deps;
  return {
    config: () => running.config,
    policyLayers: (agentId, room) => running.agents.policyLayers(agentId, room),
    permitFor: (caller) => permitWithSkills(running, skills, caller),
    fileAccess: (agentId, surface) => fileAccess(running, agentId, surface),
    commandSettings: (caller) => commandSettings(running, allowlist, caller),
    resolveSession: (key, agentId) => resolveKey(chat, key, agentId),
    sessions,
    audit,
    decideMessage: (message) => decideMessage(routesDeps(deps), message, true),
    tools,
    mcp,
    plugins,
    keyValue,
    write: (change) => store.write(change),
    now: clock.now,
    log: log.child({ subsystem: "tools" }),
  };
}

/** Devices, audit, logs, restart and the system. */
function operationMethods(deps: MethodsDeps) {
  const { audit, auth, hub, address, deviceAddress, log, clock, uptimeMs, bootId, port, paths } = deps;
  return {
    ...lazyMethods(["gateway.doctor"], async () => {
      const [{ doctorMethods }, { runDoctor }] = await Promise.all([import("../methods/doctor.ts"), import("./doctor-run.ts")]);
      return doctorMethods({ elapsed: () => clock.monotonic(), run: () => runDoctor(() => clock.now()) });
    }),
    ...lazyMethods(["gateway.overview"], async () =>
      (await import("../methods/overview.ts")).overviewMethods({
        ...deps,
        usage: deps.spending,
        lanes: deps.messaging.turns.lanes,
        readiness: () => deps.health.readiness(),
        configErrors: () => deps.running.errors(),
        isShadow: () => deps.running.config.gateway.shadow,
        agents: () => deps.running.agents.list(),
        links: () => deps.peers.reports(),
      }),
    ),
    ...lazyMethods(["device", "tokens"], async () =>
      (await import("../methods/devices.ts")).devicesMethods({ auth, hub, address, deviceAddress }),
    ),
    ...lazyMethods(["audit"], async () => (await import("../methods/audit.ts")).auditMethods({ audit })),
    ...lazyMethods(["backup"], async () => (await import("../methods/backup.ts")).backupMethods({ backups: deps.backups })),
    ...lazyMethods(["secrets"], async () => (await import("../methods/secrets.ts")).secretsMethods({ secrets: deps.secrets })),
    ...lazyMethods(["diagnostics"], async () => {
      const [{ diagnosticsMethods }, { Profiler }] = await Promise.all([
        import("../methods/diagnostics.ts"),
        import("../observe/profile.ts"),
      ]);
      return diagnosticsMethods({ profiler: new Profiler(join(deps.paths.gateway, "diagnostics"), deps.clock) });
    }),
    ...lazyMethods(["update"], async () => (await import("../methods/update.ts")).updateMethods({ updates: deps.updates })),
    ...lazyMethods(["retention"], async () => (await import("../methods/retention.ts")).retentionMethods({ retention: deps.retention })),
    ...lazyMethods(["logs"], async () =>
      (await import("../methods/logs.ts")).logsMethods({ file: log.file, flush: log.flush, recent: log.recent }),
    ),
    ...restartMethods({ now: clock.now, restart: (request) => scheduleRestart(deps, request) }),
    ...systemMethods({ uptimeMs, bootId, port, stateDir: paths.state, identity: () => openGatewayIdentity(paths.gateway) }),
  } satisfies ServedMethods;
}

function scheduleRestart({ clock, restart }: MethodsDeps, { reason, delayMs }: { reason: string; delayMs: number }): void {
  clock.after(delayMs, () => restart(reason));
}

function channelSetupDeps({ running, directory, messaging, store, paths, log, secrets }: MethodsDeps): ChannelSetupDeps {
  return {
    channelIds,
    load: (channel) => directory.load(asId<ChannelId>(channel)),
    accountConfig: (channel, account, change) => {
      if (!change) return accountConfig(running.config, channel, account, process.env);
      const { raw } = readConfig(paths, secrets.lookup);
      const file = { raw: raw ?? "", path: paths.config, env: process.env };
      const config = candidateConfig({ ...file, channel: channel.id, account, change }, secrets.lookup);
      log.registerSecrets(config);
      return accountConfig(config, channel, account, process.env);
    },
    describe: channelKeys,
    defaultAccountOf: (channel) => defaultAccountId(running.config, channel) ?? "default",
    vault: (channel, account) => createVault(store, channel, account),
    host: messaging.supervisor,
    log: log.child({ subsystem: "channels" }),
  };
}

/** The configured channel, when there is exactly one. */
function onlyChannel({ messaging }: MethodsDeps): string | null {
  const ids = [...new Set(messaging.supervisor.status().map((each) => each.channel))];
  return ids.length === 1 ? ids[0]! : null;
}

/** Asks the platform about a configured account. */
async function probeAccount(
  { running, directory }: MethodsDeps,
  { channel: id, account }: { channel: string; account: string },
  signal: AbortSignal,
): Promise<{ name: string }> {
  const channel = await directory.load(asId<ChannelId>(id));
  const raw = channel && accountConfig(running.config, channel, account, process.env);
  if (!channel || raw === null) throw new GatewayError("NOT_FOUND", `${id}/${account} is not configured`);
  return await verifyAccount(channel, raw, signal);
}
