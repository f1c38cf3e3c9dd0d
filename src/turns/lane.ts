import { LIMITS } from "../core/limits.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import type { QueueMode } from "../core/queue-modes.ts";
import { grantOf, isSameGrant, type Grant } from "./grant.ts";
import { slotNeedOf, type SlotNeed } from "./settings.ts";
import type { Payload } from "./submission.ts";

/** A message that waits in a lane. Its payload stays on disk until its turn starts. */
export type QueuedMessage = {
  runId: RunId;
  mode: QueueMode;
  kind: "message" | "command";
  /** Mode `collect`, for messages that came while something else ran or waited: not taken before this monotonic moment. 0: at once. */
  debounceUntil: number;
  /** When it was on disk; absent where an earlier process admitted it. */
  committedAt?: number;
  /** What the message may cause; messages with different grants never share a turn. */
  grant: Grant;
  slotNeed: SlotNeed;
  /** It gives way to every other message of its session. */
  givesWay: boolean;
  /** Its turn takes no other messages, and ends before the next one. */
  isClosed: boolean;
};

/** The turn that runs in a lane. */
export type ActiveTurn = {
  /** The run itself and those that were collected into it, in order. */
  runIds: RunId[];
  abort: AbortController;
  /** Why it was aborted, for the outcome. */
  abortCause: "user" | "interrupt" | "timeout" | "shutdown" | null;
  /** Messages handed into the running turn; they end with it. */
  steered: RunId[];
  /** When its messages were on disk, as far as this process admitted them. */
  committedAt: Map<RunId, number>;
  /** The grants of all messages that the model may have read in this turn, the refused and returned ones included. */
  grants: Grant[];
  /** True while the runtime has the prompt: only then can a message be handed in. */
  isPrompting: boolean;
  /** A steer that the runtime has not answered yet; the next one waits for it, to keep the order. */
  isSteering: boolean;
  /** It ends as soon as another message waits. */
  givesWay: boolean;
  /** Other messages wait for its end. */
  isClosed: boolean;
  ended: Promise<void>;
};

/** The queue of one session: at most one turn runs, the rest waits. Waiting is a state, not a timeout. */
export type Lane = { key: SessionKey; queue: QueuedMessage[]; active: ActiveTurn | null };

export type LaneAction =
  | { do: "nothing" }
  /** More may come that belongs to the same turn: ask again then. */
  | { do: "wait"; untilMs: number }
  | { do: "start"; take: QueuedMessage[] }
  | { do: "steer"; message: QueuedMessage }
  | { do: "interrupt" };

/** What a lane does next. Pure: SessionLanes carries it out and asks again. */
export function nextAction(lane: Lane, now: number): LaneAction {
  const head = lane.queue[0];
  if (!head) return { do: "nothing" };
  if (!lane.active) {
    const take = nextBatch(lane.queue);
    const untilMs = Math.max(...take.map((each) => each.debounceUntil));
    // A sender who never pauses gets an answer nevertheless.
    return untilMs > now && take.length < LIMITS.laneBatchMessages ? { do: "wait", untilMs } : { do: "start", take };
  }
  if (lane.active.givesWay && !head.givesWay) return lane.active.abort.signal.aborted ? { do: "nothing" } : { do: "interrupt" };
  if (head.kind === "command" || lane.active.isClosed) return { do: "nothing" };
  if (head.mode === "interrupt" && canInterrupt(head, lane.active)) return { do: "interrupt" };
  if (head.mode === "steer" && canSteer(head, lane.active)) return { do: "steer", message: head };
  return { do: "nothing" };
}

const hasSameGrant = ({ grant }: QueuedMessage, { grants }: ActiveTurn): boolean => grants.every((each) => isSameGrant(each, grant));

const canSteer = (message: QueuedMessage, active: ActiveTurn): boolean =>
  active.isPrompting && !active.isSteering && !active.abort.signal.aborted && hasSameGrant(message, active);

/** Only an owner interrupts the turn of a message with another grant; others wait for its end. */
const canInterrupt = (message: QueuedMessage, active: ActiveTurn): boolean =>
  !active.abort.signal.aborted && (message.grant.owner || hasSameGrant(message, active));

/** The head of the queue, with the following messages as long as their mode is `collect` and they have the same grant. */
function nextBatch(waiting: readonly QueuedMessage[]): QueuedMessage[] {
  const head = waiting[0]!;
  if (head.kind === "command" || head.mode !== "collect" || head.isClosed) return [head];
  const end = waiting.findIndex(
    (each) => each.kind === "command" || each.mode !== "collect" || each.isClosed || !isSameGrant(each.grant, head.grant),
  );
  return waiting.slice(0, end === -1 ? waiting.length : end);
}

/** A stored message as its lane keeps it. */
export const toQueuedMessage = (
  runId: RunId,
  payload: Payload | null,
  mode: QueueMode = payload?.queueMode ?? "followup",
): QueuedMessage => ({
  runId,
  // A request for a skill is looked up before its turn begins.
  mode: mode === "steer" && payload?.skill !== undefined ? "followup" : mode,
  kind: payload?.kind ?? "message",
  debounceUntil: 0,
  grant: grantOf(payload),
  slotNeed: slotNeedOf(payload),
  givesWay: payload?.heartbeat !== undefined,
  isClosed: payload?.flush !== undefined,
});

export const toActiveTurn = (take: readonly QueuedMessage[]): ActiveTurn => ({
  runIds: take.map((each) => each.runId),
  abort: new AbortController(),
  abortCause: null,
  steered: [],
  committedAt: new Map(take.flatMap(({ runId, committedAt }) => (committedAt === undefined ? [] : [[runId, committedAt]]))),
  grants: take.map((each) => each.grant),
  isPrompting: false,
  isSteering: false,
  givesWay: take.length > 0 && take.every(({ givesWay }) => givesWay),
  isClosed: take.some(({ isClosed }) => isClosed),
  ended: Promise.resolve(),
});

/** Other lanes that could start a turn; not more than are worth looking at. */
export const waitingLanes = (lanes: Iterable<Lane>, except: SessionKey): Lane[] =>
  [...lanes].filter((lane) => lane.key !== except && !lane.active && lane.queue.length > 0).slice(0, LIMITS.slotLanes);
