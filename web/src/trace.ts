/** What became of one message, as `sessions.timeline` has it. */
import { signal } from "@preact/signals";
import type { Timeline, TimelineStage } from "../../src/core/timeline.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type TracedMessage = {
  runId: string;
  channel: string;
  account: string;
  agentId: string;
  sessionKey: string;
  text: string;
  senderId?: string;
  senderName?: string;
  roomName?: string;
  damaged?: boolean;
};
export type Trace = { message: TracedMessage; timeline: Timeline };

/** Null while nothing was read. `id`: what it was asked for with. */
export const trace = signal<(Trace & { id: string }) | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** A dead letter is being tried again or dropped. */
export const busy = signal(false);

/** Whether more may still happen to the message. Pure. */
export const isOpen = ({ timeline }: Trace): boolean => timeline.stages.some((stage) => stage.status === "running");

/** Reads the timeline that the address names. Never throws: `failed` says why there is nothing newer. */
export async function loadTrace(): Promise<void> {
  const id = store.tracedId.value;
  if (trace.value?.id !== id) trace.value = null;
  if (!store.isOnline.value) return;
  try {
    const answer = await requireClient().request<Trace>("sessions.timeline", id === "" ? {} : { id });
    if (store.tracedId.value !== id) return;
    trace.value = { ...answer, id };
    failed.value = null;
  } catch (error) {
    if (store.tracedId.value === id && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Tries a dead letter again, or drops it. */
export async function settleDeadLetter(how: "retry" | "drop", id: string): Promise<void> {
  busy.value = true;
  try {
    await requireClient().request(`deadletters.${how}`, { id });
    store.showToast(how === "retry" ? "It is tried again." : "It was dropped.");
    await loadTrace();
  } catch (error) {
    if (!isConnectionLost(error)) store.showToast(errorMessage(error));
  }
  busy.value = false;
}

/** Where on the axis a stage is, in percent. Its end is `now` while it runs. */
export type Placed = { stage: TimelineStage; from: number; width: number; startMs: number; tookMs: number | null };

/** The stages on one axis from the first to the last moment. Pure. */
export function placeStages(stages: readonly TimelineStage[], now: number): { placed: readonly Placed[]; totalMs: number } {
  const begin = Math.min(...stages.map((stage) => stage.startedAt));
  const endOf = (stage: TimelineStage): number =>
    stage.endedAt ?? (stage.status === "running" ? Math.max(now, stage.startedAt) : stage.startedAt);
  const totalMs = Math.max(...stages.map(endOf)) - begin;
  const percent = (ms: number): number => (totalMs === 0 ? 0 : (100 * ms) / totalMs);
  const placed = stages.map((stage) => {
    const tookMs = endOf(stage) - stage.startedAt;
    return {
      stage,
      from: percent(stage.startedAt - begin),
      width: percent(tookMs),
      startMs: stage.startedAt - begin,
      tookMs: stage.endedAt === stage.startedAt || stage.kind === "dead-letter" ? null : tookMs,
    };
  });
  return { placed, totalMs };
}
