import { randomUUID } from "node:crypto";
import type { ReplyTarget } from "../channels/channel.ts";
import { GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { canonicalSessionKey, parseSessionKey } from "../routing/session-key.ts";
import type { ScheduleSettings } from "../schedule/scheduler.ts";
import type { RunLookups } from "../schedule/run-plan.ts";
import type { ScheduleService } from "../schedule/service.ts";
import { createCronRows } from "../store/cron.ts";
import type { JobDefinition, JobRows, JobState, RunRecord } from "../schedule/job.ts";
import { isKnownModel } from "./agent-models.ts";
import type { GatewayBase } from "./base.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import type { Messaging } from "./messaging.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type ScheduleInput = GatewayBase &
  Storage & {
    running: RunningConfig;
    directory: ChannelDirectory;
    messaging: Messaging;
    prompt: PromptContext;
  };

/** The schedule, which is loaded with the first job or the first request for it. */
export class Schedule {
  readonly rows: JobRows;
  readonly #input: ScheduleInput;
  #service: Promise<ScheduleService> | null = null;
  #isStarted = false;
  #isStopped = false;

  constructor(input: ScheduleInput) {
    this.#input = input;
    this.rows = createCronRows<JobDefinition, JobState, RunRecord>(input.store);
    input.metrics.sample("gateway_schedule_jobs", () => this.rows.countJobs());
  }

  /** The jobs, with everything that they need. */
  get(): Promise<ScheduleService> {
    this.#service ??= import("../schedule/service.ts").then(async ({ ScheduleService: Service }) => {
      const service = new Service(this.#deps());
      if (this.#isStarted && !this.#isStopped) await service.scheduler.start();
      return service;
    });
    return this.#service;
  }

  /** Takes up what an earlier process left; loads nothing without a job. */
  async start(): Promise<void> {
    this.#isStarted = true;
    if (this.#service !== null) await (await this.#service).scheduler.start();
    else if (this.rows.countJobs() > 0 || this.rows.openRuns().length > 0) await this.get();
  }

  /** The configuration is another one. */
  configure(): void {
    void this.#service?.then(({ scheduler }) => scheduler.wake());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    (await this.#service)?.scheduler.stop();
  }

  #deps(): ConstructorParameters<typeof ScheduleService>[0] {
    const { running, messaging, notes, prompt, clock, log, store } = this.#input;
    return {
      ...this.#input,
      rows: this.rows,
      log: log.child({ subsystem: "schedule" }),
      settings: () => scheduleSettings(running),
      prepare: (submission) => messaging.turns.admission.prepare(submission),
      addNote: (sessionKey, text) => notes.add(sessionKey, text, clock.now()),
      lookups: runLookups(this.#input),
      newId: randomUUID,
      zone: () => prompt.timeZone(),
      storePath: store.path,
    };
  }
}

function scheduleSettings({ config }: RunningConfig): ScheduleSettings {
  const { enabled, maxConcurrentRuns, skipMissedJobs, retry } = config.cron;
  return { enabled, maxConcurrentRuns, missed: skipMissedJobs ? "skip" : "once", maxRetries: retry.maxAttempts };
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
