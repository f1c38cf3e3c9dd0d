import { detailError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { Timeline } from "../core/timeline.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { Audit } from "../store/audit.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { Messages } from "../store/messages.ts";
import type { Outbox } from "../store/outbox.ts";
import type { Sessions } from "../store/sessions.ts";
import type { Turns } from "../turns/create-turns.ts";
import type { Payload } from "../turns/submission.ts";
import { toTimeline } from "../turns/timeline.ts";

export type TimelineDeps = {
  inbox: Pick<Inbox, "byRun" | "listNewest">;
  outbox: Pick<Outbox, "byRun">;
  messages: Pick<Messages, "byId" | "tail">;
  sessions: Pick<Sessions, "get">;
  audit: Pick<Audit, "list">;
  runs: Pick<Turns["runs"], "stagesOf">;
  /** The session that a client means. */
  resolveKey: (key: string, agentId?: string) => { key: Parameters<Sessions["get"]>[0] };
};

/** sessions.timeline: what became of one message, stage by stage. */
export function timelineMethods(deps: TimelineDeps) {
  return { "sessions.timeline": { scope: "operator.read", run: (params) => timelineOf(deps, params) } } satisfies MethodTable;
}

function timelineOf(
  deps: TimelineDeps,
  params: MethodParams<"sessions.timeline">,
): { message: Record<string, unknown>; timeline: Timeline } {
  const { inbox, outbox, audit, runs } = deps;
  const message = findMessage(deps, params);
  const run = (message.mergedInto === null ? undefined : inbox.byRun<Payload>(message.mergedInto)) ?? message;
  const timeline = toTimeline({
    message,
    run,
    running: runs.stagesOf(run.runId),
    audit: audit.list({ runId: run.runId, limit: LIMITS.stageSteps }).toReversed(),
    parts: outbox.byRun(run.runId),
  });
  return { message: toWireMessage(message), timeline };
}

/** By the id of its run or of one of its messages; without an id, the last one of the session or of all. */
function findMessage(deps: TimelineDeps, { id, key, agentId }: MethodParams<"sessions.timeline">): InboxRow<Payload> {
  const { inbox, messages } = deps;
  if (id === undefined) return key === undefined ? newest(deps) : newestOf(deps, key, agentId);
  const named = inbox.byRun<Payload>(id) ?? rowOfRun(deps, messages.byId(id)?.runId ?? null);
  if (named) return named;
  throw detailError("MESSAGE_NOT_FOUND", `no message or run has the id ${JSON.stringify(clip(id, 120))}`, {
    fix: "`openclaw trace` without an id shows the last message; `openclaw audit` lists runs. What ended long ago is removed.",
  });
}

const rowOfRun = ({ inbox }: TimelineDeps, runId: string | null): InboxRow<Payload> | undefined =>
  runId === null ? undefined : inbox.byRun<Payload>(runId);

function newest({ inbox }: TimelineDeps): InboxRow<Payload> {
  const [row] = inbox.listNewest<Payload>(1);
  if (row) return row;
  throw detailError("MESSAGE_NOT_FOUND", "there are no messages yet", { fix: "Send one, for example with `openclaw chat`." });
}

function newestOf(deps: TimelineDeps, name: string, agentId: string | undefined): InboxRow<Payload> {
  const { key } = deps.resolveKey(name, agentId);
  const session = deps.sessions.get(key);
  if (!session) throw detailError("SESSION_NOT_FOUND", `there is no session ${key}`);
  const tail = deps.messages.tail(key, session.session_id, { limit: LIMITS.stageSteps });
  const rows = tail.toReversed().flatMap((message) => (message.runId === null ? [] : [message.runId]));
  for (const runId of new Set(rows)) {
    const row = rowOfRun(deps, runId);
    if (row) return row;
  }
  throw detailError("MESSAGE_NOT_FOUND", `the session ${key} has no message whose stages are known`, { fix: "Send one and ask again." });
}

function toWireMessage({ runId, channel, account, sessionKey, agentId, payload }: InboxRow<Payload>): Record<string, unknown> {
  const { senderId, senderName, roomName } = payload?.provenance ?? {};
  return {
    runId,
    channel: payload?.provenance.channel ?? channel,
    account,
    agentId,
    sessionKey,
    text: clip(payload?.text ?? "", LIMITS.timelineTextChars),
    ...(senderId !== undefined && { senderId }),
    ...(senderName !== undefined && { senderName }),
    ...(roomName !== undefined && { roomName }),
    // The words of a damaged row are gone.
    ...(payload === null && { damaged: true }),
  };
}
