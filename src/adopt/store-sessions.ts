import { toAgentId } from "../core/agent-id.ts";
import { reasonOf } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { canonicalSessionKey } from "../routing/session-key.ts";
import { createMessages, type Messages } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import { createSessions, toNewConversation, type SessionRow, type Sessions } from "../store/sessions.ts";
import { notTaken, present, taken, type AdoptItem } from "./item.ts";
import type { OriginalSession } from "./sessions.ts";
import { formatLeft, toTranscript, toUuid, type OriginalMessage } from "./transcript.ts";

export type SessionTarget = {
  /** Null: there is no store yet. */
  readonly store: Store | null;
  readonly write: boolean;
  /** What the original calls the main session of an agent. */
  readonly mainKey: string;
  /** Shadow mode ends: what people saw is the conversation of the original. */
  readonly afterShadow: boolean;
  readonly now: number;
};

/** Marks messages of the original, and tells them from those that were written here. */
const MARK = "adopt:";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Stores conversations of the original; what is stored already is not stored again. */
export async function storeSessions(
  sessions: readonly OriginalSession[],
  target: SessionTarget,
): Promise<{ items: AdoptItem[]; messages: number }> {
  const tables = target.store && { sessions: createSessions(target.store), messages: createMessages(target.store) };
  const items: AdoptItem[] = [];
  let messages = 0;
  const seen = new Set<string>();
  for (const session of sessions) {
    const key = canonicalSessionKey(toMainKey(session.key, target.mainKey), toAgentId(session.agentId));
    if (key === null || seen.has(key)) {
      items.push(notTaken("session", session.key, key === null ? "its name is not one of a session" : `${key} is there twice`));
      continue;
    }
    seen.add(key);
    try {
      const { item, added } = await storeOne({ session, key, tables, target });
      items.push(item);
      messages += added;
    } catch (err) {
      items.push(notTaken("session", key, reasonOf(err)));
    }
  }
  return { items, messages };
}

/** Here the main session of an agent is always called main. */
const toMainKey = (key: string, mainKey: string): string => {
  const [, start, rest] = /^(agent:[^:]+:)(.+)$/i.exec(key) ?? [];
  return rest !== undefined && rest.toLowerCase() === mainKey ? `${start}main` : key;
};

type Tables = { sessions: Sessions; messages: Messages };
type Job = { session: OriginalSession; key: SessionKey; tables: Tables | null; target: SessionTarget };

async function storeOne(job: Job): Promise<{ item: AdoptItem; added: number }> {
  const { session, key, tables, target } = job;
  const { events, problems } = session.read();
  const { messages, left } = toTranscript(events, session.channel);
  const row = tables?.sessions.get(key);
  const place = choosePlace(job, row);
  if (place === null)
    return {
      item: notTaken(
        "session",
        key,
        "the conversation went on here, or this gateway has one of its own; openclaw sessions delete makes room",
      ),
      added: 0,
    };
  const fresh = messages.filter((message) => tables?.messages.byId(idOf(key, place, message)) === undefined);
  const details = [
    `${fresh.length} ${fresh.length === 1 ? "message" : "messages"}`,
    ...(left.size > 0 ? [`without ${formatLeft(left)}`] : []),
    ...problems.slice(0, 5),
    ...(problems.length > 5 ? [`and ${problems.length - 5} more`] : []),
  ];
  if (row && row.session_id === place && fresh.length === 0)
    return { item: present("session", key, ["it is here already", ...details.slice(1)].join("; ")), added: 0 };
  if (target.write) await target.store!.write(() => writeOne(job, { row, place, fresh }));
  return { item: taken("session", key, details.join("; ")), added: fresh.length };
}

const idOf = (key: string, place: string, { id }: OriginalMessage): string => toUuid(`${MARK}${key}|${place}|${id}`);

/** The id of the conversation that gets the messages; null: one of this gateway is there. */
function choosePlace({ session, key, tables, target }: Job, row: SessionRow | undefined): string | null {
  const own = UUID.test(session.sessionId) ? session.sessionId.toLowerCase() : toUuid(`${MARK}${key}|${session.sessionId}`);
  const later = toUuid(`${MARK}after-shadow|${key}|${own}`);
  if (!row) return own;
  const isUntouched = !hasOwnMessages(target.store!, row);
  if (row.session_id === later) return isUntouched || tables === null ? later : null;
  if (isUntouched) return own;
  return target.afterShadow ? later : null;
}

const hasOwnMessages = (store: Store, { key, session_id: id }: SessionRow): boolean =>
  store.get(
    "SELECT 1 AS found FROM messages WHERE session_key = ? AND session_id = ? AND (idempotency_key IS NULL OR idempotency_key NOT LIKE ?) LIMIT 1",
    key,
    id,
    `${MARK}%`,
  ) !== undefined;

type Write = { row: SessionRow | undefined; place: string; fresh: readonly OriginalMessage[] };

function writeOne({ session, key, tables, target }: Job, { row, place, fresh }: Write): void {
  const { sessions, messages } = tables!;
  const { channel, chatKind, createdAt, archivedAt, pinnedAt, label, title, category } = session;
  if (!row)
    sessions.ensure(key, { sessionId: place, agentId: toAgentId(session.agentId), chatKind, channel, now: createdAt || target.now });
  else if (row.session_id !== place) sessions.patch(key, toNewConversation(row, place));
  for (const message of fresh)
    messages.add({
      id: idOf(key, place, message),
      sessionKey: key,
      sessionId: place,
      runId: null,
      idempotencyKey: `${MARK}${message.id}`,
      at: message.at,
      body: message.body,
    });
  const lastAt = Math.max(row?.last_message_at ?? 0, 0, ...fresh.slice(-1).map(({ at }) => at));
  const updatedAt = Math.max(session.updatedAt, lastAt, row?.updated_at ?? 0);
  sessions.patch(key, {
    last_message_at: lastAt,
    updated_at: updatedAt,
    last_read_at: updatedAt,
    title: row?.title ?? title ?? titleOf(fresh),
    ...(label !== null && { label }),
    ...(category !== null && { category }),
    ...(archivedAt !== null && { archived: 1, archived_at: archivedAt }),
    ...(pinnedAt !== null && { pinned: 1, pinned_at: pinnedAt }),
    preview: previewOf(fresh) ?? row?.preview ?? null,
    // The agent's context is made from the messages.
    checkpoint: null,
  });
}

const textOf = ({ body }: OriginalMessage): string =>
  typeof body.content === "string" ? body.content : body.content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join(" ");

const titleOf = (messages: readonly OriginalMessage[]): string | null => {
  const first = messages.find(({ body }) => body.role === "user");
  return first === undefined ? null : textOf(first).trim().split("\n", 1)[0]!.slice(0, 80) || null;
};

const previewOf = (messages: readonly OriginalMessage[]): string | undefined => {
  const last = messages.findLast(({ body }) => body.role !== "toolResult");
  return last && textOf(last).slice(0, 160);
};
