import { randomBytes } from "node:crypto";
import { asId, type AccountId, type ChannelId, type SessionKey } from "../core/ids.ts";
import { contain } from "../core/contain.ts";
import { fileURLToPath } from "node:url";
import { systemClock } from "../core/clock.ts";
import { closeSync, existsSync, openSync, rmSync, statfsSync } from "node:fs";
import { devNull } from "node:os";
import { dirname, join } from "node:path";
import { discoverLocalServers, needsLocalServer } from "../agents/models.ts";
import type { GuideFacts } from "../agents/pi/guide.ts";
import { modelName } from "../agents/runtime.ts";
import { openAuth, type Auth } from "../auth/open.ts";
import type { GatewayOptions } from "../cli/invocation.ts";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { diffConfig, strongestEffect } from "../config/diff.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { saveLastGood } from "../config/load.ts";
import { watchConfig } from "../config/watch.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { readProxySettings } from "../core/proxy.ts";
import { silentLog, type Log } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { VERSION } from "../core/version.ts";
import { wireRow } from "../methods/chat-context.ts";
import { toDeviceRequestRow } from "../methods/devices.ts";
import { healthMethods } from "../methods/health.ts";
import { runCompletion } from "../methods/openai-backend.ts";
import { readSessionHistory } from "../methods/session-history.ts";
import { isVisible, Presence } from "../methods/presence.ts";
import { SERVED_EVENTS, startEventStream } from "../methods/stream.ts";
import type { Peer } from "../protocol/hub.ts";
import { SERVER_CAPABILITIES } from "../protocol/served-methods.ts";
import { mainSessionKey } from "../routing/session-key.ts";
import { resolveBind } from "../server/listen.ts";
import type { ServerDeps, OriginPolicy } from "../server/deps.ts";
import { createServer, type Server } from "../server/server.ts";
import { startIntegrityCheck } from "../store/integrity-check.ts";
import { startMediaSweep } from "../store/media-sweep.ts";
import { writeFileAtomicSync } from "../core/files.ts";
import type { StoreHealth } from "../store/store.ts";
import type { Readiness } from "../observe/health.ts";
import { readPid } from "../cli/pid-file.ts";
import { localHost, externalHosts } from "./addresses.ts";
import { TurnReadiness } from "./turn-readiness.ts";
import { startPruning } from "../turns/pruning.ts";
import { recover } from "../turns/recover.ts";
import { Announcements } from "./announcements.ts";
import { logIssues, newIssues } from "./config-log.ts";
import { Core } from "./core.ts";
import { Messaging } from "./messaging.ts";
import { authSettings } from "./settings.ts";
import { readConfig } from "./settings.ts";
import { applyLogLevels } from "./settings.ts";
import { GatewayMethods } from "./methods.ts";

const clock = systemClock;
const MODULE_DIR = fileURLToPath(new URL(".", import.meta.url));

/** The messages of a completion request as one prompt: the last one of the user, and what came before it as context. */
function promptOf(messages: readonly { role: string; text: string }[]): { text: string; context: string | null } {
  const last = messages.findLastIndex((message) => message.role === "user");
  const earlier = messages.filter((_, index) => index !== last).map((message) => `${message.role}: ${message.text}`);
  const context = earlier.length > 0 ? ["[Earlier in this request]", ...earlier, "[The message to answer]"].join("\n") : null;
  return { text: messages[last]?.text ?? "", context };
}

/** Where the built page lies: beside the bundle, or in dist/ when the sources run. */
function pageDir(): string | null {
  return [join(MODULE_DIR, "web"), join(MODULE_DIR, "..", "..", "dist", "web")].find((dir) => existsSync(join(dir, "index.html"))) ?? null;
}

/** The rooms put together. `start` may fail; whatever it began, `stop` ends. */
export class Gateway {
  readonly core: Core;
  readonly auth: Auth;
  readonly messaging: Messaging;
  readonly server: Server;
  readonly methods: GatewayMethods;
  /** Set when it listens. */
  port = 0;
  /** The addresses that are listened on; empty until then. */
  #boundAddresses: readonly string[] = [];
  readonly #options: GatewayOptions;
  readonly #restart: (reason: string) => void;
  readonly #abort = new AbortController();
  readonly #identityKey = new Secret(randomBytes(32).toString("base64url"));
  /** What is wrong with the file since it was edited, when it could not be taken over. */
  #rejectedIssues: readonly ConfigIssue[] | null = null;
  readonly #stateVersion = { presence: 1, health: 1 };
  readonly #health: ReturnType<typeof healthMethods>;
  readonly #presence: Presence;
  readonly #announcements: Announcements;
  readonly #turnReadiness: TurnReadiness;
  /** Whether channels may be connected; see `#recoverAndConnect`. */
  #channelsStarted = false;
  #phase: "starting" | "serving" | "stopping" = "starting";
  #stopped: Promise<void> | null = null;
  /** Each ends one thing that is done in the background. */
  #background: (() => void)[] = [];

  constructor(core: Core, options: GatewayOptions, restart: (reason: string) => void) {
    this.core = core;
    this.#options = options;
    this.#restart = restart;
    this.auth = openAuth({
      store: core.store,
      clock,
      log: core.log.child({ subsystem: "auth" }),
      settings: authSettings(core, options),
      requested: (request) => this.server.hub.publish("device.pair.requested", toDeviceRequestRow(request), { scope: "operator.pairing" }),
      resolved: (answer) => this.server.hub.publish("device.pair.resolved", { ...answer, ts: clock.now() }, { scope: "operator.pairing" }),
      onRevoked: () => void this.server.closeRevoked(),
    });
    this.#turnReadiness = new TurnReadiness({
      clock,
      health: core.health,
      checks: this.#readinessChecks(),
      warnings: this.#readinessWarnings(),
    });
    this.messaging = new Messaging(core, () => this.#guideFacts());
    this.messaging.onOwnerAlert = (text) => {
      this.methods.queueForMainSession(text);
      this.#announcements.publishHealth();
    };
    this.#health = healthMethods({
      now: clock.now,
      readiness: () => this.#readiness(),
      loop: core.loop,
      channels: () => this.messaging.channels.status(),
      labelOf: (channel) => this.messaging.label(channel),
      agents: () => this.methods.agents(),
      sessions: core.sessions,
      storePath: core.store.path,
      configErrors: () =>
        (this.#rejectedIssues ?? core.loaded.issues)
          .filter((issue) => issue.severity === "error")
          .map((issue) => `${issue.path}: ${issue.message}`),
    });
    this.#presence = new Presence({
      now: clock.now,
      hub: () => this.server.hub,
      startedAt: core.startedAt,
      instanceId: core.instanceId,
    });
    this.#announcements = new Announcements({
      hub: () => this.server.hub,
      clock,
      health: this.#health,
      stateVersion: this.#stateVersion,
    });
    core.bus.on("channel.changed", () => this.#announcements.healthChanged());
    this.methods = new GatewayMethods(core, this.messaging, {
      auth: this.auth,
      hub: () => this.server.hub,
      health: () => this.#health,
      presence: this.#presence,
      presenceChanged: () => {
        this.#bumpPresenceVersion(true);
        this.server.presenceChanged();
      },
      reload: () => this.reload(),
      restart: (reason) => this.#restart(reason),
      discoverLocalModels: () => this.#discoverLocalModels(core.log),
      address: () => this.#publicAddress(),
      port: () => this.port,
    });
    this.server = createServer(this.#serverDeps());
  }

  #serverDeps(): ServerDeps {
    const { core } = this;
    return {
      auth: this.auth,
      clock,
      log: core.log.child({ subsystem: "server" }),
      metrics: core.metrics,
      version: VERSION,
      bootId: core.bootId,
      identityKey: this.#identityKey,
      originPolicy: () => this.#originPolicy(),
      phase: () => this.#phase,
      methods: () => this.methods.table(),
      events: SERVED_EVENTS,
      // models.list answers from what is known at once, and knows `provider` and `includeDetails`.
      capabilities: SERVER_CAPABILITIES,
      snapshot: (peer) => this.#snapshot(peer),
      health: () => this.#health.snapshot(),
      presence: () => ({ presence: this.#presence.rows() }),
      stateVersion: () => this.#stateVersion,
      clientConnected: (peer) => this.#bumpPresenceVersion(isVisible(peer)),
      clientDisconnected: (peer) => this.#bumpPresenceVersion(isVisible(peer)),
      readiness: () => this.#readiness(),
      metricsText: () => core.metrics.render(),
      pageConfig: () => ({
        basePath: core.config.gateway.controlUi.basePath.replace(/\/+$/, ""),
        assistantAgentId: core.defaultAgent(),
        assistantName: resolveAgent(core.config, core.defaultAgent(), core.paths.state).name,
        serverVersion: VERSION,
      }),
      basePath: core.config.gateway.controlUi.basePath.replace(/\/+$/, ""),
      pageDir: core.config.gateway.controlUi.enabled ? pageDir() : null,
      sessionHistory: (query) => readSessionHistory(this.methods.chatDeps(), query),
      openai: this.#openai(),
      receiveWebhook: (channel, account, request) =>
        this.messaging.channels.receive(asId<ChannelId>(channel), asId<AccountId>(account), request),
      missingWebhookHeader: (channel, account, headers) =>
        this.messaging.channels.missingHeader(asId<ChannelId>(channel), asId<AccountId>(account), headers),
    };
  }

  /** Counts a change of the presence list; returns whether it was one. */
  #bumpPresenceVersion(isChange: boolean): boolean {
    if (isChange) this.#stateVersion.presence++;
    return isChange;
  }

  get url(): string {
    return `ws://${localHost(this.#boundAddresses)}:${this.port}`;
  }

  get http(): string {
    return `http://${localHost(this.#boundAddresses)}:${this.port}`;
  }

  /** Where other machines reach it; empty when it listens on loopback only. */
  get externalUrls(): string[] {
    return externalHosts(this.#boundAddresses).map((host) => `ws://${host}:${this.port}`);
  }

  #openai(): ServerDeps["openai"] {
    const { chatCompletions, responses } = this.core.config.gateway.http.endpoints;
    if (!chatCompletions.enabled && !responses.enabled) return null;
    return {
      routes: { chatCompletions: chatCompletions.enabled, responses: responses.enabled },
      agents: () => [this.core.defaultAgent(), ...agentIds(this.core.config).filter((id) => id !== this.core.defaultAgent())],
      run: (run) => runCompletion({ ...this.methods.chatDeps(), bus: this.core.bus }, { ...run, ...promptOf(run.messages) }),
    };
  }

  #originPolicy(): OriginPolicy {
    const { controlUi, publicOrigin } = this.core.config.gateway;
    return { allowedOrigins: controlUi.allowedOrigins, publicOrigin: publicOrigin ?? null, hostNames: [] };
  }

  #snapshot(peer: Peer): Record<string, unknown> {
    const { core } = this;
    const agent = core.defaultAgent();
    return {
      presence: this.#presence.rows(),
      health: this.#health.snapshot(),
      stateVersion: { ...this.#stateVersion },
      uptimeMs: core.uptimeMs(),
      suspension: { phase: "accepting" },
      sessionDefaults: {
        defaultAgentId: agent,
        modelConfigured: core.modelSelection(agent).source !== "guide",
        ownership: "sole",
        selectionRequired: false,
        mainKey: "main",
        mainSessionKey: mainSessionKey(agent),
        scope: core.config.session.scope,
      },
      authMode: this.auth.settings.mode,
      ...(peer.scopes.has("operator.admin") ? { configPath: core.paths.config, stateDir: core.paths.state } : {}),
    };
  }

  #guideFacts(): GuideFacts {
    const { core } = this;
    return {
      version: VERSION,
      uptimeSeconds: Math.floor(core.uptimeMs() / 1000),
      url: this.url,
      configPath: core.paths.config,
      ...(core.log.file ? { logPath: core.log.file } : {}),
      channels: this.messaging.channels
        .status()
        .map((each) => ({ id: `${each.channel}/${each.account}`, state: each.state, ...(each.cause ? { detail: each.cause } : {}) })),
      models: core.models(core.defaultAgent()).map((entry) => ({
        name: `${entry.provider}/${entry.id}`,
        available: entry.available,
      })),
      pendingPairings: core.pairings.pending().length,
      sessions: core.sessions.count(),
      problems: core.loaded.issues.filter((issue) => issue.severity === "error").map((issue) => `${issue.path}: ${issue.message}`),
    };
  }

  /** Reads the configuration again and applies what can be applied. A file that cannot be read changes nothing. */
  async reload(): Promise<void> {
    const { core } = this;
    const next = readConfig(core.paths);
    const told = this.#rejectedIssues ?? core.loaded.issues;
    this.#rejectedIssues = null;
    if (next.hash === core.loaded.hash) return this.#health.invalidate();
    logIssues(core.log, core.paths.config, newIssues(told, next.issues));
    if (next.source !== "file" && next.source !== "missing") {
      this.#rejectedIssues = next.issues;
      this.#health.invalidate();
      return void core.log.error("the configuration file cannot be used; the running configuration stays", { path: core.paths.config });
    }
    const changes = diffConfig(core.config, next.config);
    core.loaded = next;
    core.registerSecrets();
    await saveLastGood(next, core.paths.lastGood);
    core.log.info("configuration reloaded", { changes: changes.map((change) => change.path), effect: strongestEffect(changes) ?? "none" });
    const waiting = changes.filter((change) => change.effect === "restart-gateway").map((change) => change.path);
    if (waiting.length > 0) core.log.warn("these changes need a restart: openclaw gateway restart", { keys: waiting });
    this.#applyAuth();
    applyLogLevels(core.log, core.config, this.#options.verbose);
    this.#announcements.configChanged(core.paths.config, next.hash);
    if (this.#channelsStarted) await this.messaging.applyConfig();
  }

  /** Authentication is never switched off while it runs: whether that is safe depends on the address, and is decided at the start. */
  #applyAuth(): void {
    const next = authSettings(this.core, this.#options);
    if (next.mode === "none" && this.auth.settings.mode !== "none")
      this.core.log.warn("authentication stays on until a restart", { mode: this.auth.settings.mode });
    else this.auth.configure(next);
  }

  #publicAddress(): { url: string; source: string } {
    const { publicOrigin } = this.core.config.gateway;
    if (publicOrigin) return { url: publicOrigin, source: "gateway.publicOrigin" };
    return { url: this.http, source: "gateway.port" };
  }

  /** Opens the port, then begins everything that can wait until then. */
  async start(): Promise<void> {
    const { core } = this;
    core.health.require("store");
    core.health.require("server");
    core.health.require("turns");
    core.health.report("turns", "ready");
    core.health.report("store", core.store.health.state, core.store.health.cause ?? undefined);
    core.store.onHealth = ({ state, cause }) => this.#onStoreCondition(state, cause);
    startEventStream({
      bus: core.bus,
      hub: this.server.hub,
      clock,
      session: (key) => core.sessions.get(key),
      wireRow: (row) => wireRow(this.methods.chatDeps(), row),
    });
    const { gateway } = core.config;
    const addresses = resolveBind({
      mode: this.#options.bind ?? gateway.bind,
      host: gateway.customBindHost ?? null,
      authenticated: this.auth.settings.mode !== "none",
    });
    const { port, addresses: bound } = await this.server.listen(addresses, this.#options.port ?? gateway.port);
    this.port = port;
    this.#boundAddresses = bound;
    this.#writeOwnerFile();
    this.messaging.runtime.start();
    await this.messaging.loadConfigured();
    await this.#recoverAndConnect();
    core.health.report("server", "ready");
    this.#phase = "serving";
    this.#startBackground();
  }

  /** The note for people and the command line, which find the gateway by it. It needs disk space, and nothing depends on it. */
  #writeOwnerFile(again = false): void {
    const { core } = this;
    if (this.#abort.signal.aborted) return;
    try {
      writeFileAtomicSync(
        join(core.paths.gateway, "owner.json"),
        JSON.stringify({
          pid: process.pid,
          port: this.port,
          url: this.url,
          startedAt: core.startedAt,
          identityKey: this.#identityKey.reveal(),
        }),
      );
    } catch (err) {
      if (!again)
        core.log.warn("owner.json could not be written; commands look for the gateway at its configured port", { cause: reasonOf(err) });
      clock.after(LIMITS.ownerFileRetryMs, () => this.#writeOwnerFile(true));
    }
  }

  /**
   * Takes up what an earlier process left, then connects the channels: what those admit must not be taken for something that was
   * left. While the store refuses writes, both wait; reading works meanwhile.
   */
  async #recoverAndConnect(): Promise<void> {
    const { core } = this;
    if (this.#abort.signal.aborted) return;
    try {
      const recovery = recover({
        store: core.store,
        inbox: core.inbox,
        outbox: core.outbox,
        sessions: core.sessions,
        ...this.messaging.turns,
        clock,
        log: core.log.child({ subsystem: "turns" }),
        abilitiesOf: (target) => this.messaging.abilities(target.channel),
      });
      if (Object.values(recovery).some((count) => count > 0)) core.log.warn("resumed work that a crash or restart interrupted", recovery);
    } catch (err) {
      if (!(err instanceof GatewayError) || err.code !== "UNAVAILABLE" || core.store.damage !== null) throw err;
      core.log.error("channels wait until the store accepts writes", { cause: err.message, ...(err.fix ? { fix: err.fix } : {}) });
      clock.after(
        LIMITS.recoveryRetryMs,
        contain(
          (failure) => core.log.error("what an earlier process left could not be taken up", { error: failure }),
          () => this.#recoverAndConnect(),
        ),
      );
      return;
    }
    const { store, inbox, outbox } = core;
    const { lanes } = this.messaging.turns;
    startPruning({ store, inbox, outbox, clock, log: core.log.child({ subsystem: "turns" }), isStopping: () => lanes.isStopping });
    this.messaging.delivery.start();
    await this.messaging.applyConfig();
    this.#channelsStarted = true;
  }

  /** What nobody waits for: watching the configuration, looking for local models, the workspace of the default agent. */
  #startBackground(): void {
    const { core } = this;
    const complain = (what: string) => (err: unknown) => core.log.warn(what, { cause: reasonOf(err) });
    watchConfig(core.paths.config, {
      signal: this.#abort.signal,
      onChange: () => {
        if (core.config.gateway.reload.mode !== "off") this.reload().catch(complain("the configuration could not be reloaded"));
      },
      onPolling: (err) => this.#onPolling(err),
    });
    const storeLog = core.log.child({ subsystem: "store" });
    this.#background = [
      startIntegrityCheck(core.store, clock, storeLog),
      startMediaSweep({ store: core.store, media: core.media, clock, log: storeLog }),
    ];
    void this.#turnReadiness.check();
    saveLastGood(core.loaded, core.paths.lastGood).catch(complain("the last good configuration could not be kept"));
    const agent = core.defaultAgent();
    this.methods.ensureWorkspace(core.settings(agent).workspace).catch(complain("the workspace could not be prepared"));
    void this.#watchLocalModels(core.log);
  }

  /** The system does not report changes of the configuration, e.g. because its limit of watches is used up. */
  #onPolling(err: Error): void {
    const { core } = this;
    const { code } = err as NodeJS.ErrnoException;
    const fix =
      code === "ENOSPC" || code === "EMFILE"
        ? "Raise fs.inotify.max_user_watches and max_user_instances, then openclaw gateway restart."
        : `Make ${dirname(core.paths.config)} a directory that this user may read, then openclaw gateway restart.`;
    const cause = `changes of the configuration are not reported by the system (${code ?? reasonOf(err)}); the file is looked at every ${LIMITS.configPollMs / 1_000} s`;
    core.log.warn(cause, { path: core.paths.config, fix });
    core.health.report("config-watch", "degraded", `${cause}. ${fix}`);
  }

  /** A store that is too damaged to be written is repaired by a start: the gateway does that by itself, once. */
  #onStoreCondition(state: StoreHealth["state"], cause: string | null): void {
    const { core } = this;
    core.health.report("store", state, cause ?? undefined);
    this.#health.invalidate();
    if (state !== "failing" || core.store.damage === null || this.#phase !== "serving") return;
    this.#restart("the store is damaged and is repaired");
  }

  /** What every turn needs before its model is asked. */
  #readinessChecks(): Record<string, () => void | Promise<void>> {
    const { core } = this;
    const key = asId<SessionKey>("agent:readiness:probe");
    return {
      "the place of the store": () => core.store.verifyPath(),
      "the session's row": () =>
        core.store.dryRun(() => {
          core.sessions.ensure(key, {
            sessionId: key,
            agentId: core.defaultAgent(),
            chatKind: "direct",
            channel: "probe",
            now: clock.now(),
          });
          core.sessions.patch(key, { status: "running" });
          if (!core.sessions.get(key)) throw new GatewayError("UNAVAILABLE", "a row that was written cannot be read");
        }),
      "what the model is told": () => this.messaging.checkSystemPrompt(core.defaultAgent()),
      "the descriptor for an agent's process": () => closeSync(openSync(devNull, "r")),
    };
  }

  /** What is worth a word and holds up no turn. */
  #readinessWarnings(): Record<string, () => string | null> {
    const { core } = this;
    return {
      log: () => {
        const { cause } = core.log.lostLines();
        return cause && `log lines are lost: ${cause}. Make ${join(core.paths.gateway, "logs")} writable`;
      },
      proxy: () => {
        const [problem] = readProxySettings(process.env).problems.filter(({ name }) => name.toLowerCase() !== "all_proxy");
        return problem ? `${problem.name} ${problem.message}. ${problem.fix}` : null;
      },
      disk: () => {
        const { bavail, bsize } = statfsSync(core.paths.gateway);
        const free = bavail * bsize;
        return free >= LIMITS.diskLowBytes
          ? null
          : `${Math.floor(free / 1_048_576)} MB of disk are free. Free some space: without any, no message can be stored`;
      },
    };
  }

  #readiness(): Readiness {
    if (this.#phase === "serving") this.#turnReadiness.checkIfStale();
    return this.core.health.readiness();
  }

  /** While a model that should answer is missing, a server that is started later is found by itself. */
  async #watchLocalModels(log: Log): Promise<void> {
    const { core } = this;
    try {
      const wanted = core.config.models.mode === "merge" && agentIds(core.config).some((id) => needsLocalServer(core.modelInputs(id)));
      if (wanted) await this.#discoverLocalModels(log);
    } catch (err) {
      core.log.warn("local models could not be looked for", { cause: reasonOf(err) });
    }
    // That nothing is there is said once.
    if (!this.#abort.signal.aborted) clock.after(LIMITS.localProbeEveryMs, () => void this.#watchLocalModels(silentLog));
  }

  /** A one-time address that opens the page signed in. */
  async signInLink(): Promise<string> {
    const { code } = await this.auth.links.createForOwner();
    return `${this.#publicAddress().url}/#k=${code.reveal()}`;
  }

  /** Ends everything within 2 s. Nothing is drained: what matters is on disk. */
  stop(reason: string, restartExpectedMs?: number): Promise<void> {
    this.#stopped ??= this.#stop(reason, restartExpectedMs);
    return this.#stopped;
  }

  async #stop(reason: string, restartExpectedMs: number | undefined): Promise<void> {
    const { core } = this;
    this.#phase = "stopping";
    this.#abort.abort();
    core.log.info("stopping", { reason });
    // What fails while it ends is said and holds up nothing: least of all the first error, which may be why it ends.
    const step = async (what: string, work: () => unknown): Promise<void> => {
      try {
        await work();
      } catch (err) {
        core.log.error(`${what} could not be ended in order`, { error: err });
      }
    };
    await step("announcements", () => this.#announcements.stop());
    await step("turns", () => this.messaging.turns.lanes.stop());
    // A channel stays connected until what it is sending is confirmed.
    await Promise.all([
      step("channels", () => this.messaging.delivery.stop().then(() => this.messaging.channels.close())),
      step("the server", () => this.server.stop(reason, restartExpectedMs)),
      step("the agents", () => this.messaging.runtime.stop()),
    ]);
    for (const end of this.#background) end();
    await step("sign-in", () => this.auth.close());
    await step("the loop probe", () => core.loop.stop());
    await step("owner.json", () => this.#removeOwnerFile());
    await step("the store", () => core.store.close());
    await core.log.close();
  }

  /** Another gateway may have the directory by now. */
  #removeOwnerFile(): void {
    const path = join(this.core.paths.gateway, "owner.json");
    if (readPid(path) === process.pid) rmSync(path, { force: true });
  }

  async #discoverLocalModels(log: Log): Promise<void> {
    const before = this.core.modelSelection(this.core.defaultAgent());
    this.core.localServers = await discoverLocalServers(process.env, log);
    const after = this.core.modelSelection(this.core.defaultAgent());
    if (modelName(before.primary) !== modelName(after.primary)) this.core.log.info(after.note);
  }
}
