import { VERSION } from "../core/version.ts";
import { queueSettings } from "../routing/queue-mode.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { Turns } from "../turns/create-turns.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";

/** What `/status` answers about a session. */
export function statusLines(
  { uptimeMs, running }: Pick<GatewayBase, "uptimeMs"> & { running: RunningConfig },
  { lanes }: Pick<Turns, "lanes">,
  session: SessionRow,
): string[] {
  const { running: active, slotWaits } = lanes.load();
  const waiting = lanes.queuedRuns(session.key).length;
  const blocked = slotWaits.sessions;
  const tokens = session.context_tokens > 0 ? `${session.context_tokens} of ${session.context_window || "?"} tokens` : "empty";
  return [
    `Gateway ${VERSION}, up ${uptimeText(uptimeMs())}, ${active} ${active === 1 ? "turn" : "turns"} running`,
    `Agent: ${session.agent_id}`,
    `Session: ${session.key}`,
    `Model: ${running.agents.currentModel(session)}`,
    `Context: ${tokens}`,
    `Queue: ${session.queue_mode ?? queueSettings(running.config.messages.queue, session.channel).mode}, ${waiting} waiting`,
    ...(blocked > 0 ? [`Busy: ${blocked} ${blocked === 1 ? "session waits" : "sessions wait"} for other turns to end`] : []),
  ];
}

function uptimeText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
