import { statSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import { randomUUID } from "node:crypto";
import { GUIDE } from "../agents/models.ts";
import { ensureWorkspace, createWorkspaceDir } from "../agents/system-prompt.ts";
import { modelName } from "../agents/runtime.ts";
import { channelIds } from "../channels/registry.ts";
import { type Auth } from "../auth/open.ts";
import { defaultAccountId } from "../config/channel-accounts.ts";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { channelKeys } from "../config/channel-keys.ts";
import { missingSecrets } from "../config/missing-secrets.ts";
import { verifyAccount } from "../channels/verify.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type ChannelId } from "../core/ids.ts";
import { agentMethods } from "../methods/agent.ts";
import { agentsMethods } from "../methods/agents.ts";
import { channelSetupMethods, type ChannelSetupDeps } from "../methods/channel-setup.ts";
import { channelsMethods } from "../methods/channels.ts";
import { chatMethods } from "../methods/chat.ts";
import { commandsMethods, listCommands } from "../methods/commands.ts";
import type { ConfigDeps } from "../methods/config-edit.ts";
import { configMethods } from "../methods/config.ts";
import { operatorSubmission, resolveKey, type ChatDeps } from "../methods/chat-context.ts";
import { deadLetterMethods } from "../methods/dead-letters.ts";
import { devicesMethods } from "../methods/devices.ts";
import { healthMethods } from "../methods/health.ts";
import { mirrorIdentity } from "../methods/identity-file.ts";
import { logsMethods } from "../methods/logs.ts";
import { listModels, modelsMethods, type ModelsDeps } from "../methods/models.ts";
import type { Presence } from "../methods/presence.ts";
import { restartMethods } from "../methods/restart.ts";
import { routesMethods } from "../methods/routes.ts";
import { sendMethods } from "../methods/send.ts";
import { sessionMethods } from "../methods/sessions.ts";
import { enqueueSystemEvent, statusMethods, type StatusDeps } from "../methods/status.ts";
import { systemMethods } from "../methods/system.ts";
import { guardedFetch } from "../tools/guarded-fetch.ts";
import type { MethodTable } from "../protocol/method.ts";
import { queueSettings } from "../routing/queue-mode.ts";
import type { RoutingConfig } from "../routing/types.ts";
import { listAccountBacklogs } from "../store/account-backlog.ts";
import { type OutboxPart } from "../store/outbox.ts";
import { type PairingRequest } from "../store/pairing.ts";
import { isServedCommand } from "../turns/commands.ts";
import { conversationOf } from "../turns/outbound.ts";
import { createVault } from "../store/vault.ts";
import { accountConfig, candidateConfig } from "./channel-account-config.ts";
import type { Core } from "./core.ts";
import type { Messaging } from "./messaging.ts";
import { readConfig } from "./settings.ts";
import type { Hub } from "../protocol/hub.ts";

const clock = systemClock;

/** What the methods need of the gateway beside its rows and conversations. */
export type GatewayMethodsDeps = {
  auth: Auth;
  hub(): Hub;
  health(): ReturnType<typeof healthMethods>;
  presence: Presence;
  /** The presence list has changed by something other than a connection. */
  presenceChanged(): void;
  reload(): Promise<void>;
  restart(reason: string): void;
  /** Looks for local model servers. */
  discoverLocalModels(): Promise<void>;
  address(): { url: string; source: string };
  /** Where the gateway listens; 0 before that. */
  port(): number;
};

/** A file that was written this long ago at least has had its last change within the precision of its times. */
const MTIME_PRECISION_MS = 1_000;

function fileStamp(path: string, now: number): string | null {
  try {
    const seen = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (!seen) return "absent";
    const settled = now - Number(seen.mtimeNs / 1_000_000n) >= MTIME_PRECISION_MS;
    return settled ? `${seen.dev}:${seen.ino}:${seen.size}:${seen.mtimeNs}:${seen.ctimeNs}` : null;
  } catch {
    return null; // the answer itself says why the file cannot be read
  }
}

/** The methods of the gateway, each with the parts of it that it needs. */
export class GatewayMethods {
  readonly core: Core;
  readonly messaging: Messaging;
  readonly #deps: GatewayMethodsDeps;

  constructor(core: Core, messaging: Messaging, rooms: GatewayMethodsDeps) {
    this.core = core;
    this.messaging = messaging;
    this.#deps = rooms;
  }

  /** All methods by name: this table is the advertised list. */
  table(): MethodTable {
    const chat = this.chatDeps();
    return {
      ...this.#deps.health().methods,
      ...statusMethods(this.statusDeps()),
      ...chatMethods({
        ...chat,
        models: async (agentId) => (await listModels(this.#modelsDeps(), { agentId })).models,
        commands: () => listCommands(true).commands,
      }),
      ...sessionMethods(chat),
      ...agentMethods(chat),
      ...sendMethods({
        ...chat,
        outbox: this.core.outbox,
        split: this.messaging.split,
        deliver: this.messaging.delivery.wake,
        waitUntilSettled: (intentId, timeoutMs) => this.#waitUntilSettled(intentId, timeoutMs),
        onlyChannel: () => this.#onlyChannel(),
        link: (channel, account) => this.messaging.channels.link(channel, account),
        abilities: (channel) => this.messaging.abilities(channel),
        keyValue: this.core.keyValue,
        mediaFor: (agentId) => ({
          workspace: this.core.settings(agentId ?? this.core.defaultAgent()).workspace,
          media: this.core.media,
          log: this.core.log,
          fetch: (url, maxBytes) => guardedFetch(url, { maxBytes }),
        }),
      }),
      ...deadLetterMethods({
        store: this.core.store,
        inbox: this.core.inbox,
        outbox: this.core.outbox,
        clock,
        lanes: this.messaging.turns.lanes,
        deliver: this.messaging.delivery.wake,
        reread: (row) => this.messaging.ingest.retry(row),
      }),
      ...this.#adminMethods(),
      // What a handler declares of its params has to be what the schema says of them.
    } satisfies MethodTable;
  }

  #adminMethods() {
    const { core } = this;
    const config = this.#configDeps();
    const restart = ({ reason, delayMs }: { reason: string; delayMs: number }): void =>
      void clock.after(delayMs, () => this.#deps.restart(reason));
    return {
      ...configMethods({ ...config, now: clock.now, fileStamp: () => fileStamp(core.paths.config, clock.now()), restart }),
      ...agentsMethods({
        ...config,
        now: clock.now,
        stateDir: core.paths.state,
        home: process.env["HOME"] ?? "/",
        ensureWorkspace: (workspace) => this.ensureWorkspace(workspace),
        mirrorIdentity: (workspace, fields) =>
          mirrorIdentity(workspace, fields).catch((err: unknown) =>
            core.log.warn("the identity file was not updated", { workspace, cause: reasonOf(err) }),
          ),
        modelOf: (agentId) => modelName(core.modelSelection(agentId).primary),
        toolsOf: (agentId) => core.toolsFor("operator", agentId),
        thinkingOf: (model, agentId) => ({
          levels: model ? core.modelFacts(model).thinkingLevels : ["off"],
          default: core.settings(agentId).thinking,
        }),
      }),
      ...modelsMethods(this.#modelsDeps()),
      ...commandsMethods(),
      ...devicesMethods({ auth: this.#deps.auth, hub: this.#deps.hub(), address: () => this.#deps.address() }),
      ...channelsMethods({
        now: clock.now,
        host: this.messaging.channels,
        backlogs: () => listAccountBacklogs(core.store),
        labelOf: (channel) => this.messaging.label(channel),
        defaultAccountOf: (channel) => defaultAccountId(core.config, channel) ?? "default",
        loop: core.loop,
        pairings: core.pairings,
        write: (change) => core.store.write(change),
        ownerConfigured: () => core.config.commands.ownerAllowFrom.length > 0,
        probe: (channel, account, signal) => this.#probe(channel, account, signal),
        notifyApproved: (request) => this.#notifyApproved(request),
      }),
      ...channelSetupMethods(this.#channelSetupDeps()),
      ...logsMethods({ file: core.log.file, flush: () => core.log.flush(), recent: (limit) => core.log.recent(limit) }),
      ...restartMethods({ now: clock.now, restart }),
      ...systemMethods({
        uptimeMs: () => core.uptimeMs(),
        bootId: core.bootId,
        port: () => this.#deps.port(),
        stateDir: core.paths.state,
      }),
      ...routesMethods({
        config: () => core.config as RoutingConfig,
        isPaired: (channel, account, sender) => core.pairings.isPaired(channel, account, sender),
        botFacts: (channel) => ({
          now: clock.now(),
          isCommand: (text) => isServedCommand(this.messaging.turns.admission.parseCommand(text)),
          canonicalId: this.messaging.canonicalId(channel),
        }),
        isAddressed: (channel, account, text) => this.messaging.isAddressed(channel, account, text),
        now: clock.now,
      }),
    };
  }

  /** Leaves a line for the next turn of the main session, which `openclaw status` shows until then. */
  queueForMainSession(text: string): void {
    enqueueSystemEvent(this.statusDeps(), text, null).catch((err: unknown) =>
      this.core.log.warn("an event could not be written down", { cause: reasonOf(err) }),
    );
  }

  #channelSetupDeps(): ChannelSetupDeps {
    const { core, messaging: chats } = this;
    return {
      channelIds,
      load: (channel) => chats.load(asId<ChannelId>(channel)),
      accountConfig: (channel, account, change) => {
        if (!change) return accountConfig(core.config, channel, account, process.env);
        const { raw } = readConfig(core.paths);
        const config = candidateConfig({ raw: raw ?? "", path: core.paths.config, env: process.env, channel: channel.id, account, change });
        core.log.registerSecrets(config);
        return accountConfig(config, channel, account, process.env);
      },
      describe: channelKeys,
      defaultAccountOf: (channel) => defaultAccountId(core.config, channel) ?? "default",
      vault: (channel, account) => createVault(core.store, channel, account),
      host: chats.channels,
      log: core.log.child({ subsystem: "channels" }),
    };
  }

  chatDeps(): ChatDeps {
    const { core, messaging: chats } = this;
    return {
      turns: chats.turns,
      store: core.store,
      sessions: core.sessions,
      messages: core.messages,
      media: core.media,
      bus: core.bus,
      runtime: chats.runtime,
      settings: (agentId) => core.settings(agentId),
      hub: this.#deps.hub(),
      clock,
      newId: randomUUID,
      defaultAgent: () => core.defaultAgent(),
      agentIds: () => agentIds(core.config),
      mainKey: () => undefined,
      operatorTools: (agentId) => core.toolsFor("operator", agentId),
      queueMode: (channel) => queueSettings(core.config.messages.queue, channel).mode,
      modelFacts: (name) => core.modelFacts(name),
      modelNames: () => core.modelNames(core.defaultAgent()),
      toTarget: (channel, account, to, thread) => chats.toTarget(channel, account, to, thread),
    };
  }

  #configDeps(): ConfigDeps {
    const { core } = this;
    return {
      read: () => readConfig(core.paths),
      loaded: () => core.loaded,
      reload: () => this.#deps.reload(),
      writeOptions: { env: process.env },
    };
  }

  #modelsDeps(): ModelsDeps {
    const { core } = this;
    return {
      ...this.#configDeps(),
      stateDir: core.paths.state,
      models: async (refresh) => {
        if (refresh) await this.#deps.discoverLocalModels();
        return core.models(core.defaultAgent()).map((entry) => ({
          ...entry,
          configured: entry.available && (entry.provider !== GUIDE.provider || core.modelSelection(core.defaultAgent()).source === "guide"),
          thinkingLevels: core.modelFacts(`${entry.provider}/${entry.id}`).thinkingLevels,
        }));
      },
      modelOf: (agentId) => modelName(core.modelSelection(agentId).primary),
      thinkingDefault: (agentId) => core.settings(asId<AgentId>(agentId)).thinking,
    };
  }

  statusDeps(): StatusDeps {
    const { core } = this;
    return {
      now: clock.now,
      presence: this.#deps.presence,
      presenceChanged: () => this.#deps.presenceChanged(),
      uptimeMs: () => core.uptimeMs(),
      agents: () => this.agents(),
      sessions: core.sessions,
      storePath: core.store.path,
      defaultModel: () => {
        const name = modelName(core.modelSelection(core.defaultAgent()).primary);
        return { name, contextWindow: core.modelFacts(name).contextWindow };
      },
      modelOf: (row) => core.currentModel(row),
      channelLines: () =>
        this.messaging.channels
          .status()
          .map((each) => `${each.channel}/${each.account}: ${each.state}${each.cause ? ` (${each.cause})` : ""}`),
      missingSecrets: () => missingSecrets(core.loaded.issues),
      slotWaits: () => this.messaging.turns.lanes.load().slotWaits,
      keyValue: core.keyValue,
      write: (change) => core.store.write(change),
      sessionFor: (sessionKey, agentId) => resolveKey(this.chatDeps(), sessionKey ?? "main", agentId).key,
      submit: async (session, text, caller) => {
        const { agentId } = resolveKey(this.chatDeps(), session);
        return this.messaging.turns.admission.submit(
          operatorSubmission(this.chatDeps(), {
            source: "rpc",
            key: session,
            agentId,
            text,
            images: [],
            idempotencyKey: randomUUID(),
            caller,
            literal: true,
          }),
        );
      },
    };
  }

  #onlyChannel(): string | null {
    const ids = [...new Set(this.messaging.channels.status().map((each) => each.channel))];
    return ids.length === 1 ? ids[0]! : null;
  }

  async #waitUntilSettled(intentId: string, timeoutMs: number): Promise<readonly OutboxPart[]> {
    const { outbox } = this.core;
    const open = (): boolean => outbox.byIntent(intentId).some((part) => part.state === "queued" || part.state === "attempting");
    if (open()) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          stop();
          cancel();
          resolve();
        };
        const stop = this.core.bus.on("part.settled", () => open() || done());
        const cancel = clock.after(timeoutMs, done);
      });
    }
    return outbox.byIntent(intentId);
  }

  async #probe(id: string, account: string, signal: AbortSignal): Promise<{ name: string }> {
    const channel = await this.messaging.load(asId<ChannelId>(id));
    const raw = channel && accountConfig(this.core.config, channel, account, process.env);
    if (!channel || raw === null) throw new GatewayError("NOT_FOUND", `${id}/${account} is not configured`);
    return await verifyAccount(channel, raw, signal);
  }

  async #notifyApproved(request: PairingRequest): Promise<"sent" | "unsupported" | "failed"> {
    const { channel, account, sender } = request;
    try {
      const target = this.messaging.toPerson(channel, account, sender);
      await this.core.store.write(() =>
        this.messaging.turns.outbound.add({
          id: `paired:${request.channel}:${request.account}:${request.sender}:${request.createdAt}`,
          sessionKey: null,
          target,
          text: "You're approved. Go ahead and send me a message.",
          at: clock.now(),
        }),
      );
      this.messaging.delivery.wake(conversationOf(target));
      return "sent";
    } catch (err) {
      this.core.log.warn("the approved sender could not be told", { channel, account, cause: reasonOf(err) });
      return "failed";
    }
  }

  agents(): { id: string; name: string; isDefault: boolean }[] {
    const { core } = this;
    return agentIds(core.config).map((id) => ({
      id,
      name: resolveAgent(core.config, id, core.paths.state).name,
      isDefault: id === core.defaultAgent(),
    }));
  }

  async ensureWorkspace(workspace: string): Promise<void> {
    if (this.core.config.agents.defaults.skipBootstrap) await createWorkspaceDir(workspace);
    else await ensureWorkspace(workspace);
  }
}
