import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { formatTime } from "./cron.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

type Spent = { requests: number; tokens: number; usd: number; requestsOfUnknownCost: number };

/** What is read of the heartbeats of one agent. */
export type HeartbeatView = {
  agentId: string;
  every: string;
  activeHours: { start: number; end: number; tz: string } | null;
  target: string;
  to: string | null;
  session: string | null;
  model: string | null;
  instructions: "present" | "empty" | "missing";
  enabled: boolean;
  nextRunAtMs: number | null;
  emptyRuns: number;
  pauseAfterRuns: number;
  pausedAtMs: number | null;
  lastStatus: string | null;
  lastError: string | null;
  runsPerDay: number;
  spent: { today: Spent; week: Spent };
  estimate: { basis: "measured" | "price"; perRunUsd: number | null; perDayUsd: number | null };
};

type LastView = { ts: number; status: string; agentId?: string; reason?: string; preview?: string; durationMs?: number; message?: string };
type StatusView = { enabled: boolean; isScheduleOn: boolean; agents: HeartbeatView[]; last: LastView | null };

/** `openclaw system event` */
export const systemEvent: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const text = invocation.text("text")?.trim() ?? "";
  if (text === "")
    throw new CliError("--text is required", { fix: 'openclaw system event --text "The backup has failed."', exit: EXIT.usage });
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const sessionKey = invocation.text("session-key");
  const answer = await callGateway<{ ok: boolean; started?: boolean; reason?: string }>(invocation, ["operator.write"], "wake", {
    mode: invocation.text("mode") ?? "next-heartbeat",
    text,
    ...(agentId !== undefined && { agentId }),
    ...(sessionKey !== undefined && { sessionKey }),
  });
  out.result(answer, () => {
    if (answer.started === true) return out.line("Kept. A heartbeat takes it.");
    out.line("Kept for the next turn of the session.");
    if (answer.reason !== undefined) out.note(`No heartbeat was started: ${sanitizeLine(answer.reason)}.`);
  });
};

/** `openclaw system heartbeat status` */
export const heartbeatStatus: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const status = await callGateway<StatusView>(invocation, ["operator.read"], "heartbeat.status", {});
  out.result(status, () => {
    if (!status.enabled) return out.line("Heartbeats are switched off: openclaw system heartbeat enable.");
    if (status.agents.length === 0) {
      out.line("No agent has heartbeats.");
      return out.note(
        "openclaw config set agents.defaults.heartbeat.every 30m asks for them; the tasks go into HEARTBEAT.md in the workspace.",
      );
    }
    if (!status.isScheduleOn) out.line("Nothing is due: cron.enabled is false.");
    for (const agent of status.agents) showAgent(invocation, agent);
    if (status.last) out.note(`Last: ${lastText(status.last)}, ${formatAge(status.last.ts, host.now())}.`);
  });
};

const clock = (minutes: number): string => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
const usd = (value: number | null): string =>
  value === null ? "unknown (the price of the model is not known)" : `$${value.toFixed(value > 0 && value < 0.01 ? 6 : 2)}`;

function showAgent({ out, host }: Invocation, agent: HeartbeatView): void {
  const {
    agentId,
    every,
    activeHours: hours,
    nextRunAtMs,
    pausedAtMs,
    runsPerDay,
    spent,
    estimate,
    instructions,
    emptyRuns,
    pauseAfterRuns,
  } = agent;
  const when = `${every}${hours === null ? "" : `, from ${clock(hours.start)} to ${clock(hours.end)} ${hours.tz}`}`;
  const next =
    pausedAtMs !== null
      ? `pauses since ${formatAge(pausedAtMs, host.now())}: ${emptyRuns} runs in a row did nothing`
      : !agent.enabled
        ? "disabled"
        : nextRunAtMs === null
          ? "-"
          : formatTime(nextRunAtMs, hours?.tz);
  const basis = estimate.basis === "measured" ? "as in the last 7 days" : "by the price of the model, before any run";
  out.pairs([
    ["agent", agentId],
    ["every", when],
    ["next", next],
    ["HEARTBEAT.md", instructions === "present" ? "present" : `${instructions}: no model is asked unless an event waits`],
    ["model", agent.model ?? "none: nothing runs"],
    ["session", agent.session ?? "-"],
    ["answers go to", agent.to === null ? agent.target : `${agent.target} ${agent.to}`],
    ["empty runs", pauseAfterRuns === 0 ? String(emptyRuns) : `${emptyRuns}; they pause after ${pauseAfterRuns}`],
    ["cost of a day", `${usd(estimate.perDayUsd)} for ${runsPerDay} heartbeats, ${basis}`],
    [
      "cost today",
      `${usd(spent.today.usd)} for ${plural(spent.today.requests, "request")}${spent.today.requestsOfUnknownCost > 0 ? `, ${spent.today.requestsOfUnknownCost} of unknown cost` : ""}`,
    ],
    [
      "last result",
      agent.lastStatus === null ? "-" : `${agent.lastStatus}${agent.lastError === null ? "" : `: ${sanitizeLine(agent.lastError)}`}`,
    ],
  ]);
}

const lastText = ({ status, agentId, reason, preview, message }: LastView): string =>
  sanitizeLine([agentId, status, reason, message ?? preview].filter((part) => part !== undefined && part !== "").join(", "));

/** `openclaw system heartbeat last` */
export const heartbeatLast: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const last = await callGateway<LastView | null>(invocation, ["operator.read"], "last-heartbeat", {});
  out.result(last, () =>
    out.line(last === null ? "There has been no heartbeat yet." : `${lastText(last)}, ${formatAge(last.ts, host.now())}`),
  );
};

const switchTo =
  (enabled: boolean): CommandHandler =>
  async (invocation) => {
    const answer = await callGateway<{ ok: boolean; enabled: boolean }>(invocation, ["operator.admin"], "set-heartbeats", { enabled });
    invocation.out.result(answer, () =>
      invocation.out.line(
        enabled ? "Heartbeats run as the configuration says. openclaw system heartbeat status shows them." : "Heartbeats are switched off.",
      ),
    );
  };

/** `openclaw system heartbeat enable` */
export const heartbeatEnable = switchTo(true);

/** `openclaw system heartbeat disable` */
export const heartbeatDisable = switchTo(false);
