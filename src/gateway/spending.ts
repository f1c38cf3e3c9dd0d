import type { ModelCall, ModelPrice, ModelRef, ModelTerms, TurnFailure } from "../agents/runtime.ts";
import { asId, type SessionKey } from "../core/ids.ts";
import type { SessionRow } from "../store/sessions.ts";
import { HOUR_MS, type Usage, type UsageSessionHour, type UsageSubject } from "../store/usage.ts";
import type { ToolCaller } from "../tools/tool.ts";
import type { Payload } from "../turns/submission.ts";
import { countRequest, promptTokens, subjectOf, toUsageCall, worstCase, type BudgetHold } from "../turns/turn-usage.ts";
import { dollars } from "../usage/budget-rules.ts";
import { periodOf } from "../usage/periods.ts";
import { Budgets } from "../usage/budgets.ts";
import type { UsageReports } from "../usage/reports.ts";
import type { GatewayBase } from "./base.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

type SpendingDeps = GatewayBase & Storage & { running: RunningConfig; prompt: PromptContext };

/** What models cost, and the budgets that limit it. */
export class Spending {
  readonly budgets: Budgets;
  readonly #deps: SpendingDeps;
  #reports: Promise<UsageReports> | null = null;

  constructor(deps: SpendingDeps) {
    this.#deps = deps;
    const { bus, running, prompt, store, log } = deps;
    this.budgets = new Budgets({
      ...deps,
      budgets: () => running.config.budgets,
      write: (change) => store.write(change),
      zone: () => prompt.timeZone(),
      log: log.child({ subsystem: "usage" }),
      alert: (text) => bus.emit("owner.alert", { text }),
    });
  }

  /** The price that the configuration gives a model; null: none. */
  readonly priceOf = ({ provider, id }: ModelRef): ModelPrice | null => {
    const cost = this.#deps.running.config.models.providers[provider]?.models.find((model) => model.id === id)?.cost;
    if (cost === undefined) return null;
    const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0 } = cost;
    return { input, output, cacheRead, cacheWrite };
  };

  /** What was used; loaded with the first question. */
  reports(): Promise<UsageReports> {
    const { usage, sessions, clock, prompt } = this.#deps;
    this.#reports ??= import("../usage/reports.ts").then(
      ({ UsageReports: Reports }) => new Reports({ usage, sessions, now: () => clock.now(), zone: () => prompt.timeZone() }),
    );
    return this.#reports;
  }

  /** Calls of tools in one hour, by agent. */
  readonly toolsOfHour: Usage["toolsOfHour"] = (hour) => this.#deps.usage.toolsOfHour(hour);

  /** What `/usage` answers about a session. */
  usageLines({ key }: SessionRow): string[] {
    const { usage, clock, prompt } = this.#deps;
    const now = clock.now();
    const to = Math.ceil(now / HOUR_MS) + 1;
    const since = (from: number): UsageSessionHour[] => usage.sessionHours({ from: Math.floor(from / HOUR_MS), to }, key);
    return [
      `Today: ${usageText(since(periodOf(now, "day", prompt.timeZone()).start))}`,
      `This month: ${usageText(since(periodOf(now, "month", prompt.timeZone()).start))}`,
    ];
  }

  /** The requests of a tool: they count for the person of its turn. */
  forTool(caller: ToolCaller): IndirectRequests {
    const row = caller.runId === null ? undefined : this.#deps.inbox.byRun<Payload>(caller.runId);
    const fallback: UsageSubject = { agentId: caller.agentId, channel: "webchat", sender: "unknown", cause: "tool" };
    const subject = row?.payload ? { ...subjectOf(row), cause: "tool" as const } : fallback;
    return this.#requests(subject, { sessionKey: caller.sessionKey, runId: caller.runId ?? "" });
  }

  /** Vectors of notes: they count for the person of the turn that looked for something, otherwise for the operator. */
  forEmbedding(agentId: string, run: { runId: string | null; sessionKey: string } | null): IndirectRequests {
    const row = run?.runId ? this.#deps.inbox.byRun<Payload>(asId(run.runId)) : undefined;
    const fallback: UsageSubject = { agentId, channel: "webchat", sender: "operator", cause: "embedding" };
    const subject = row?.payload ? { ...subjectOf(row), cause: "embedding" as const } : fallback;
    return this.#requests(subject, { sessionKey: run?.sessionKey ?? "", runId: run?.runId ?? "" });
  }

  /** The summary of a conversation, for which an operator asked. Inside a `store.write`. */
  addSummary(call: ModelCall, session: SessionRow): void {
    const { clock, usage } = this.#deps;
    const subject: UsageSubject = { agentId: session.agent_id, channel: "webchat", sender: "operator", cause: "summary" };
    const ids = { sessionKey: session.key, sessionId: session.session_id, runId: "" };
    const entry = toUsageCall(call, { subject, at: clock.now(), ...ids }, this.priceOf(call.model));
    this.budgets.settle(entry, null);
    countRequest(this.#deps.metrics, entry);
    usage.add([entry]);
  }

  #requests(subject: UsageSubject, { sessionKey, runId }: { sessionKey: string; runId: string }): IndirectRequests {
    const { clock, sessions, store, usage } = this.#deps;
    const hold = this.budgets.open(subject);
    return new IndirectRequests(hold, this.priceOf, async (call) => {
      const sessionId = sessions.get(asId<SessionKey>(sessionKey))?.session_id ?? "";
      const entry = toUsageCall(call, { subject, at: clock.now(), sessionKey, sessionId, runId }, this.priceOf(call.model));
      countRequest(this.#deps.metrics, entry);
      if (hold) hold.settle(entry);
      else this.budgets.settle(entry, null);
      await store.write(() => usage.add([entry]));
    });
  }
}

/** `12 requests, 3,400 tokens, $0.12` */
function usageText(hours: readonly UsageSessionHour[]): string {
  const sum = (read: (row: UsageSessionHour) => number): number => hours.reduce((total, row) => total + read(row), 0);
  const calls = sum((row) => row.calls);
  const tokens = sum((row) => row.input + row.output + row.cacheRead + row.cacheWrite);
  const cost = sum((row) => row.inputCost + row.outputCost + row.cacheReadCost + row.cacheWriteCost);
  const unpriced = sum((row) => row.unpriced);
  const price = unpriced === 0 ? dollars(cost) : cost === 0 ? "cost unknown" : `${dollars(cost)} and requests of unknown cost`;
  return `${calls.toLocaleString("en-US")} ${calls === 1 ? "request" : "requests"} to models, ${tokens.toLocaleString("en-US")} tokens, ${price}`;
}

/** Requests to models that are not those of a turn itself. */
export class IndirectRequests {
  readonly #hold: BudgetHold | null;
  readonly #priceOf: Spending["priceOf"];
  /** Stores a request that has ended. */
  readonly add: (call: ModelCall) => Promise<void>;

  constructor(hold: BudgetHold | null, priceOf: Spending["priceOf"], add: (call: ModelCall) => Promise<void>) {
    this.#hold = hold;
    this.#priceOf = priceOf;
    this.add = add;
  }

  /** Resolves to why the request may not be made; null: it may. */
  async reserve(terms: ModelTerms, input: { text: string; images: readonly unknown[] }, signal: AbortSignal): Promise<TurnFailure | null> {
    if (this.#hold === null) return null;
    const price = this.#priceOf(terms.model) ?? terms.price;
    return this.#hold.reserve({ ...worstCase({ ...terms, price }, promptTokens(0, input)), text: input.text }, signal);
  }

  release(): void {
    this.#hold?.release();
  }
}
