import { resolveHeartbeats, type ResolvedHeartbeat } from "../config/heartbeat.ts";
import { defaultAgentId } from "../config/agents.ts";
import type { Config } from "../config/schema.ts";
import { errnoOf, openBeneath, readAtMost, UnsafePathError } from "../core/files.ts";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { asObject } from "../core/json.ts";
import { isConnected } from "../channels/account-types.ts";
import { listSystemEvents, type HeartbeatFacts } from "../methods/status.ts";
import { mainSessionKey, parseSessionKey } from "../routing/session-key.ts";
import { heartbeatJobId } from "../schedule/heartbeat-id.ts";
import { heartbeatSessions, isEmptyChecklist, type HeartbeatLookups } from "../schedule/heartbeat-plan.ts";
import type { Job, JobRows } from "../schedule/job.ts";
import type { RunLookups } from "../schedule/run-types.ts";
import type { HeartbeatRules } from "../schedule/scheduler.ts";
import { SCHEDULE_LIMITS } from "../schedule/limits.ts";
import { HOUR_MS, type UsageSums } from "../store/usage.ts";
import { parseModelRef } from "../turns/settings.ts";
import { periodOf } from "../usage/periods.ts";
import type { Submission } from "../turns/submission.ts";
import type { GatewayBase } from "./base.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import type { Messaging } from "./messaging.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Spending } from "./spending.ts";
import type { Storage } from "./storage.ts";

const SWITCH = "heartbeats";
const LAST = "last-heartbeat";
const FILE = "HEARTBEAT.md";
const DAY_MS = 24 * HOUR_MS;
/** Days of which the cost of one heartbeat is estimated. */
const ESTIMATE_DAYS = 7;
/** Tokens of instructions and tools, and of an answer, where no heartbeat has run yet. */
const FIRST_INPUT_TOKENS = 8_000;
const FIRST_OUTPUT_TOKENS = 200;
const NANO = 1e9;

type HeartbeatsInput = Pick<GatewayBase, "clock" | "log"> &
  Pick<Storage, "keyValue" | "store" | "usage" | "sessions"> & {
    running: RunningConfig;
    directory: ChannelDirectory;
    messaging: Messaging;
    prompt: PromptContext;
    spending: Spending;
    cronRuns: JobRows["runs"];
  };

/** Heartbeats as the configuration and the switch say it, and what they cost. */
export class GatewayHeartbeats {
  readonly #input: HeartbeatsInput;
  /** HEARTBEAT.md by agent, as it was read before the step that needs it. */
  readonly #files = new Map<string, string | null>();

  #resolved: { config: Config; heartbeats: readonly ResolvedHeartbeat[] } | null = null;

  constructor(input: HeartbeatsInput) {
    this.#input = input;
  }

  /** Those that are on. */
  configured(): readonly ResolvedHeartbeat[] {
    const { running, prompt } = this.#input;
    const { config } = running;
    if (this.#resolved?.config !== config) this.#resolved = { config, heartbeats: resolveHeartbeats(config, () => prompt.timeZone()) };
    const { heartbeats } = this.#resolved;
    return heartbeats.length > 0 && this.isSwitchedOn() ? heartbeats : [];
  }

  isSwitchedOn(): boolean {
    return asObject(this.#input.keyValue.get(SWITCH))?.["enabled"] !== false;
  }

  async setSwitch(enabled: boolean): Promise<void> {
    const { store, keyValue, clock } = this.#input;
    await store.write(() => keyValue.set(SWITCH, { enabled }, clock.now()));
  }

  of(agentId: string): ResolvedHeartbeat | null {
    return this.configured().find((heartbeat) => heartbeat.agentId === agentId) ?? null;
  }

  last(): unknown {
    return this.#input.keyValue.get(LAST);
  }

  facts(agentId: string): HeartbeatFacts {
    const heartbeat = this.of(agentId);
    if (heartbeat === null)
      return { enabled: false, every: "disabled", everyMs: null, prompt: "", target: "none", ackMaxChars: 0, waitingForRoute: false };
    const { every, everyMs, prompt, target, ackMaxChars } = heartbeat;
    return { enabled: true, every, everyMs, prompt: prompt ?? "", target, ackMaxChars, waitingForRoute: false };
  }

  lookups(): HeartbeatLookups {
    const { running, messaging, keyValue } = this.#input;
    return {
      heartbeat: (agentId) => this.of(agentId),
      instructions: (agentId) => this.#files.get(agentId) ?? null,
      waitingEvents: (sessions) => {
        const main = mainSessionKey(defaultAgentId(running.config));
        const waiting = listSystemEvents(keyValue).filter(({ session }) => sessions.includes(asId<SessionKey>(session ?? main)));
        return { count: waiting.length, isExternal: waiting.some(({ source }) => source !== undefined) };
      },
      isBusy: (sessionKey) => !messaging.turns.lanes.isIdle(sessionKey),
      hasAnyModel: (agentId) => running.agents.modelSelection(agentId).source !== "guide",
      ownerTarget: () => this.#ownerTarget(),
    };
  }

  rules(): HeartbeatRules {
    const { keyValue, clock } = this.#input;
    return {
      prepare: () => this.#readFiles(),
      settings: ({ definition }: Job) => {
        const agentId = definition.agentId ?? "main";
        const { ackMaxChars = 0, pauseAfterRuns = 0 } = this.of(agentId) ?? {};
        return { agentId, ackMaxChars, pauseAfterRuns };
      },
      save: (record) => keyValue.set(LAST, record, clock.now()),
    };
  }

  async #readFiles(): Promise<void> {
    for (const { agentId } of this.configured()) this.#files.set(agentId, await this.readInstructions(agentId));
  }

  /** The text of HEARTBEAT.md; null where there is none that can be read. */
  async readInstructions(agentId: AgentId): Promise<string | null> {
    const { running, log } = this.#input;
    const { workspace } = running.agents.settings(agentId);
    try {
      const file = await openBeneath(workspace, FILE);
      try {
        return new TextDecoder().decode(await readAtMost(file, (SCHEDULE_LIMITS.heartbeatFileChars + 1) * 4));
      } finally {
        await file.close();
      }
    } catch (err) {
      if (err instanceof UnsafePathError) log.warn(`${FILE} is not read: it is a link out of the workspace, or no file`, { workspace });
      else if (errnoOf(err) === "") throw err;
      return null;
    }
  }

  /** The first owner who can be reached over a connected account. */
  #ownerTarget(): Submission["target"] {
    const { running, messaging, directory } = this.#input;
    const connected = messaging.supervisor.status().filter(({ state }) => isConnected(state));
    for (const entry of running.config.commands.ownerAllowFrom.map(String)) {
      const [, channel, id] = /^\s*([\w-]+):(.+?)\s*$/.exec(entry) ?? [];
      const account = connected.find((each) => each.channel === channel?.toLowerCase());
      if (account && id !== undefined && id !== "*") return directory.toPerson(account.channel, account.account, id);
    }
    return null;
  }

  /** Every agent with what its heartbeats are, when they are due, and what they cost. */
  async status(job: (id: string) => Job | undefined, lookups: RunLookups): Promise<Record<string, unknown>> {
    const agents = await Promise.all(
      this.configured().map((heartbeat) => this.#statusOf(heartbeat, job(heartbeatJobId(heartbeat.agentId)), lookups)),
    );
    return {
      enabled: this.isSwitchedOn(),
      isScheduleOn: this.#input.running.config.cron.enabled,
      agents,
      last: this.last(),
    };
  }

  async #statusOf(heartbeat: ResolvedHeartbeat, job: Job | undefined, lookups: RunLookups): Promise<Record<string, unknown>> {
    const { agentId, every, everyMs, activeHours, target, to, pauseAfterRuns } = heartbeat;
    const sessions = heartbeatSessions(heartbeat, undefined, lookups);
    const text = await this.readInstructions(agentId);
    const runsPerDay = job ? await countRuns(job, this.#input.clock.now()) : 0;
    const model = heartbeat.model ?? this.#modelOf(agentId);
    return {
      agentId,
      every,
      everyMs,
      activeHours,
      target,
      to,
      session: sessions?.own ?? null,
      model,
      instructions: text === null ? "missing" : isEmptyChecklist(text) ? "empty" : "present",
      enabled: job?.enabled ?? false,
      nextRunAtMs: job?.enabled === true ? job.nextAt : null,
      emptyRuns: job?.state.emptyRuns ?? 0,
      pauseAfterRuns,
      pausedAtMs: job?.state.pausedAtMs ?? null,
      lastStatus: job?.state.lastStatus ?? null,
      lastError: job?.state.lastError ?? null,
      runsPerDay,
      ...this.#cost(heartbeat, { model, runsPerDay, sessionKey: sessions?.own ?? null }),
    };
  }

  #modelOf(agentId: AgentId): string | null {
    const { primary, source } = this.#input.running.agents.modelSelection(agentId);
    return source === "guide" ? null : `${primary.provider}/${primary.id}`;
  }

  /** What heartbeats have cost, and what a day of them will cost. */
  #cost(
    { agentId }: ResolvedHeartbeat,
    { model, runsPerDay, sessionKey }: { model: string | null; runsPerDay: number; sessionKey: string | null },
  ): Record<string, unknown> {
    const { usage, clock, prompt, sessions } = this.#input;
    const now = clock.now();
    const filter = { agent: agentId, cause: "heartbeat" } as const;
    const since = (from: number): UsageSums | undefined =>
      usage.sums({ from: Math.floor(from / HOUR_MS), to: Math.ceil(now / HOUR_MS) + 1 }, [], filter)[0];
    const today = since(periodOf(now, "day", prompt.timeZone()).start);
    const recent = since(now - ESTIMATE_DAYS * DAY_MS);
    const spent = { today: toSpent(today), week: toSpent(recent) };
    const runs = recent === undefined ? 0 : this.#runsSince(agentId, now - ESTIMATE_DAYS * DAY_MS);
    if (recent !== undefined && recent.calls > 0 && runs > 0) {
      const perRun = recent.unpriced > 0 ? null : costOf(recent) / NANO / runs;
      return { spent, estimate: { basis: "measured", perRunUsd: perRun, perDayUsd: perRun === null ? null : perRun * runsPerDay } };
    }
    const held = sessionKey === null ? 0 : (sessions.get(asId<SessionKey>(sessionKey))?.context_tokens ?? 0);
    const perRun = this.#firstCost(model, Math.max(held, FIRST_INPUT_TOKENS));
    return { spent, estimate: { basis: "price", perRunUsd: perRun, perDayUsd: perRun === null ? null : perRun * runsPerDay } };
  }

  /** Runs of the log that asked a model. */
  #runsSince(agentId: AgentId, from: number): number {
    return this.#input
      .cronRuns({ jobId: heartbeatJobId(agentId), states: ["ok", "error"] }, SCHEDULE_LIMITS.logRows)
      .filter(({ claimedAt }) => claimedAt >= from).length;
  }

  /** What a run of a job costs before there is one. `model`: another than that of the agent. */
  firstRunUsd(agentId: AgentId, model: string | null): number | null {
    return this.#firstCost(model ?? this.#modelOf(agentId), FIRST_INPUT_TOKENS);
  }

  /** By the price of the configuration; null: it is not known. */
  #firstCost(model: string | null, inputTokens: number): number | null {
    const ref = parseModelRef(model ?? "");
    const price = ref && this.#input.spending.priceOf(ref);
    return price ? (inputTokens * price.input + FIRST_OUTPUT_TOKENS * price.output) / 1e6 : null;
  }
}

const costOf = (sums: UsageSums): number => sums.inputCost + sums.outputCost + sums.cacheReadCost + sums.cacheWriteCost;

const toSpent = (sums: UsageSums | undefined): Record<string, unknown> => ({
  requests: sums?.calls ?? 0,
  tokens: sums === undefined ? 0 : sums.input + sums.output + sums.cacheRead + sums.cacheWrite,
  usd: sums === undefined ? 0 : costOf(sums) / NANO,
  requestsOfUnknownCost: sums?.unpriced ?? 0,
});

/** Due times of the day that begins with the next one. What computes them is loaded only here and with the schedule. */
async function countRuns({ definition: { schedule }, id }: Job, now: number): Promise<number> {
  const { dueTimes, nextDue } = await import("../schedule/due-times.ts");
  const first = nextDue(schedule, now, id);
  return first === null ? 0 : dueTimes(schedule, first, { until: first + DAY_MS - 1, limit: 1_440, jobId: id }).count;
}

/** Where a wake-up of a session belongs: its agent, and the session where it is not that of the heartbeat itself. */
export function wakePlace(heartbeat: ResolvedHeartbeat, session: SessionKey, lookups: Pick<RunLookups, "sessionKey">): string | null {
  const sessions = heartbeatSessions(heartbeat, undefined, lookups);
  return sessions !== null && (session === sessions.own || session === sessions.main) ? null : session;
}

export const agentOfSession = (session: SessionKey): AgentId | null => parseSessionKey(session)?.agentId ?? null;
