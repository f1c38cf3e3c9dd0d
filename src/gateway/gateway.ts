import { dirname } from "node:path";
import type { GatewayOptions } from "../core/gateway-process.ts";
import { keptMs } from "../config/retention.ts";
import { saveLastGood, type LoadedConfig } from "../config/load.ts";
import { watchConfig } from "../config/watch.ts";
import { contain } from "../core/contain.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { Metrics } from "../core/metrics.ts";
import { LIMITS } from "../core/limits.ts";
import { wireRow } from "../methods/chat-context.ts";
import { startEventStream } from "../methods/stream.ts";
import { resolveBind, tailnetAddress } from "../server/listen.ts";
import { startIntegrityCheck } from "../store/integrity-check.ts";
import type { StoreHealth } from "../store/store.ts";
import { startMessageIndexing } from "../turns/message-indexing.ts";
import { startPruning } from "../turns/pruning.ts";
import { recover, type RecoverySummary } from "../turns/recover.ts";
import type { TlsPair } from "../remote/tls/pair.ts";
import type { GatewayBase } from "./base.ts";
import { composeGateway, type GatewayParts } from "./compose.ts";
import { watchLocalModels } from "./local-models.ts";
import { prepareWorkspace } from "./method-deps.ts";
import { endless } from "./retention.ts";
import { removeOwnerFile, writeOwnerFile } from "./owner-file.ts";
import type { Storage } from "./storage.ts";
import { startApprovalEvents } from "../methods/approval-events.ts";
import { startCronEvents, startHeartbeatEvents } from "../methods/cron-events.ts";
import { HOOK_LIMITS } from "../hooks/limits.ts";
import { NODE_LIMITS } from "../nodes/limits.ts";
import { PEER_LIMITS } from "../peers/limits.ts";
import { SCHEDULE_LIMITS } from "../schedule/limits.ts";
import { startTaskEvents } from "../methods/task-events.ts";
import { SUBAGENT_LIMITS } from "../subagents/limits.ts";
import { startApprovalNotices } from "./approval-notices.ts";

export type GatewayInput = {
  base: GatewayBase;
  storage: Storage;
  loaded: LoadedConfig;
  options: GatewayOptions;
  restart: (reason: string) => void;
};

/** What a start did with the work of an earlier process, under the name of OpenClaw. */
function countRecovery(metrics: Metrics, { resumed, closed, deadLetters, unknown }: RecoverySummary): void {
  const count = (action: string, kind: string, status: string, by: number): void =>
    metrics.count("openclaw_session_recovery_total", { action, active_work_kind: kind, state: "processing", status }, by);
  if (resumed > 0) count("resume", "run", "recovered", resumed);
  if (closed > 0) count("close", "run", "failed", closed);
  if (deadLetters > 0) count("dead-letter", "run", "failed", deadLetters);
  if (unknown > 0) count("report", "delivery", "unknown", unknown);
}

/** The life of a gateway: start, serve, stop. `start` may fail; `stop` ends whatever it began. */
export class Gateway {
  readonly parts: GatewayParts;
  readonly #options: GatewayOptions;
  readonly #restart: (reason: string) => void;
  readonly #abort = new AbortController();
  #stopped: Promise<void> | null = null;
  /** Each ends one background task. */
  #background: (() => void)[] = [];

  constructor(input: GatewayInput) {
    this.#options = input.options;
    this.#restart = input.restart;
    this.parts = composeGateway(input);
  }

  /** Opens the port, then begins everything that can wait until then. */
  async start(): Promise<void> {
    const { parts } = this;
    const { health, log, store, bus, hub, clock, sessions, chat, running, auth, server, endpoint, directory, phase, schedule, remote } =
      parts;
    for (const part of ["store", "server", "turns"]) health.require(part);
    health.report("turns", "ready");
    parts.secrets.start({ ...parts, log: log.child({ subsystem: "secrets" }), apply: () => parts.applier.applyAgain() });
    health.report("store", store.health.state, store.health.cause ?? undefined);
    store.onHealth = ({ state, cause }) => this.#onStoreHealth(state, cause);
    startApprovalEvents({ bus, hub });
    startCronEvents({ bus, hub, rows: schedule.rows, schedule: () => schedule.get() });
    startHeartbeatEvents({ bus, hub });
    startTaskEvents({ bus, hub, rows: parts.subagents.rows });
    startApprovalNotices(parts);
    startEventStream({ bus, hub, clock, session: sessions.get, wireRow: (row) => wireRow(chat, row) });
    const { gateway } = running.config;
    const tls = await remote.openTls(this.#abort.signal, (pair) => this.#onCertificate(pair));
    const mode = tls.failed ? "loopback" : (this.#options.bind ?? gateway.bind);
    const addresses = resolveBind({
      mode,
      host: gateway.customBindHost ?? null,
      authenticated: auth.settings.mode !== "none",
    });
    if (mode === "tailnet" && tailnetAddress() === null) {
      const cause = "gateway.bind is tailnet, and this machine has no Tailscale address: only this machine reaches the gateway";
      health.report("bind", "degraded", `${cause}. Start Tailscale (tailscale up), then openclaw gateway restart`);
      log.warn(cause);
    }
    const listening = await server.listen(addresses, this.#options.port ?? gateway.port, tls.pair);
    endpoint.opened(listening.addresses, listening.port, tls.pair?.fingerprint ?? null);
    writeOwnerFile({ ...parts, signal: this.#abort.signal });
    if (this.#options.canary) return this.#serveOnly();
    parts.crashLoop.begin();
    // Before anything is recovered, so that its stages are seen.
    await parts.telemetry.configure();
    // Recovery splits what an earlier process left, for which the channels have to be loaded.
    await directory.prepareAccounts(running.config);
    await this.#recoverAndConnect();
    health.report("server", "ready");
    phase.value = "serving";
    parts.plugins.configure();
    parts.internalHooks.start();
    remote.start(server);
    this.#startBackground();
  }

  /** The state is a copy: whatever it asks to be done, the gateway that it was copied from does. */
  #serveOnly(): void {
    const { health, phase } = this.parts;
    health.report("server", "ready");
    phase.value = "serving";
  }

  /**
   * Resumes what an earlier process left, then connects the channels: what those admit must not be taken for something that was left.
   * While the store refuses writes, both wait; reading works meanwhile.
   */
  async #recoverAndConnect(): Promise<void> {
    const { parts } = this;
    const { log, clock, store, messaging, directory, approvals, schedule, nodes, running } = parts;
    if (this.#abort.signal.aborted) return;
    try {
      await approvals.recover();
      const recovery = recover({
        ...parts,
        ...messaging.turns,
        log: log.child({ subsystem: "turns" }),
        abilitiesOf: (target) => directory.capabilities(target.channel),
      });
      if (Object.values(recovery).some((count) => count > 0)) log.warn("resumed work that a crash or restart interrupted", recovery);
      countRecovery(parts.metrics, recovery);
    } catch (err) {
      if (!(err instanceof GatewayError) || err.code !== "UNAVAILABLE" || store.damage !== null) throw err;
      log.error("channels wait until the store accepts writes", { cause: err.message, ...(err.fix ? { fix: err.fix } : {}) });
      const retry = contain(
        (failure) => log.error("the work of an earlier process could not be resumed", { error: failure }),
        () => this.#recoverAndConnect(),
      );
      clock.after(LIMITS.recoveryRetryMs, retry);
      return;
    }
    startPruning({
      ...parts,
      tables: [
        parts.inbox,
        parts.outbox,
        parts.approvalRows,
        parts.grantRows,
        { ...parts.audit, retentionMs: () => endless(keptMs(running.config.store.retention.audit)) },
        { ...parts.usage, retentionMs: () => endless(keptMs(running.config.store.retention.usage)) },
        {
          prune: (before, limit) => schedule.rows.prune(before, limit, SCHEDULE_LIMITS.logRows),
          retentionMs: SCHEDULE_LIMITS.logRetentionMs,
        },
        { prune: parts.subagents.rows.prune, retentionMs: SUBAGENT_LIMITS.keepMs },
        {
          prune: (before, limit) => nodes.rows.prune(before, limit, NODE_LIMITS.keptAnswersBytes),
          retentionMs: NODE_LIMITS.keptMs,
        },
        { prune: parts.hooks.rows.prune, retentionMs: HOOK_LIMITS.keptMs },
        { prune: parts.peers.rows.prune, retentionMs: PEER_LIMITS.keptMs },
      ],
      log: log.child({ subsystem: "turns" }),
      isStopping: () => messaging.turns.lanes.isStopping,
    });
    parts.retention.start();
    startMessageIndexing({ store, clock, log: log.child({ subsystem: "store" }), isStopping: () => messaging.turns.lanes.isStopping });
    messaging.delivery.start();
    await this.#startOutside();
  }

  /** What acts without a client: channels, tasks, jobs, nodes. Stays down for a while when the gateway keeps ending without a stop. */
  async #startOutside(): Promise<void> {
    const { parts } = this;
    const { log, clock, applier, schedule, nodes, crashLoop } = parts;
    if (this.#abort.signal.aborted) return;
    const holdMs = crashLoop.holdMs();
    if (holdMs > 0) {
      const retry = contain(
        (failure) => log.error("channels and jobs could not be started", { error: failure }),
        () => this.#startOutside(),
      );
      clock.after(holdMs, retry);
      return;
    }
    await applier.startAccounts();
    await parts.subagents
      .start()
      .catch((err: unknown) => log.error("tasks of sub-agents that an earlier process left are not taken up", { error: err }));
    // A schedule that does not load stops nothing else.
    await schedule.start().catch((err: unknown) => log.error("no job runs: the schedule did not start", { error: err }));
    await parts.peers.start().catch((err: unknown) => log.error("the links to other gateways did not start", { error: err }));
    await nodes
      .start()
      .catch((err: unknown) => log.error("commands of nodes that a restart interrupted were not taken up", { error: err }));
  }

  /** What can run beside the first requests: watching the configuration, finding local models, the workspace of the default agent. */
  #startBackground(): void {
    const { parts } = this;
    const { log, clock, store, paths, running, applier, turnReadiness, runtime } = parts;
    const { signal } = this.#abort;
    const warn = (what: string) => (err: unknown) => log.warn(what, { cause: reasonOf(err) });
    watchConfig(paths.config, {
      signal,
      onChange: () => {
        if (running.config.gateway.reload.mode !== "off") applier.apply().catch(warn("the configuration was not reloaded"));
      },
      onPolling: (err) => this.#onConfigPolling(err),
    });
    const storeLog = log.child({ subsystem: "store" });
    this.#background = [
      startIntegrityCheck(store, clock, storeLog),
      parts.retention.startSweep(),
      // Clients come first. The first turn does not wait for it.
      ...(process.env["OPENCLAW_AGENT_WARM_UP"] === "0" ? [] : [clock.after(LIMITS.agentWarmUpMs, () => runtime.start())]),
    ];
    parts.backups.configure();
    parts.updates.start();
    void turnReadiness.check();
    saveLastGood(running.loaded, paths.lastGood).catch(warn("the last good configuration could not be kept"));
    const { agents } = running;
    prepareWorkspace(running, agents.settings(agents.defaultAgent()).workspace).catch(warn("the workspace could not be prepared"));
    void watchLocalModels({ ...parts, signal });
  }

  /** Clients on this machine find the fingerprint in owner.json. */
  #onCertificate(pair: TlsPair): void {
    const { server, endpoint } = this.parts;
    server.swapTls(pair);
    endpoint.certificateSwapped(pair.fingerprint);
    writeOwnerFile({ ...this.parts, signal: this.#abort.signal });
  }

  /** The system does not report changes of the configuration file, e.g. because its limit of watches is reached. */
  #onConfigPolling(err: Error): void {
    const { log, health, paths } = this.parts;
    const { code } = err as NodeJS.ErrnoException;
    const fix =
      code === "ENOSPC" || code === "EMFILE"
        ? "Raise fs.inotify.max_user_watches and max_user_instances, then openclaw gateway restart."
        : `Make ${dirname(paths.config)} a directory that this user may read, then openclaw gateway restart.`;
    const cause = `changes of the configuration are not reported by the system (${code ?? reasonOf(err)}); the file is checked every ${LIMITS.configPollMs / 1_000} s`;
    log.warn(cause, { path: paths.config, fix });
    health.report("config-watch", "degraded", `${cause}. ${fix}`);
  }

  /** A store that is too damaged to be written is repaired by a start: the gateway restarts itself, once. */
  #onStoreHealth(state: StoreHealth["state"], cause: string | null): void {
    const { health, healthReport, store, phase } = this.parts;
    health.report("store", state, cause ?? undefined);
    healthReport.invalidate();
    if (state !== "failing" || store.damage === null || phase.value !== "serving") return;
    this.#restart("the store is damaged and is repaired");
  }

  /** A one-time address that opens the page signed in. */
  async signInLink(): Promise<string> {
    const { auth, endpoint, running } = this.parts;
    const { code } = await auth.links.createForOwner();
    return `${endpoint.publicAddress(running.config).url}/#k=${code.reveal()}`;
  }

  /** Ends everything within 2 s. Nothing is drained: what matters is on disk. */
  stop(reason: string, restartExpectedMs?: number): Promise<void> {
    this.#stopped ??= this.#stop(reason, restartExpectedMs);
    return this.#stopped;
  }

  async #stop(reason: string, restartExpectedMs: number | undefined): Promise<void> {
    const { parts } = this;
    const { log, loop, store, auth, server, runtime, announcements, messaging, approvals, phase } = parts;
    phase.value = "stopping";
    // A failure while stopping is logged and delays nothing: the first error may be the reason for the stop.
    const step = async (what: string, work: () => unknown): Promise<void> => {
      try {
        await work();
      } catch (err) {
        log.error(`${what} could not be stopped`, { error: err });
      }
    };
    approvals.stop();
    parts.secrets.stop();
    const remoteStopped = step("remote access", () => parts.remote.stop());
    await parts.schedule.stop();
    await parts.subagents.stop();
    parts.peers.stop();
    this.#abort.abort();
    log.info("stopping", { reason });
    await step("announcements", () => announcements.stop());
    await step("turns", () => messaging.turns.lanes.stop());
    // A channel stays connected until what it is sending is confirmed.
    await Promise.all([
      step("channels", () => messaging.delivery.stop().then(() => messaging.supervisor.close())),
      step("the server", () => server.stop(reason, restartExpectedMs)),
      step("the agents", () => runtime.stop()),
      remoteStopped,
    ]);
    parts.updates.stop();
    await step("the backup", () => parts.backups.stop());
    await step("telemetry", () => parts.telemetry.stop());
    for (const end of this.#background) end();
    await step("sign-in", () => auth.close());
    await step("the containers", () => parts.sandbox.stop());
    await step("the notes", () => parts.memory.stop());
    await step("the loop probe", () => loop.stop());
    await step("owner.json", () => removeOwnerFile(parts));
    await step("the note about this start", () => parts.crashLoop.end());
    await step("the store", () => store.close());
    await log.close();
  }
}
