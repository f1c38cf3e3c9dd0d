/** What was decided about commands before: earlier questions, and the programs that are always allowed. */
import { signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { AllowedProgram, ApprovalSnapshot } from "./approval-model.ts";

const HISTORY_ROWS = 20;

export type AllowlistEntry = AllowedProgram & { id?: string; commandText?: string; lastUsedAt?: number };
/** The document of `exec.approvals.get`; parts that the page does not show are kept as they are. */
export type AllowlistDocument = {
  version: number;
  agents?: Readonly<Record<string, { allowlist?: readonly AllowlistEntry[] } & Record<string, unknown>>>;
} & Record<string, unknown>;
type AllowlistAnswer = { hash: string; file: AllowlistDocument };
type HistoryPage = { items: readonly ApprovalSnapshot[]; nextCursor?: string };

/** Newest first; null while nothing was read. */
export const history = signal<{ items: readonly ApprovalSnapshot[]; next: string | null } | null>(null);
export const allowlist = signal<AllowlistAnswer | null>(null);
/** What people have allowed for some time, which is not over; `cronJobName` is what a grant is bound to. */
export type Grant = {
  grantId: string;
  agentId: string;
  cronJobName: string | null;
  command: string;
  cwd: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  revokedAtMs: number | null;
  useCount: number;
};
export const grants = signal<readonly Grant[] | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);

/** The newest page before what is known. Where they do not meet, only the page is certain. Pure. */
export function mergeHistory(known: typeof history.value, page: HistoryPage): NonNullable<typeof history.value> {
  const next = page.nextCursor ?? null;
  const ids = new Set(page.items.map(({ id }) => id));
  const meets = known?.items.some(({ id }) => ids.has(id)) === true;
  if (!meets || next === null) return { items: page.items, next };
  return { items: [...page.items, ...known!.items.filter(({ id }) => !ids.has(id))], next: known!.next };
}

const readHistory = (cursor: string | null): Promise<HistoryPage> =>
  requireClient().request<HistoryPage>("approval.history", { limit: HISTORY_ROWS, ...(cursor === null ? {} : { cursor }) });

const readAllowlist = (): Promise<AllowlistAnswer> => requireClient().request<AllowlistAnswer>("exec.approvals.get", {});

/** Reads the newest part of the history again, and for administrators the allowlist. Never throws: `failed` says why there is nothing newer. */
export async function loadRecords(): Promise<void> {
  await attempt(async () => {
    const [page, allowed, held] = await Promise.all([
      readHistory(null),
      store.mayAdminister.value ? readAllowlist() : null,
      requireClient().request<{ grants: readonly Grant[] }>("exec.approval.grants.list", { limit: 500 }),
    ]);
    history.value = mergeHistory(history.value, page);
    grants.value = held.grants;
    allowlist.value = allowed;
  });
}

/** Those that hold at a time. Pure. */
export const heldGrants = (all: readonly Grant[], now: number): readonly Grant[] =>
  all.filter(({ revokedAtMs, expiresAtMs }) => revokedAtMs === null && expiresAtMs > now);

/** Ends a grant: the next such command is asked about again. */
export async function revokeGrant(grantId: string): Promise<void> {
  try {
    await requireClient().request("exec.approval.grants.revoke", { grantId });
    await loadRecords();
  } catch (error) {
    store.showToast(`Not ended: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
  }
}

/** Reads the next older part of the history. */
export async function loadOlderHistory(): Promise<void> {
  const known = history.value;
  if (known === null || known.next === null) return;
  await attempt(async () => {
    const page = await readHistory(known.next);
    if (history.value === known) history.value = { items: [...known.items, ...page.items], next: page.nextCursor ?? null };
  });
}

async function attempt(read: () => Promise<void>): Promise<void> {
  if (!store.isOnline.value) return;
  try {
    await read();
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

const isSameEntry = (a: AllowedProgram, b: AllowedProgram): boolean => a.pattern === b.pattern && a.argPattern === b.argPattern;

/** The document without one entry of an agent. Pure. */
export function withoutEntry(document: AllowlistDocument, agentId: string, entry: AllowedProgram): AllowlistDocument {
  const section = document.agents?.[agentId];
  if (section === undefined) return document;
  const kept = (section.allowlist ?? []).filter((each) => !isSameEntry(each, entry));
  return { ...document, agents: { ...document.agents, [agentId]: { ...section, allowlist: kept } } };
}

/** Every entry with its agent, in the order of the document. Pure. */
export const toEntries = ({ agents = {} }: AllowlistDocument): readonly { agentId: string; entry: AllowlistEntry }[] =>
  Object.entries(agents).flatMap(([agentId, { allowlist: entries = [] }]) => entries.map((entry) => ({ agentId, entry })));

/** Takes an entry off the list. When the list was changed meanwhile, it is read again and the entry is taken off the new one. */
export async function removeEntry(agentId: string, entry: AllowedProgram): Promise<void> {
  try {
    const known = allowlist.value ?? (await readAllowlist());
    allowlist.value = await writeWithout(known, agentId, entry).catch(async (error: unknown) => {
      if (!isChanged(error)) throw error;
      return await writeWithout(await readAllowlist(), agentId, entry);
    });
  } catch (error) {
    store.showToast(`Not removed: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
  }
}

const isChanged = (error: unknown): boolean => error instanceof RequestError && error.details["code"] === "APPROVALS_CHANGED";

const writeWithout = ({ file, hash }: AllowlistAnswer, agentId: string, entry: AllowedProgram): Promise<AllowlistAnswer> =>
  requireClient().request<AllowlistAnswer>("exec.approvals.set", { file: withoutEntry(file, agentId, entry), baseHash: hash });
