import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import { readProxySettings } from "../core/proxy.ts";
import { randomUUID } from "node:crypto";
import {
  buildModelCatalog,
  selectModels,
  type LocalServer,
  type ModelSelection,
  type CatalogEntry,
  type ModelInputs,
  type ProviderTable,
} from "../agents/models.ts";
import { modelName } from "../agents/runtime.ts";
import { createPairingCode } from "../channels/pairing-code.ts";
import { defaultAgentId, resolveAgent } from "../config/agents.ts";
import { type LoadedConfig } from "../config/load.ts";
import { type StatePaths } from "../config/paths.ts";
import type { Config, ToolPolicy } from "../config/schema.ts";
import { Bus } from "../core/bus.ts";
import { reasonOf } from "../core/errors.ts";
import { type AgentId } from "../core/ids.ts";
import { createLoopProbe } from "../observe/event-loop.ts";
import { createHealth, sampleHealth } from "../observe/health.ts";
import { sampleProcess } from "../observe/process-metrics.ts";
import { type RootLog } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { createButtons } from "../store/buttons.ts";
import { createChannelState } from "../store/channel-state.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { createInbox } from "../store/inbox.ts";
import { MediaStore, type MediaQuota } from "../store/media.ts";
import { createMessages } from "../store/messages.ts";
import { createSessionNotes } from "../store/session-notes.ts";
import { openStore, type Store } from "../store/open.ts";
import { systemTimeZone } from "../config/time-zone.ts";
import { createOutbox } from "../store/outbox.ts";
import { createPairings } from "../store/pairing.ts";
import { createSessions, type SessionRow } from "../store/sessions.ts";
import { grantTools, restrictTools } from "../tools/policy.ts";
import type { TurnEvents } from "../turns/events.ts";
import { THINKING_LEVELS_OF_MODEL, toThinkingLevel } from "../core/thinking.ts";
import { resolveModels, type AgentSettings } from "../turns/settings.ts";

const clock = systemClock;

/** Kills the process at a marked point, for the crash tests: `OPENCLAW_GATEWAY_CRASH_AT=<point>[:<n>]`, at its n-th passage. */
function createCrashPoint(setting: string | undefined): (point: string) => void {
  if (!setting) return () => {};
  const [wanted, nth = "1"] = setting.split(":");
  let left = Number(nth);
  return (point) => {
    if (point === wanted && --left <= 0) process.kill(process.pid, "SIGKILL");
  };
}

type Derived = { modelSelection: ModelSelection; models: readonly CatalogEntry[]; settings: AgentSettings };

/** Asked for once: it takes the processor a third of a millisecond, and every turn wants it. */
let systemZone: string | undefined;

export type CoreOptions = {
  /** An earlier start has met damage in the store: rebuild it. */ repair?: boolean;
};

/** The rows and rooms that exist before anything listens. Created without effects beyond the state directory. */
export class Core {
  readonly paths: StatePaths;
  readonly log: RootLog;
  readonly metrics = createMetrics();
  readonly health = createHealth(clock);
  readonly loop = createLoopProbe(clock);
  readonly store: Store;
  readonly sessions;
  readonly messages;
  readonly inbox;
  readonly outbox;
  readonly channelState;
  readonly buttons;
  readonly notes;
  readonly media: MediaStore;
  readonly keyValue;
  readonly pairings;
  readonly bus: Bus<TurnEvents>;
  readonly crashPoint = createCrashPoint(process.env["OPENCLAW_GATEWAY_CRASH_AT"]);
  readonly startedAt = clock.now();
  readonly #started = clock.monotonic();
  readonly bootId = randomUUID();
  readonly instanceId: string;
  #loaded: LoadedConfig;
  #localServers: readonly LocalServer[] = [];
  /** What follows from the configuration for each agent; forgotten when that or the found servers change. */
  readonly #derived = new Map<string, Derived>();

  constructor(paths: StatePaths, loaded: LoadedConfig, log: RootLog, { repair = false }: CoreOptions = {}) {
    this.paths = paths;
    this.#loaded = loaded;
    this.log = log;
    for (const { name, message, fix } of readProxySettings(process.env).problems) log.warn(`${name} ${message}`, { fix });
    this.bus = new Bus((err, event) => log.error("a listener failed", { event, error: err }));
    this.store = openStore({ dir: paths.gateway, log: log.child({ subsystem: "store" }), crashPoint: this.crashPoint, repair });
    this.store.onHealth = ({ state, cause }) => this.health.report("store", state, cause ?? undefined);
    this.sessions = createSessions(this.store);
    this.messages = createMessages(this.store);
    this.inbox = createInbox(this.store);
    this.outbox = createOutbox(this.store);
    this.channelState = createChannelState(this.store);
    this.buttons = createButtons(this.store);
    this.notes = createSessionNotes(this.store);
    this.media = new MediaStore(join(paths.gateway, "media"), () => this.#mediaQuota(), clock.now, log);
    this.keyValue = createKeyValueStore(this.store);
    this.pairings = createPairings(this.store, { newCode: createPairingCode, now: clock.now });
    this.instanceId = this.#loadInstanceId();
    sampleHealth(this.metrics, this.health);
    sampleProcess(this.metrics, this.loop, log);
    this.registerSecrets();
  }

  /** Tells the log what it must never show: the secrets of the configuration, and what its patterns match. */
  registerSecrets(): void {
    this.log.registerSecrets(this.loaded.config);
    this.log.setPatterns(this.loaded.config.logging.redactPatterns);
  }

  #mediaQuota(): MediaQuota {
    const { maxTotalBytes, maxAccountBytesPerDay } = this.config.gateway.media;
    return { totalBytes: maxTotalBytes, accountBytesPerDay: maxAccountBytesPerDay };
  }

  /** Names this installation, the same over restarts. */
  #loadInstanceId(): string {
    const kept = this.keyValue.get("instance-id");
    if (typeof kept === "string") return kept;
    const fresh = randomUUID();
    void this.store
      .write(() => this.keyValue.set("instance-id", fresh, clock.now()))
      .catch((err: unknown) => this.log.warn("the instance id could not be kept", { cause: reasonOf(err) }));
    return fresh;
  }

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  set loaded(next: LoadedConfig) {
    this.#loaded = next;
    this.#derived.clear();
  }

  get localServers(): readonly LocalServer[] {
    return this.#localServers;
  }

  set localServers(found: readonly LocalServer[]) {
    this.#localServers = found;
    this.#derived.clear();
  }

  #derivedFor(agentId: string): Derived {
    const known = this.#derived.get(agentId);
    if (known) return known;
    const inputs = this.modelInputs(agentId);
    const choice = selectModels(inputs);
    const models = buildModelCatalog(inputs);
    const derived = { modelSelection: choice, models, settings: this.#settings(agentId, choice) };
    if (this.#derived.size >= LIMITS.agentSettingsCached) this.#derived.clear();
    this.#derived.set(agentId, derived);
    return derived;
  }

  get config(): Config {
    return this.loaded.config;
  }

  defaultAgent(): AgentId {
    return defaultAgentId(this.config);
  }

  /** What the choice of a model depends on, for one agent. */
  modelInputs(agentId: string): ModelInputs {
    const { config } = this;
    const agent = resolveAgent(config, agentId, this.paths.state);
    return {
      configured: agent.models,
      providers: config.models.providers as ProviderTable,
      env: this.providerEnv(),
      local: this.usableLocalServers(),
      listed: [...Object.keys(config.agents.defaults.models), ...Object.keys(config.agents.entries[agentId]?.models ?? {})],
    };
  }

  /** Where keys of providers are looked for: the environment, then `env.vars`. Nowhere when only configured providers count. */
  providerEnv(): NodeJS.ProcessEnv {
    if (this.config.models.mode === "replace") return {};
    const own = Object.entries(this.config.env.vars).map(([name, value]) => [name, value.reveal()] as const);
    return { ...Object.fromEntries(own), ...process.env };
  }

  /** The local servers that may be used without being configured. */
  usableLocalServers(): readonly LocalServer[] {
    return this.config.models.mode === "replace" ? [] : this.localServers;
  }

  modelSelection(agentId: string): ModelSelection {
    return this.#derivedFor(agentId).modelSelection;
  }

  settings(agentId: string): AgentSettings {
    return this.#derivedFor(agentId).settings;
  }

  /** Every model that can be named for this agent. */
  models(agentId: string): readonly CatalogEntry[] {
    return this.#derivedFor(agentId).models;
  }

  modelNames(agentId: string): readonly string[] {
    return this.models(agentId).map((entry) => `${entry.provider}/${entry.id}`);
  }

  modelFacts(name: string): { contextWindow: number; thinkingLevels: readonly string[] } {
    const entry = this.models(this.defaultAgent()).find((each) => `${each.provider}/${each.id}` === name);
    return { contextWindow: entry?.contextWindow ?? 0, thinkingLevels: THINKING_LEVELS_OF_MODEL[entry?.reasoning ? "reasoning" : "plain"] };
  }

  #settings(agentId: string, choice: ModelSelection): AgentSettings {
    const agent = resolveAgent(this.config, agentId, this.paths.state);
    const seconds = this.config.agents.defaults.timeoutSeconds;
    return {
      models: [choice.primary, ...choice.fallbacks],
      thinking: toThinkingLevel(agent.thinking ?? "off")!,
      workspace: agent.workspace,
      // A timer cannot wait longer than 2^31 ms.
      timeoutMs: seconds > 0 ? Math.min(seconds * 1000, 2_147_000_000) : 2_147_000_000,
    };
  }

  currentModel(session: Pick<SessionRow, "agent_id" | "model">): string {
    return modelName(resolveModels(this.settings(session.agent_id), session, null)[0]!);
  }

  toolsFor(surface: "operator" | "channel", agentId: AgentId): ReturnType<typeof grantTools> {
    return grantTools(surface, resolveAgent(this.config, agentId, this.paths.state).tools, this.config.agents.entries[agentId]?.tools);
  }

  /** The tools that senders of a channel have with this agent, as far as the room leaves them. */
  channelTools(agentId: AgentId, room: unknown): ReturnType<typeof grantTools> {
    return restrictTools(this.toolsFor("channel", agentId), (room ?? undefined) as ToolPolicy | undefined);
  }

  /** Time since the start, whatever happens to the wall clock meanwhile. */
  uptimeMs(): number {
    return Math.round(clock.monotonic() - this.#started);
  }

  timeZone(): string {
    return this.config.agents.defaults.userTimezone ?? (systemZone ??= systemTimeZone(process.env).name);
  }
}
