/** Invented timelines for the scripted gateway. */
import type { Timeline, TimelineStage } from "../../src/core/timeline.ts";

type Params = Record<string, unknown>;
type Story = { text: string; timeline: Omit<Timeline, "runId" | "stages" | "receivedAt">; stages: readonly Stage[] };
/** Times are from the arrival on. */
type Stage = Record<string, unknown> & { kind: TimelineStage["kind"]; at: number; to?: number; status?: string };

const TOKENS = { input: 1_240, output: 310, cacheRead: 900, cacheWrite: 0 };
const NO_TOKENS = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
const NOTED = { hasSteps: true, omittedSteps: 0, attempts: 1 };
const ROUTE = { rule: "peer", binding: 2, access: "dm-paired", detail: '"4711" is paired' };
const ARRIVAL: readonly Stage[] = [
  { kind: "platform", at: -420, to: 0 },
  { kind: "stored", at: 0, to: 9 },
  { kind: "routed", at: 0, to: 0, route: ROUTE, agentId: "main", sessionKey: "agent:main:main" },
];
const MODEL = { model: "anthropic/claude-sonnet-5", stopReason: "stop", tokens: { ...TOKENS, input: 620, output: 155 }, costUsd: 0.0042 };

const ANSWERED: Story = {
  text: "Which of the three trains is the fastest on a Sunday?",
  timeline: { ...NOTED, state: "done", answeredAt: 7_350, deliveredAt: 7_610, firstTokenAt: 1_900, tokens: TOKENS, costUsd: 0.0084 },
  stages: [
    ...ARRIVAL,
    { kind: "waited", at: 9, to: 1_250 },
    { kind: "prepared", at: 1_250, to: 1_300 },
    { kind: "model", at: 1_300, to: 3_100, firstAt: 1_900, ...MODEL },
    { kind: "tool", at: 3_100, to: 5_200, tool: "web_search", callId: "c1" },
    { kind: "approval", at: 3_120, to: 4_300, approvalId: "a1", callId: "c1" },
    { kind: "retry", at: 5_300, to: 5_300, attempt: 1, delayMs: 800, reason: "the provider is overloaded (529)", status: "failed" },
    { kind: "model", at: 5_300, to: 7_300, firstAt: 6_900, ...MODEL },
    { kind: "answered", at: 7_350, to: 7_350, outcome: "ok" },
    { kind: "delivery", at: 7_350, to: 7_490, part: 1, state: "sent", attempts: 1, attemptedAt: 7_360, platformIds: ["812"] },
    { kind: "delivery", at: 7_350, to: 7_610, part: 2, state: "sent", attempts: 1, attemptedAt: 7_500, platformIds: ["813"] },
  ],
};

const UNDELIVERED: Story = {
  text: "Remind me of مرحبا tomorrow",
  timeline: { ...NOTED, state: "done", answeredAt: 2_400, firstTokenAt: 700, tokens: TOKENS, costUsd: 0 },
  stages: [
    ...ARRIVAL,
    { kind: "waited", at: 0, to: 0 },
    { kind: "prepared", at: 9, to: 60 },
    { kind: "model", at: 60, to: 2_350, firstAt: 700, ...MODEL },
    { kind: "answered", at: 2_400, to: 2_400, outcome: "ok" },
    {
      kind: "delivery",
      at: 2_400,
      to: 62_400,
      part: 1,
      state: "parked",
      attempts: 5,
      attemptedAt: 60_000,
      platformIds: [],
      cause: "403: bot was blocked by the user",
      status: "failed",
    },
    {
      kind: "dead-letter",
      at: 62_400,
      id: "out:r2/0",
      direction: "outbound",
      cause: "403: bot was blocked by the user",
      status: "failed",
    },
  ],
};

const RUNNING: Story = {
  text: "Summarize the log of last night",
  timeline: { ...NOTED, state: "running", tokens: NO_TOKENS, costUsd: 0 },
  stages: [
    { kind: "stored", at: 0, to: 5 },
    { kind: "routed", at: 0, to: 0, route: null, agentId: "main", sessionKey: "agent:main:main" },
    { kind: "waited", at: 0, to: 0 },
    { kind: "prepared", at: 5, to: 40 },
    { kind: "tool", at: 60, tool: "exec", callId: "c1", status: "running" },
  ],
};

export class Timelines {
  /** When the messages were received. */
  now = Date.now();
  #retried = false;
  /** When the message that runs was received: when it was asked for first. */
  #runsSince: number | null = null;

  reset(): void {
    this.#retried = false;
  }

  /** Undefined for a method that is none of these; null for a message that is not known. */
  answer(method: string, params: Params): unknown {
    // Others are those of the scripted channels.
    if (method.startsWith("deadletters.") && params["id"] === "out:r2/0") {
      this.#retried = true;
      return { ok: true, id: params["id"] };
    }
    if (method !== "sessions.timeline") return undefined;
    const id = String(params["id"] ?? "r1");
    if (id === "r3") return toAnswer(id, RUNNING, (this.#runsSince ??= Date.now() - 3_000));
    if (id === "r2" && !this.#retried) return toAnswer(id, UNDELIVERED, this.now);
    return id === "gone" ? null : toAnswer(id, ANSWERED, this.now);
  }
}

function toAnswer(runId: string, { text, timeline, stages }: Story, receivedAt: number): unknown {
  const moved = Object.entries(timeline).map(([name, value]) => [name, name.endsWith("At") ? receivedAt + Number(value) : value]);
  return {
    message: {
      runId,
      channel: "telegram",
      account: "default",
      agentId: "main",
      sessionKey: "agent:main:main",
      text,
      senderId: "4711",
      senderName: "Ada",
    },
    timeline: { ...Object.fromEntries(moved), runId, receivedAt, stages: stages.map((stage) => toStage(stage, receivedAt)) },
  };
}

function toStage({ at, to, firstAt, attemptedAt, status = "done", ...rest }: Stage, base: number): unknown {
  const moved = { startedAt: base + at, ...(to === undefined ? {} : { endedAt: base + to }) };
  const inner = firstAt === undefined ? {} : { firstAt: base + Number(firstAt) };
  return { ...rest, ...moved, ...inner, ...(attemptedAt === undefined ? {} : { attemptedAt: base + Number(attemptedAt) }), status };
}
