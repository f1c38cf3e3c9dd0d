import { systemClock } from "../../src/core/clock.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { asId, type AgentId } from "../../src/core/ids.ts";
import { AnswerCache } from "../../src/methods/answer-cache.ts";
import { agentMethods } from "../../src/methods/agent.ts";
import { chatMethods } from "../../src/methods/chat.ts";
import { listCommands } from "../../src/methods/commands.ts";
import type { ChatDeps } from "../../src/methods/chat-context.ts";
import { sessionTransferMethods } from "../../src/methods/session-transfer.ts";
import { sessionMethods } from "../../src/methods/sessions.ts";
import { EncodedJson } from "../../src/protocol/frames.ts";
import type { Hub } from "../../src/protocol/hub.ts";
import type { Caller, Method, MethodParams, MethodTable } from "../../src/protocol/method.ts";
import type { ServedMethod } from "../../src/protocol/served-methods.ts";
import { checkParams } from "../../src/protocol/validate.ts";
import type { ToolName } from "../../src/agents/runtime.ts";
import { createSessionBranches } from "../../src/store/session-branches.ts";
import type { FlushSettings } from "../../src/turns/memory-flush.ts";
import { openTurnBench, type TurnBench } from "./turn-bench.ts";

export type MethodBench = {
  bench: TurnBench;
  deps: ChatDeps;
  table: MethodTable;
  /** Runs a method as the dispatcher does: params are checked first. */
  call: (method: string, params?: unknown, caller?: Partial<Caller>) => Promise<Record<string, unknown>>;
  close: () => void;
};

const ALL = ["operator.admin", "operator.write", "operator.read"];

export const callerOf = (more: Partial<Caller> = {}): Caller => ({
  conn: asId("conn-1"),
  role: "operator",
  scopes: new Set(ALL),
  client: { id: "test", mode: "test", version: "1" },
  caps: new Set(),
  device: null,
  signal: new AbortController().signal,
  accept: () => {},
  ...more,
});

export const silentHub: Hub = {
  publish: () => {},
  send: () => {},
  watch: () => {},
  unwatch: () => {},
  watches: () => false,
  isWatched: () => true,
  close: () => 0,
  peers: () => [],
};

const CONFIGURATION = {};

/** The payload as a client reads it. */
export const decodeAnswer = (payload: unknown): Record<string, unknown> =>
  (payload instanceof EncodedJson ? JSON.parse(payload.toString()) : payload) as Record<string, unknown>;

/** The methods about conversations over a real store and a scripted runtime. */
export function openMethodBench(options: { tools?: readonly ToolName[]; dir?: string; flush?: FlushSettings } = {}): MethodBench {
  const { dir, flush = null } = options;
  const bench = openTurnBench({ ...(dir !== undefined && { dir }), flush: () => flush });
  let ids = 0;
  const deps: ChatDeps = {
    addSummary: () => {},
    flushSettings: () => flush,
    turns: bench.turns,
    sessions: bench.sessions,
    branches: createSessionBranches(bench.store),
    messages: bench.messages,
    media: bench.media,
    bus: bench.bus,
    runtime: bench.runtime,
    settings: bench.running.agents.settings,
    store: bench.store,
    hub: silentHub,
    pendingApprovals: () => [],
    answers: new AnswerCache(silentMetrics),
    configuration: () => CONFIGURATION,
    clock: systemClock,
    newId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
    defaultAgent: () => asId<AgentId>("main"),
    agentIds: () => ["main", "work"],
    canAnswer: (agentId) => ["main", "work"].includes(agentId),
    mainKey: () => undefined,
    operatorTools: () => options.tools ?? [],
    queueMode: () => "followup",
    modelFacts: () => ({ contextWindow: 1_000, thinkingLevels: ["off", "high"] }),
    modelNames: () => ["fake/model", "fake/other"],
    toTarget: (channel, account, to) => ({
      channel: asId(channel),
      account: asId(account ?? "default"),
      chat: { kind: "direct", id: asId(to) },
    }),
  };
  const table: MethodTable = {
    ...sessionMethods(deps),
    ...sessionTransferMethods(deps),
    ...chatMethods({ ...deps, models: async () => [], commands: async () => listCommands(true, []).commands }),
    ...agentMethods(deps),
  };
  const run = <M extends ServedMethod>(method: M, params: unknown, caller: Caller): unknown => {
    const { run: answer }: Method<MethodParams<M>> = table[method]!;
    return answer(checkParams(method, params), caller);
  };
  const call: MethodBench["call"] = async (method, params = {}, caller = {}) =>
    decodeAnswer(await run(method as ServedMethod, params, callerOf(caller)));
  return { bench, deps, table, call, close: bench.close };
}
