/** What agents did, as `audit.details` has it, or without content as `audit.list`. */
import { signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

const PAGE_ROWS = 50;

export type AuditAuthority = { surface: string; channel: string; sender?: string; isOwner: boolean; client?: string };
export type AuditEvent = {
  eventId: string;
  occurredAt: number;
  kind: "agent_run" | "tool_action";
  status: string;
  agentId: string;
  sessionKey: string;
  toolName?: string;
  authority?: AuditAuthority;
  arguments?: string;
};
type Page = { events: readonly AuditEvent[]; nextCursor?: string };

/** Which events are shown. */
export type AuditFilter = "all" | "tools" | "blocked" | "failed";
export const FILTERS: Readonly<Record<AuditFilter, string>> = {
  all: "everything",
  tools: "calls of tools",
  blocked: "what was refused",
  failed: "what failed",
};

export const filter = signal<AuditFilter>("tools");
/** The newest first; null while nothing was read. */
export const events = signal<{ items: readonly AuditEvent[]; next: string | null } | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);

/** The params that a filter stands for. Pure. */
export function toParams(wanted: AuditFilter, cursor: string | null): Record<string, unknown> {
  const given = wanted === "all" ? {} : wanted === "tools" ? { kind: "tool_action" } : { status: wanted };
  return { limit: PAGE_ROWS, ...given, ...(cursor === null ? {} : { cursor }) };
}

/** For whom something was done, in words. Pure. */
export function authorityText({ surface, channel, sender, isOwner, client }: AuditAuthority): string {
  if (surface === "operator") return client ?? "an operator";
  return `${sender ?? "someone"} on ${channel}${isOwner ? " (owner)" : ""}`;
}

const STATUS_TEXT: Readonly<Record<string, string>> = {
  started: "Began",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Stopped",
  timed_out: "Took too long",
  blocked: "Refused",
  unknown: "End unknown",
};
export const statusText = (status: string): string => STATUS_TEXT[status] ?? status;

/** Reads the newest events. Never throws: `failed` says why there is nothing newer. */
export async function loadEvents(): Promise<void> {
  const wanted = filter.value;
  const page = await read(toParams(wanted, null));
  if (page !== null && filter.value === wanted) events.value = { items: page.events, next: page.nextCursor ?? null };
}

/** Reads the next older events. */
export async function loadOlderEvents(): Promise<void> {
  const known = events.value;
  if (known === null || known.next === null) return;
  const page = await read(toParams(filter.value, known.next));
  if (page !== null && events.value === known) events.value = { items: [...known.items, ...page.events], next: page.nextCursor ?? null };
}

export function chooseFilter(wanted: AuditFilter): void {
  filter.value = wanted;
  events.value = null;
  void loadEvents();
}

async function read(params: Record<string, unknown>): Promise<Page | null> {
  if (!store.isOnline.value) return null;
  try {
    const method = store.mayAdminister.value ? "audit.details" : "audit.list";
    const page = await requireClient().request<Page>(method, params);
    failed.value = null;
    return page;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
    return null;
  }
}
