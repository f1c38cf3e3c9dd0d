import { existsSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { ProtocolClient } from "../../src/client/client.ts";
import { textOf as modelText } from "../model-server.ts";
import { markersIn, type MessageLedger } from "./message-ledger.ts";
import { BOT, PERSON, type CrashBench } from "./crash-bench.ts";

type HistoryRow = { role: string; idempotencyKey?: string; __openclaw: { seq: number } };

/** At the first connect of a life: every acknowledged message is in the transcript once, and none is there twice. */
export async function checkHistory(client: ProtocolClient, ledger: MessageLedger): Promise<void> {
  const acked = ledger.all("acked").filter((entry) => entry.session !== "");
  for (const session of new Set(acked.map((entry) => (entry.via === "http" ? `http-${entry.session}` : entry.session)))) {
    const messages = await fetchHistory(client, session);
    const seen = countByState(messages.filter((row) => row.role === "user").map((row) => row.idempotencyKey ?? ""));
    for (const entry of ledger.entries.values()) {
      if ((entry.via === "http" ? `http-${entry.session}` : entry.session) !== session) continue;
      const times = seen.get(`${entry.key}:user`) ?? 0;
      if (times > 1) ledger.reportViolation(`${entry.key}: ${times} times in the history`);
      if (times === 0 && entry.state === "acked")
        ledger.reportViolation(`${entry.key}: acknowledged, but not in the history at the first connect`);
    }
  }
}

/** A long transcript comes in pages, counted from its end: what is added meanwhile makes them overlap, so rows are told apart by `seq`. */
async function fetchHistory(client: ProtocolClient, sessionKey: string): Promise<HistoryRow[]> {
  const rows = new Map<number, HistoryRow>();
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const page: { messages: HistoryRow[]; nextOffset?: number } = await client.request("chat.history", {
      sessionKey,
      limit: 1_000,
      offset,
    });
    for (const row of page.messages) rows.set(row.__openclaw.seq, row);
    offset = page.nextOffset;
  }
  return [...rows.values()];
}

type RunRow = {
  run_id: string;
  channel: string;
  payload: string;
  state: string;
  tools_started: number;
  received_at: number;
  started_at: number | null;
  ended_at: number | null;
  outcome: string | null;
};
type PartRow = { part_key: string; run_id: string | null; state: string; target: string; text: string };
type MessageCount = { run_id: string; users: number; finals: number };

export type FinalState = {
  runs: Record<string, number>;
  parts: Record<string, number>;
  toolRuns: number;
  /** For each run that an earlier life had left open: what it took from the start of the life in which it ended. */
  resumeMs: number[];
  /** For each run that a kill of the agent host has hit: what it took from then to its end, unless the gateway was killed meanwhile. */
  hostWaitMs: number[];
};

/** When everything is over and the process gone: the store, the IRC server, the model and the tools agree. */
export function checkFinalState(
  world: CrashBench,
  ledger: MessageLedger,
  starts: readonly number[],
  reported: ReadonlySet<string>,
  hostKills: readonly number[] = [],
): FinalState {
  const db = new DatabaseSync(world.database, { readOnly: true });
  try {
    const runs = db.prepare("SELECT * FROM inbox").all() as RunRow[];
    const parts = db.prepare("SELECT * FROM outbox").all() as PartRow[];
    const counts = db
      .prepare(
        `SELECT run_id, sum(role = 'user') AS users, sum(idempotency_key = run_id || ':assistant') AS finals
         FROM messages WHERE run_id IS NOT NULL GROUP BY run_id`,
      )
      .all() as MessageCount[];
    checkRuns(runs, new Map(counts.map((row) => [row.run_id, row])), ledger);
    checkParts(world, runs, parts, ledger, reported);
    for (const row of runs)
      for (const ms of resumeMs(row, starts))
        if (ms > STUCK_MS) ledger.reportViolation(`${row.run_id}: ended ${ms} ms after the start (${JSON.stringify(row)})`);
    const hostWaitMs = waitsAfterHostKills(runs, hostKills, starts);
    for (const ms of hostWaitMs) if (ms > STUCK_MS) ledger.reportViolation(`a run ended ${ms} ms after its agent host was killed`);
    const toolRuns = checkTools(world, runs, ledger);
    if (world.asks) checkApprovals(db, world, ledger);
    checkModel(world, ledger);
    return {
      runs: Object.fromEntries(countByState(runs.map((row) => row.state))),
      parts: Object.fromEntries(countByState(parts.map((row) => row.state))),
      toolRuns,
      resumeMs: runs.flatMap((row) => resumeMs(row, starts)),
      hostWaitMs,
    };
  } finally {
    db.close();
  }
}

/** The promise is 2 s on an idle machine with nothing else to do. Beyond this something has hung. */
const STUCK_MS = 20_000;

function resumeMs(row: RunRow, starts: readonly number[]): number[] {
  const { ended_at: endedAt, received_at: receivedAt } = row;
  if (endedAt === null || row.state === "parked") return [];
  const start = starts.findLast((at) => at <= endedAt);
  return start !== undefined && receivedAt < start ? [endedAt - start] : [];
}

/** A run was hit when its turn had started before the kill and ended after it. */
function waitsAfterHostKills(runs: readonly RunRow[], kills: readonly number[], starts: readonly number[]): number[] {
  return kills.flatMap((at) =>
    runs.flatMap(({ started_at: startedAt, ended_at: endedAt }) => {
      if (startedAt === null || endedAt === null || startedAt > at || endedAt < at) return [];
      return starts.some((start) => start > at && start <= endedAt) ? [] : [endedAt - at];
    }),
  );
}

const OVER = new Set(["done", "failed", "aborted", "merged", "parked"]);

function checkRuns(runs: readonly RunRow[], counts: ReadonlyMap<string, MessageCount>, ledger: MessageLedger): void {
  const byId = new Map(runs.map((row) => [row.run_id, row]));
  for (const row of runs) {
    const count = counts.get(row.run_id) ?? { users: 0, finals: 0 };
    if (!OVER.has(row.state) || row.outcome === null)
      ledger.reportViolation(`${row.run_id}: left as ${row.state} with nothing to come (${JSON.stringify(row).slice(0, 900)})`);
    if (count.users !== 1) ledger.reportViolation(`${row.run_id}: ${count.users} user messages`);
    if (count.finals > 1) ledger.reportViolation(`${row.run_id}: ${count.finals} final answers`);
    if (row.state === "done" && count.finals === 0) ledger.reportViolation(`${row.run_id}: done without an answer`);
  }
  const texts = countByState(runs.map((row) => (JSON.parse(row.payload) as { text: string }).text).filter((text) => text !== "/stop"));
  for (const [text, times] of texts) if (times > 1) ledger.reportViolation(`admitted ${times} times: ${text}`);
  for (const entry of ledger.entries.values()) {
    const row = byId.get(entry.key);
    if (!row && entry.state === "acked") ledger.reportViolation(`${entry.key}: acknowledged, but not in the store`);
    if (row && entry.state === "refused") ledger.reportViolation(`${entry.key}: refused, but in the store`);
    const told = entry.outcome?.status;
    const stored = row?.outcome ? (JSON.parse(row.outcome) as { status: string; text: string }) : null;
    if (told && stored && told !== stored.status) ledger.reportViolation(`${entry.key}: told ${told}, stored ${stored.status}`);
    const text = entry.outcome?.text ?? null;
    if (text !== null && stored && text !== stored.text && row?.state !== "merged")
      ledger.reportViolation(`${entry.key}: told ${JSON.stringify(text)}, stored ${JSON.stringify(stored.text)}`);
  }
}

/** What the person and the room read, against what the outbox says: never more than was sent or may have been sent. */
function checkParts(
  world: CrashBench,
  runs: readonly RunRow[],
  parts: readonly PartRow[],
  ledger: MessageLedger,
  reported: ReadonlySet<string>,
): void {
  if (!world.irc) return;
  const heard = countByState(
    world.irc.peer
      .said()
      .filter((line) => line.from === BOT)
      .map((line) => `${line.to === PERSON ? "" : line.to}|${line.text}`),
  );
  const expected = new Map<string, { least: number; most: number }>();
  for (const part of parts) {
    if (part.state === "queued" || part.state === "attempting") ledger.reportViolation(`${part.part_key}: left as ${part.state}`);
    if ((part.state === "unknown" || part.state === "parked") && !reported.has(`out:${part.part_key}`))
      ledger.reportViolation(`${part.part_key}: ${part.state}, and not among the dead letters`);
    const { chat } = JSON.parse(part.target) as { chat: { kind: string; id: string } };
    for (const line of part.text.split("\n").filter((text) => text.trim() !== "")) {
      const key = `${chat.kind === "direct" ? "" : chat.id}|${line.trim()}`;
      const range = expected.get(key) ?? { least: 0, most: 0 };
      if (part.state === "sent") range.least++;
      if (part.state === "sent" || part.state === "unknown") range.most++;
      expected.set(key, range);
    }
  }
  for (const [key, { least, most }] of expected) {
    const times = heard.get(key) ?? 0;
    if (times < least || times > most) ledger.reportViolation(`heard ${times} times instead of ${least} to ${most}: ${key}`);
  }
  for (const key of heard.keys()) if (!expected.has(key)) ledger.reportViolation(`heard, but never in the outbox: ${key}`);
  const withParts = new Set(parts.map((part) => part.run_id));
  for (const row of runs) {
    const { target } = JSON.parse(row.payload) as { target: unknown };
    const speaks = row.state === "done" || row.state === "failed" || row.state === "parked";
    if (target && speaks && !withParts.has(row.run_id))
      ledger.reportViolation(`${row.run_id}: ${row.state}, but its answer was never in the outbox`);
  }
}

const toolLines = (world: CrashBench): string[] =>
  existsSync(world.toolLog) ? readFileSync(world.toolLog, "utf8").split("\n").filter(Boolean) : [];

function checkTools(world: CrashBench, runs: readonly RunRow[], ledger: MessageLedger): number {
  const lines = toolLines(world);
  const ran = countByState(lines);
  for (const [marker, times] of ran) if (times > 1) ledger.reportViolation(`the tool of ${marker} ran ${times} times`);
  const byId = new Map(runs.map((row) => [row.run_id, row]));
  for (const entry of ledger.entries.values()) {
    const wants = entry.text.startsWith("tool:");
    if (wants && byId.get(entry.key)?.state === "done" && !ran.has(entry.marker))
      ledger.reportViolation(`${entry.key}: done, but its tool never ran`);
  }
  return lines.length;
}

type ApprovalStateRow = { id: string; status: string; subject: string; used_at: number | null };

/** No question is left, none was used without an agreement, and each tool that ran was agreed to: an approval covers one run. */
function checkApprovals(db: DatabaseSync, world: CrashBench, ledger: MessageLedger): void {
  const rows = db.prepare("SELECT id, status, subject, used_at FROM approvals").all() as ApprovalStateRow[];
  const used = new Map<string, number>();
  for (const { id, status, subject, used_at: usedAt } of rows) {
    if (status === "pending") ledger.reportViolation(`the approval ${id} still waits`);
    if (usedAt !== null && status !== "allowed") ledger.reportViolation(`the approval ${id} is ${status}, and was used`);
    if (usedAt === null) continue;
    for (const marker of markersIn((JSON.parse(subject) as { commandText: string }).commandText))
      used.set(marker, (used.get(marker) ?? 0) + 1);
  }
  for (const marker of toolLines(world))
    if (!used.has(marker)) ledger.reportViolation(`the tool of ${marker} ran, and no approval of it was used`);
}

/** No message is in what the model is asked twice. */
function checkModel(world: CrashBench, ledger: MessageLedger): void {
  for (const request of world.model.requests()) {
    const said = request.messages
      .filter((message) => message.role === "user")
      .flatMap((message) => [...new Set(markersIn(modelText(message)))]);
    for (const [marker, times] of countByState(said))
      if (times > 1) ledger.reportViolation(`the model was shown ${marker} ${times} times in one request`);
  }
}

export function countByState<T>(items: Iterable<T>): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}
