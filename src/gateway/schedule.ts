import { randomUUID } from "node:crypto";
import type { ReplyTarget } from "../channels/channel.ts";
import { GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { canonicalSessionKey, parseSessionKey } from "../routing/session-key.ts";
import { findTarget, sessionOf } from "../schedule/run-plan.ts";
import { conversationOf } from "../turns/outbound.ts";
import { heartbeatJobId } from "../schedule/heartbeat-id.ts";
import type { ScheduleSettings } from "../schedule/scheduler.ts";
import type { RunLookups } from "../schedule/run-types.ts";
import type { ScheduleService } from "../schedule/service.ts";
import { createCronRows } from "../store/cron.ts";
import type { Job, JobDefinition, JobRows, JobState, RunRecord } from "../schedule/job.ts";
import { isKnownModel } from "./agent-models.ts";
import type { HeartbeatControl } from "../methods/status.ts";
import type { GatewayBase } from "./base.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import { agentOfSession, GatewayHeartbeats, wakePlace } from "./heartbeats.ts";
import type { Messaging } from "./messaging.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Spending } from "./spending.ts";
import type { Storage } from "./storage.ts";

export type ScheduleInput = GatewayBase &
  Storage & {
    running: RunningConfig;
    directory: ChannelDirectory;
    messaging: Messaging;
    prompt: PromptContext;
    spending: Spending;
  };

/** The schedule, which is loaded with the first job or the first request for it. */
export class Schedule {
  readonly rows: JobRows;
  readonly heartbeats: GatewayHeartbeats;
  readonly #input: ScheduleInput;
  #service: Promise<ScheduleService> | null = null;
  #isStarted = false;
  #isStopped = false;

  constructor(input: ScheduleInput) {
    this.#input = input;
    this.rows = createCronRows<JobDefinition, JobState, RunRecord>(input.store);
    this.heartbeats = new GatewayHeartbeats({ ...input, cronRuns: this.rows.runs });
    this.#watchHeartbeats();
    input.metrics.sample("gateway_schedule_jobs", () => this.rows.countJobs());
  }

  /** The jobs, with everything that they need. */
  get(): Promise<ScheduleService> {
    this.#service ??= import("../schedule/service.ts").then(async ({ ScheduleService: Service }) => {
      const service = new Service(this.#deps());
      if (this.#isStarted && !this.#isStopped) {
        await service.syncHeartbeats(this.heartbeats.configured());
        await service.scheduler.start();
      }
      return service;
    });
    return this.#service;
  }

  /** Takes up what an earlier process left; loads nothing without a job. */
  async start(): Promise<void> {
    this.#isStarted = true;
    if (this.#service !== null) {
      const service = await this.#service;
      await service.syncHeartbeats(this.heartbeats.configured());
      await service.scheduler.start();
    } else if (this.#isNeeded()) await this.get();
  }

  #isNeeded(): boolean {
    return this.rows.countJobs() > 0 || this.rows.openRuns().length > 0 || this.heartbeats.configured().length > 0;
  }

  /** What runs are made of, as things are now. */
  lookups(): RunLookups {
    return runLookups(this.#input);
  }

  /** How heartbeats are asked for, switched and shown. */
  readonly control: HeartbeatControl = {
    wake: (session) => this.#wakeHeartbeat(session),
    last: () => this.heartbeats.last(),
    facts: (agentId) => this.heartbeats.facts(agentId),
    status: () => this.heartbeats.status((id) => this.rows.job(id), runLookups(this.#input)),
    setEnabled: async (enabled) => {
      await this.heartbeats.setSwitch(enabled);
      if (!this.#isNeeded()) return;
      const service = await this.get();
      await service.syncHeartbeats(this.heartbeats.configured());
      if (enabled) await service.resumeHeartbeats();
    },
  };

  /** Null, or why no heartbeat starts for a session. */
  async #wakeHeartbeat(session: SessionKey): Promise<string | null> {
    const agentId = agentOfSession(session);
    const heartbeat = agentId === null ? null : this.heartbeats.of(agentId);
    if (heartbeat === null) return `heartbeats of ${agentId ?? "this session"} are off: it waits for the next turn`;
    if (!this.#input.running.config.cron.enabled) return "cron.enabled is false: it waits for the next turn";
    const service = await this.get();
    const place = wakePlace(heartbeat, session, runLookups(this.#input));
    const isStarted = await service.scheduler.wakeJob(heartbeatJobId(heartbeat.agentId), place);
    return isStarted ? null : "the heartbeat is disabled: it waits for the next turn";
  }

  /** A pause is reported once: in the log, and as a line for the main session and the clients. */
  #watchHeartbeats(): void {
    const { bus, log, metrics } = this.#input;
    bus.on("heartbeat.ended", ({ status, reason }) => metrics.count("gateway_heartbeats_total", { status, reason: reason ?? "" }));
    bus.on("heartbeat.paused", ({ agentId, runs }) => {
      const text = `The heartbeats of ${agentId} pause: ${runs} in a row did nothing. openclaw system heartbeat enable starts them again.`;
      log.warn(text);
      bus.emit("owner.alert", { text });
    });
  }

  /** The configuration is another one. */
  configure(): void {
    if (!this.#isStarted || this.#isStopped || (this.#service === null && !this.#isNeeded())) return;
    const { log } = this.#input;
    this.get()
      .then((service) => service.syncHeartbeats(this.heartbeats.configured()))
      .catch((err: unknown) => log.error("the heartbeats of the configuration could not be taken over", { error: err }));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    (await this.#service)?.scheduler.stop();
  }

  /** A message about a job: to its chat, to an owner, or as a line for the main session. Inside a `store.write`. */
  #alert(job: Job, id: string, text: string): () => void {
    const { bus, clock, messaging } = this.#input;
    const lookups = runLookups(this.#input);
    const session = sessionOf(job, lookups);
    const target = (session === null ? null : findTarget(job, session, lookups).target) ?? this.heartbeats.lookups().ownerTarget();
    if (target === null) return () => bus.emit("owner.alert", { text });
    messaging.turns.outbound.add({ id, sessionKey: null, target, text, at: clock.now() });
    return () => messaging.delivery.wake(conversationOf(target));
  }

  #deps(): ConstructorParameters<typeof ScheduleService>[0] {
    const { running, messaging, notes, prompt, clock, log, store } = this.#input;
    return {
      ...this.#input,
      firstRunUsd: (agentId, model) => this.heartbeats.firstRunUsd(agentId, model),
      rows: this.rows,
      log: log.child({ subsystem: "schedule" }),
      settings: () => scheduleSettings(running),
      prepare: (submission) => messaging.turns.admission.prepare(submission),
      addNote: (sessionKey, text) => notes.add(sessionKey, text, clock.now()),
      lookups: { ...runLookups(this.#input), ...this.heartbeats.lookups() },
      heartbeats: this.heartbeats.rules(),
      alert: (job, id, text) => this.#alert(job, id, text),
      newId: randomUUID,
      zone: () => prompt.timeZone(),
      storePath: store.path,
    };
  }
}

function scheduleSettings({ config }: RunningConfig): ScheduleSettings {
  const { enabled, maxConcurrentRuns, skipMissedJobs, retry, failureAlert } = config.cron;
  return { enabled, maxConcurrentRuns, missed: skipMissedJobs ? "skip" : "once", maxRetries: retry.maxAttempts, failureAlert };
}

function runLookups({ running, directory, sessions }: ScheduleInput): RunLookups {
  return {
    hasAgent: (agentId) => running.agents.ids().includes(agentId),
    defaultAgent: () => running.agents.defaultAgent(),
    operatorTools: (agentId) => running.agents.operatorTools(agentId),
    channelTools: (agentId, room) => running.agents.channelTools(agentId, room ?? null),
    hasModel: (agentId, model) => isKnownModel(running, agentId, model),
    sessionKey: (key, agentId) => {
      const canonical = canonicalSessionKey(key, agentId);
      return canonical !== null && parseSessionKey(canonical)?.agentId === agentId ? canonical : null;
    },
    target: ({ channel = "last", to, accountId, threadId }, keys) => {
      if (channel !== "last") return directory.toTarget(channel, accountId, to!, threadId);
      const last = keys.map((key) => lastTarget(sessions, key)).find((target) => target !== null);
      if (!last)
        throw new GatewayError("INVALID_REQUEST", "no session of this agent has talked on a channel yet", {
          fix: "Name a chat with --channel and --to, or write to the agent on a channel once.",
        });
      return threadId === undefined ? last : { ...last, thread: threadId };
    },
    chatKind: (key) => sessions.get(key)?.chat_kind ?? "direct",
    isSendDenied: (key) => sessions.get(key)?.send_policy === "deny",
  };
}

/** Where a session talked last on a channel. */
function lastTarget(sessions: Storage["sessions"], key: SessionKey): ReplyTarget | null {
  const last = sessions.lastTarget<ReplyTarget>(key);
  if (last === null) return null;
  const { replyTo: _replyTo, via: _via, ...target } = last;
  return target;
}
