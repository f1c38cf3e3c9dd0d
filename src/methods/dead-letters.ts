import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type RunId } from "../core/ids.ts";
import type { MethodTable } from "../protocol/method.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { Outbox, OutboxPart } from "../store/outbox.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { Turns } from "../turns/create-turns.ts";
import { conversationOf } from "../turns/outbound.ts";
import type { Payload } from "../turns/submission.ts";

export type DeadLettersDeps = {
  lanes: Pick<Turns["lanes"], "retry">;
  store: Store;
  inbox: Inbox;
  outbox: Outbox;
  clock: Clock;
  /** Called when parts for a conversation wait to be sent. */
  deliver: (conversation: string) => void;
  /** Reads an event again that could not be read, and admits it in its place. */
  reread: (row: InboxRow<Payload>) => Promise<void>;
};

const LIST_LIMIT = 500;

/** deadletters.*: messages that could not be run and replies with an unknown outcome, until an operator decides. */
export function deadLetterMethods(deps: DeadLettersDeps) {
  return {
    "deadletters.list": { scope: "operator.read", run: () => ({ items: list(deps) }) },
    "deadletters.show": { scope: "operator.read", run: ({ id }: { id: string }) => ({ item: find(deps, id, true) }) },
    "deadletters.retry": { scope: "operator.admin", run: ({ id }: { id: string }) => retry(deps, id) },
    "deadletters.drop": { scope: "operator.admin", run: ({ id }: { id: string }) => drop(deps, id) },
  } satisfies MethodTable;
}

function list({ inbox, outbox }: DeadLettersDeps): unknown[] {
  return [
    ...inbox.listDeadLetters<Payload>(LIST_LIMIT).map((row) => toInboundItem(row, false)),
    ...outbox.byState("parked", LIST_LIMIT).map((part) => toOutboundItem(part, false)),
    ...outbox.byState("unknown", LIST_LIMIT).map((part) => toOutboundItem(part, false)),
  ];
}

function toInboundItem(row: InboxRow<Payload>, whole: boolean): Record<string, unknown> {
  const text = row.payload?.raw?.text ?? row.payload?.text ?? "";
  return {
    id: `in:${row.runId}`,
    kind: "inbound",
    state: row.state,
    channel: row.payload?.provenance.channel ?? row.channel,
    account: row.account,
    sessionKey: row.sessionKey,
    at: row.receivedAt,
    attempts: row.attempts,
    cause: row.outcome?.error?.message ?? "the session had too many messages waiting",
    text: whole ? text : text.slice(0, 120),
    ...(whole ? { payload: row.payload } : {}),
  };
}

function toOutboundItem(part: OutboxPart, whole: boolean): Record<string, unknown> {
  const target = part.target as ReplyTarget;
  return {
    id: `out:${part.partKey}`,
    kind: "outbound",
    state: part.state,
    channel: target.channel,
    account: target.account,
    to: target.chat.id,
    sessionKey: part.sessionKey,
    at: part.createdAt,
    attempts: part.attempts,
    cause: part.cause,
    text: whole ? part.text : part.text.slice(0, 120),
    ...(whole ? { target } : {}),
  };
}

type FoundDeadLetter = { kind: "in"; row: InboxRow<Payload> } | { kind: "out"; part: OutboxPart };

function lookUp({ inbox, outbox }: DeadLettersDeps, id: string): FoundDeadLetter {
  const row = id.startsWith("in:") ? inbox.byRun<Payload>(id.slice(3)) : undefined;
  if (row?.state === "parked") return { kind: "in", row };
  const part = id.startsWith("out:") ? outbox.get(id.slice(4)) : undefined;
  if (part && (part.state === "parked" || part.state === "unknown")) return { kind: "out", part };
  throw new GatewayError("INVALID_REQUEST", `there is no dead letter ${JSON.stringify(id.slice(0, 120))}`, {
    fix: "`openclaw dead-letters list` shows them.",
  });
}

function find(deps: DeadLettersDeps, id: string, whole: boolean): unknown {
  const found = lookUp(deps, id);
  return found.kind === "in" ? toInboundItem(found.row, whole) : toOutboundItem(found.part, whole);
}

async function retry(deps: DeadLettersDeps, id: string): Promise<unknown> {
  const found = lookUp(deps, id);
  const { clock, deliver, lanes, outbox, reread, store } = deps;
  if (found.kind === "in") {
    if (found.row.payload?.raw) await reread(found.row);
    else await lanes.retry(asId<RunId>(found.row.runId));
    return { ok: true, id };
  }
  await store.write(() => outbox.settle(found.part.partKey, "queued", clock.now(), { cause: "sent again by an operator" }));
  deliver(conversationOf(found.part.target as ReplyTarget));
  return { ok: true, id };
}

async function drop(deps: DeadLettersDeps, id: string): Promise<unknown> {
  const found = lookUp(deps, id);
  const { store, outbox, inbox, clock } = deps;
  await store.write(() => {
    const now = clock.now();
    if (found.kind === "out") outbox.settle(found.part.partKey, "dropped", now, { cause: "dropped by an operator" });
    else inbox.end(found.row.runId, "dropped", { status: "aborted", text: "", stopReason: "aborted", endedAt: now });
  });
  return { ok: true, id };
}
