import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import type { AgentRuntime } from "../agents/runtime.ts";
import { pairingMessage } from "../channels/pairing-code.ts";
import type { AccountStatus } from "../channels/account-types.ts";
import type { LinkTable } from "../channels/link-table.ts";
import { createChannelSupervisor, type ChannelSupervisor } from "../channels/supervisor.ts";
import { acpAgentNames } from "../config/acp-agents.ts";
import type { Config } from "../config/schema.ts";
import { modelAliases } from "../config/agents.ts";
import { CHAT_COMMANDS } from "../core/chat-commands.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { queueSettings } from "../routing/queue-mode.ts";
import type { MediaStore } from "../store/media.ts";
import { createVault } from "../store/vault.ts";
import { ActivePreviews } from "../turns/active-previews.ts";
import { Delivery } from "../turns/delivery.ts";
import { createTurns, type Turns, type TurnsDeps } from "../turns/create-turns.ts";
import { isExpired } from "../turns/expiry.ts";
import type { FlushSettings } from "../turns/memory-flush.ts";
import { fetchInboundMedia, type InboundMediaDeps } from "../turns/inbound-media.ts";
import { EventIngest } from "../turns/ingest.ts";
import { conversationOf } from "../turns/outbound.ts";
import { SendPauses } from "../turns/send-pauses.ts";
import { Transcript } from "../turns/transcript.ts";
import { TurnIndicators } from "../turns/turn-indicators.ts";
import { noteUndelivered } from "../turns/undelivered.ts";
import type { GatewayBase } from "./base.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import { historyLimit, mediaMaxBytes, replyPrefix } from "./channel-settings.ts";
import { withChannelWorker } from "./channel-worker-host.ts";
import { indicatorSettings, replyToMode } from "./indicator-settings.ts";
import type { LiveAccounts } from "./live-accounts.ts";
import { OwnerAlerts } from "./owner-alerts.ts";
import type { PromptContext } from "./prompt-context.ts";
import { countStages, sampleOriginals } from "../observe/stage-metrics.ts";
import { sampleQueues } from "./queue-metrics.ts";
import { resetRule } from "./reset-rule.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Spending } from "./spending.ts";
import { statusLines } from "./status-text.ts";
import type { Storage } from "./storage.ts";
import { permitWithSkills, turnSkills } from "./agent-skills.ts";
import type { AgentSkills } from "../skills/agent-skills.ts";
import type { Approvals } from "../approvals/approvals.ts";

export type MessagingDeps = GatewayBase &
  Storage & {
    media: MediaStore;
    running: RunningConfig;
    directory: ChannelDirectory;
    accounts: LiveAccounts;
    links: LinkTable;
    runtime: AgentRuntime;
    prompt: PromptContext;
    approvals: Approvals;
    skills: AgentSkills;
    traceFor: NonNullable<TurnsDeps["traceFor"]>;
    spending: Spending;
  };

/** The way of a message: channels -> ingest -> turns -> delivery -> channels. */
export type Messaging = {
  readonly turns: Turns;
  readonly delivery: Delivery;
  readonly ingest: EventIngest;
  readonly supervisor: ChannelSupervisor;
};

/** Builds the path of a message. Nothing is connected before accounts are applied to the supervisor. */
export function createMessaging(deps: MessagingDeps): Messaging {
  const transcript = new Transcript({ ...deps, newId: randomUUID });
  const { delivery, indicators } = createDelivery(deps, transcript);
  const turns = buildTurns(deps, { transcript, delivery, indicators });
  const ingest = createIngest(deps, turns, delivery);
  const supervisor = createSupervisor(deps, ingest);
  deps.accounts.bind(supervisor);
  watchAccounts(deps, { turns, delivery, supervisor });
  sampleQueues({ ...deps, turns, supervisor });
  sampleOriginals({ ...deps, now: deps.clock.monotonic, load: () => turns.lanes.load() });
  countStages({ ...deps, apiOf: (provider) => deps.running.config.models.providers[provider]?.api });
  return { turns, delivery, ingest, supervisor };
}

/** What sends, and what shows the indicators of a running turn: both obey the same rate limits. */
function createDelivery(deps: MessagingDeps, transcript: Transcript) {
  const { running, directory, links, clock } = deps;
  const shared = {
    ...deps,
    log: deps.log.child({ subsystem: "delivery" }),
    link: links.get,
    isShadow: () => running.config.gateway.shadow,
    pauses: new SendPauses(clock),
    previews: new ActivePreviews(),
  };
  const delivery = new Delivery({
    ...shared,
    onUndelivered: (part, state, cause) => noteUndelivered({ ...deps, transcript }, { part, state, cause, now: clock.now() }),
  });
  const indicators = new TurnIndicators({
    ...shared,
    delivery,
    settings: (target) => indicatorSettings(running.config, target, directory.capabilities(target.channel)),
  });
  return { delivery, indicators };
}

type TurnParts = { transcript: Transcript; delivery: Delivery; indicators: TurnIndicators };

function buildTurns(deps: MessagingDeps, { transcript, delivery, indicators }: TurnParts): Turns {
  const { running, directory, links, prompt, paths, skills, spending, log } = deps;
  const inboundLog = log.child({ subsystem: "inbound" });
  const mediaDeps: InboundMediaDeps = {
    ...deps,
    transcript,
    log: inboundLog,
    link: links.get,
    maxBytes: (target) => mediaMaxBytes(running.config, target),
  };
  const turns: Turns = createTurns({
    ...deps,
    transcript,
    log: log.child({ subsystem: "turns" }),
    newId: randomUUID,
    concurrency: () => running.config.agents.defaults.maxConcurrent,
    split: directory.split,
    permitFor: (caller) => permitWithSkills(running, skills, caller),
    skills: turnSkills(skills),
    flushOf: () => flushSettings(running.config, () => prompt.day()),
    priceOf: spending.priceOf,
    budgets: spending.budgets,
    live: indicators,
    replyToMode: (target) => replyToMode(running.config, target),
    replyPrefix: (target, sessionKey) => replyPrefix(running.config, target, sessionKey, paths.state),
    quietMs: (channel) => queueSettings(running.config.messages.queue, channel).debounceMs,
    deliver: delivery.wake,
    isShadow: () => running.config.gateway.shadow,
    expired: (session, now) => isExpired(resetRule(running.config, session), session.last_message_at, now, () => prompt.timeZone()),
    attachments: (row, signal) => fetchInboundMedia(mediaDeps, row, signal),
    commands: {
      statusLines: (session) => statusLines(deps, turns, session),
      usageLines: (session) => spending.usageLines(session),
      modelNames: (agentId) => running.agents.modelNames(agentId),
      modelAliases: (agentId) => modelAliases(running.config, agentId),
      resetTriggers: () => running.config.session.resetTriggers,
      currentModel: (session) => running.agents.currentModel(session),
      acp: {
        names: () => acpAgentNames(running.config),
        defaultName: () => running.config.acp.defaultAgent ?? null,
        processes: () => deps.runtime.status().agents ?? [],
        isDirectory,
      },
    },
  });
  return turns;
}

/** How agents write their notes before a conversation is shortened; null: they do not. */
export function flushSettings({ agents }: Config, today: () => string): FlushSettings | null {
  const { compaction } = agents.defaults;
  const { enabled, model, softThresholdTokens } = compaction.memoryFlush;
  if (!enabled) return null;
  return {
    model: model ?? null,
    softThresholdTokens,
    isAutomatic: compaction.enabled,
    keepRecentTokens: compaction.keepRecentTokens,
    today,
  };
}

function createIngest(deps: MessagingDeps, turns: Turns, delivery: Delivery): EventIngest {
  const { running, notes, clock, log } = deps;
  return new EventIngest({
    ...deps,
    ...turns,
    newId: randomUUID,
    deliver: delivery.wake,
    config: () => running.config,
    historyLimit: (channel, account, agentId) => historyLimit(running.config, { channel, account }, agentId),
    pairingText: (channel, account, sender, code) =>
      pairingMessage({
        code,
        channel: asId<ChannelId>(channel),
        account: asId<AccountId>(account),
        sender,
        expiresInMs: LIMITS.pairingTtlMs,
      }),
    addSessionNote: (sessionKey, text) => notes.add(sessionKey, text, clock.now()),
    log: log.child({ subsystem: "inbound" }),
  });
}

function createSupervisor(deps: MessagingDeps, ingest: EventIngest): ChannelSupervisor {
  const { store, directory, channelState, paths, bus, log } = deps;
  return createChannelSupervisor({
    ...deps,
    load: (id) => directory.load(id),
    toWorkerChannel: (channel, spec) =>
      withChannelWorker(channel, spec, { gatewayDir: paths.gateway, outside: directory.pluginSource(spec.channel) }),
    admit: ingest.admit,
    cursor: channelState.cursor,
    vault: (channel, account) => createVault(store, channel, account),
    onState: (status) => bus.emit("account.status", status),
    log: log.child({ subsystem: "channels" }),
    random: Math.random,
    commands: CHAT_COMMANDS.map(({ name, description }) => ({ name, description })),
  });
}

/** What follows from each change of the state of an account: health, sending, owner alerts, events for clients. */
function watchAccounts(deps: MessagingDeps, { turns, delivery, supervisor }: Omit<Messaging, "ingest">): void {
  const { store, keyValue, running, directory, links, health, bus, clock, log } = deps;
  const ownerAlerts = new OwnerAlerts({
    keyValue,
    write: (change) => store.write(change),
    now: clock.now,
    owners: () => running.config.commands.ownerAllowFrom.map(String),
    status: () => supervisor.status(),
    toPerson: (channel, account, person) => directory.toPerson(channel, account, person),
    enqueueNotice: (id, target, text) => turns.outbound.add({ id, sessionKey: null, target, text, at: clock.now() }),
    deliver: (target) => delivery.wake(conversationOf(target)),
    publish: (text) => bus.emit("owner.alert", { text }),
    log: log.child({ subsystem: "channels" }),
  });
  links.onUp((channel, account) => delivery.onLinkUp(channel, account));
  bus.on("account.status", (status) => {
    reportAccount(health, status);
    ownerAlerts.onStatus(status);
    bus.emit("channel.changed", { channel: status.channel, account: status.account });
  });
}

function reportAccount(health: GatewayBase["health"], { channel, account, state, cause }: AccountStatus): void {
  const part = `channel:${channel}/${account}`;
  if (state === "stopped") health.forget(part);
  else if (state === "ready") health.report(part, "ready");
  else health.report(part, state === "connecting" ? "starting" : "degraded", cause ?? state);
}

/** False also for a directory that the gateway may not see. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
