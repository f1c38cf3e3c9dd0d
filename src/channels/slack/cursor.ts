import { SLACK_LIMITS } from "./limits.ts";
import type { ChannelEvent, ChatKind } from "../channel.ts";

/** The newest message that is stored from one conversation, or one thread of it. */
export type HistoryPosition = { channel: string; thread: string | null; kind: ChatKind; ts: string };
const KINDS: readonly ChatKind[] = ["direct", "group", "channel"];
const TS = /^\d{1,12}\.\d{1,10}$/;

/** The marks of a stored cursor, the quietest first; none when it belongs to another workspace or cannot be read. Pure. */
export function parseCursor(cursor: string | null, team: string): readonly HistoryPosition[] {
  if (cursor === null) return [];
  let stored: unknown;
  try {
    stored = JSON.parse(cursor);
  } catch {
    // An unreadable cursor of another release is ignored: the first message makes a new one.
    return [];
  }
  const { team: of, at } = (typeof stored === "object" && stored !== null ? stored : {}) as { team?: unknown; at?: unknown };
  if (of !== team || !Array.isArray(at)) return [];
  return at.filter(Array.isArray).flatMap(([channel, thread, kind, ts]: unknown[]) => {
    const known = KINDS.find((one) => one === kind);
    if (typeof channel !== "string" || typeof ts !== "string" || !TS.test(ts) || !known) return [];
    return [{ channel, thread: typeof thread === "string" ? thread : null, kind: known, ts }];
  });
}

/** The cursor after some more events; the conversation that was quiet longest goes when there are too many. Pure. */
export function advanceCursor(cursor: string | null, team: string, events: readonly ChannelEvent[]): string {
  const marks = new Map(parseCursor(cursor, team).map((mark) => [`${mark.channel}/${mark.thread ?? ""}`, mark]));
  for (const event of events) {
    if (event.kind !== "message" || !TS.test(event.message)) continue;
    const key = `${event.chat.id}/${event.thread?.id ?? ""}`;
    const before = marks.get(key);
    marks.delete(key);
    const ts = before && Number(before.ts) > Number(event.message) ? before.ts : event.message;
    marks.set(key, { channel: event.chat.id, thread: event.thread?.id ?? null, kind: event.chat.kind, ts });
  }
  const at = [...marks.values()].slice(-SLACK_LIMITS.lanes).map(({ channel, thread, kind, ts }) => [channel, thread, kind, ts]);
  return JSON.stringify({ team, at });
}
