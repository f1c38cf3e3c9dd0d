import { isAbsolute, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { readTextFile } from "../config/load.ts";
import { reasonOf } from "../core/errors.ts";
import { isAtOrBeneath } from "../core/files.ts";
import { asNumber, asString, fieldsOf, isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import { openForeignDatabase, type ForeignDatabase } from "../store/foreign-database.ts";
import { notTaken, type AdoptItem } from "./item.ts";
import { agentFolders, MAX_FILE_BYTES, namesIn, readJsonFile, type Original } from "./original.ts";
import { parseLines } from "./transcript.ts";

/** A conversation of the original. */
export type OriginalSession = {
  readonly key: string;
  readonly agentId: string;
  readonly sessionId: string;
  readonly channel: string;
  readonly chatKind: "direct" | "group" | "channel";
  readonly label: string | null;
  readonly title: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archivedAt: number | null;
  readonly pinnedAt: number | null;
  readonly category: string | null;
  /** Its events, oldest first, and what of them cannot be read. Throws when nothing can be. */
  readonly read: () => { events: readonly JsonObject[]; problems: readonly string[] };
};

export type ReadSessions = {
  readonly sessions: readonly OriginalSession[];
  readonly problems: readonly AdoptItem[];
  /** Ends the reading: databases are closed. */
  readonly close: () => void;
};

/** Largest event that a row may hold when it is unpacked; the original's own limit. */
const MAX_EVENT_BYTES = 4_194_304;

/** The conversations of every agent: of its database, and of the files that earlier releases kept. */
export function readSessions(original: Original): ReadSessions {
  const sessions = new Map<string, OriginalSession>();
  const problems: AdoptItem[] = [];
  const open: ForeignDatabase[] = [];
  const add = (found: readonly OriginalSession[]): void => {
    for (const each of found) if (!sessions.has(each.key)) sessions.set(each.key, each);
  };
  for (const agentId of agentFolders(original)) {
    const folder = join(original.dir, "agents", agentId);
    const path = join(folder, "agent", "openclaw-agent.sqlite");
    attempt(problems, `sessions of ${agentId} (${path})`, () => {
      const db = openForeignDatabase(path);
      if (db === null) return;
      open.push(db);
      add(fromDatabase(db, agentId));
    });
    add(readFolder(original, join(folder, "sessions"), agentId, problems));
  }
  add(readFolder(original, join(original.dir, "sessions"), "main", problems));
  return {
    sessions: [...sessions.values()].toSorted((a, b) => a.createdAt - b.createdAt),
    problems,
    close: () => open.forEach((db) => db.close()),
  };
}

/** What cannot be read costs only itself. */
export function attempt(problems: AdoptItem[], name: string, read: () => void, kind: AdoptItem["kind"] = "session"): void {
  try {
    read();
  } catch (err) {
    problems.push(notTaken(kind, name, reasonOf(err)));
  }
}

const kindOf = (entry: JsonObject, key: string): OriginalSession["chatKind"] => {
  const said = asString(entry["chatType"]) || asString(fieldsOf(entry["origin"])["chatType"]);
  if (said === "channel" || /:channel:/.test(key)) return "channel";
  return said === "group" || said === "room" || /:group:/.test(key) ? "group" : "direct";
};

const firstText = (...values: readonly unknown[]): string => values.map(asString).find((text) => text !== "") ?? "";

/** What an entry says about its session, whatever keeps it. */
function describe(key: string, agentId: string, entry: JsonObject): Omit<OriginalSession, "sessionId" | "read"> {
  const updatedAt = asNumber(entry["updatedAt"]) ?? asNumber(entry["lastInteractionAt"]) ?? 0;
  const delivery = fieldsOf(entry["delivery"]);
  const fromKey = /^agent:[^:]+:([a-z0-9-]+):(?:[^:]+:)?(?:direct|dm|group|channel):/i.exec(key)?.[1];
  const channel = firstText(
    fieldsOf(entry["deliveryContext"])["channel"],
    delivery["channel"],
    entry["lastChannel"],
    entry["channel"],
    fromKey,
  ).toLowerCase();
  return {
    key,
    agentId,
    channel: channel || "webchat",
    chatKind: kindOf(entry, key),
    label: firstText(entry["label"]).slice(0, 200) || null,
    title: firstText(entry["displayName"], entry["subject"]).slice(0, 200) || null,
    createdAt: asNumber(entry["createdAt"]) ?? asNumber(entry["sessionStartedAt"]) ?? updatedAt,
    updatedAt,
    archivedAt: asNumber(entry["archivedAt"]) ?? (entry["archived"] === true ? updatedAt : null),
    pinnedAt: asNumber(entry["pinnedAt"]) ?? (entry["pinned"] === true ? updatedAt : null),
    category: firstText(entry["category"]).slice(0, 100) || null,
  };
}

const NODE_COLUMNS = ["session_key", "current_session_id", "entry_json"] as const;
const EVENT_COLUMNS = ["session_id", "seq", "event_json"] as const;

function fromDatabase(db: ForeignDatabase, agentId: string): OriginalSession[] {
  if (!db.has("session_nodes", NODE_COLUMNS) || !db.has("transcript_events", EVENT_COLUMNS))
    throw new Error("its tables are not those that this gateway knows; it belongs to another release of OpenClaw");
  const rows = db.all<{ session_key: string; current_session_id: string; entry_json: string }>(
    "SELECT session_key, current_session_id, entry_json FROM session_nodes ORDER BY session_key",
  );
  return rows.map(({ session_key: key, current_session_id: sessionId, entry_json: text }) => {
    const entry = tryParseJson(text);
    return { ...describe(key, agentId, fieldsOf(entry)), sessionId, read: () => readRows(db, sessionId) };
  });
}

/** The events of the branch that is shown, where the database knows it; else all of them. */
function readRows(db: ForeignDatabase, sessionId: string): { events: JsonObject[]; problems: string[] } {
  const packed = db.has("transcript_events", ["event_zstd"]) ? "e.event_zstd" : "NULL";
  const isIndexed =
    db.has("session_transcript_active_events", ["session_id", "active_position", "event_seq"]) &&
    db.has("session_transcript_index_state", ["session_id", "indexed_seq", "needs_rebuild"]) &&
    db.all(
      "SELECT 1 FROM session_transcript_index_state WHERE session_id = ? AND needs_rebuild = 0 AND indexed_seq >= (SELECT max(seq) FROM transcript_events WHERE session_id = ?)",
      sessionId,
      sessionId,
    ).length > 0;
  const sql = isIndexed
    ? `SELECT e.seq, e.event_json AS text, ${packed} AS packed FROM session_transcript_active_events a JOIN transcript_events e ON e.session_id = a.session_id AND e.seq = a.event_seq WHERE a.session_id = ? ORDER BY a.active_position`
    : `SELECT e.seq, e.event_json AS text, ${packed} AS packed FROM transcript_events e WHERE e.session_id = ? ORDER BY e.seq`;
  const events: JsonObject[] = [];
  const problems: string[] = [];
  for (const { seq, text, packed: bytes } of db.each<{ seq: number; text: string | null; packed: Uint8Array | null }>(sql, sessionId)) {
    const event = tryParseJson(text ?? unpack(bytes));
    if (isObject(event)) events.push(event);
    else problems.push(`event ${seq} cannot be read`);
  }
  return { events, problems };
}

function unpack(bytes: Uint8Array | null): string {
  if (bytes === null) return "";
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: MAX_EVENT_BYTES }).toString("utf8");
  } catch {
    return ""; // Reported as an event that cannot be read.
  }
}

/** The list and the transcripts of earlier releases. A transcript without an entry is a conversation before a reset: it is named. */
function readFolder(original: Original, folder: string, agentId: string, problems: AdoptItem[]): OriginalSession[] {
  const list = join(folder, "sessions.json");
  let entries: JsonObject = {};
  attempt(problems, list, () => (entries = fieldsOf(readJsonFile(list))));
  const used = new Set<string>();
  const sessions = Object.entries(entries).flatMap(([key, value]): OriginalSession[] => {
    const entry = fieldsOf(value);
    const sessionId = asString(entry["sessionId"]);
    if (sessionId === "") {
      problems.push(notTaken("session", key, "its entry names no transcript"));
      return [];
    }
    const path = transcriptPath(original, folder, entry, sessionId);
    if (path === null) {
      problems.push(notTaken("session", key, "its transcript lies outside of the state directory"));
      return [];
    }
    used.add(path);
    return [{ ...describe(key, agentId, entry), sessionId, read: () => readLines(path) }];
  });
  for (const name of namesIn(folder))
    if (name.endsWith(".jsonl") && !used.has(join(folder, name)))
      problems.push(notTaken("session", join(folder, name), "no session names this transcript: it is an earlier or deleted conversation"));
  return sessions;
}

function transcriptPath({ dir }: Original, folder: string, entry: JsonObject, sessionId: string): string | null {
  const named = asString(entry["sessionFile"]);
  const path = named === "" ? join(folder, `${sessionId}.jsonl`) : isAbsolute(named) ? named : join(folder, named);
  return isAtOrBeneath(dir, path) || isAtOrBeneath(folder, path) ? path : null;
}

function readLines(path: string): { events: JsonObject[]; problems: string[] } {
  const file = readTextFile(path, MAX_FILE_BYTES);
  if ("problem" in file) throw new Error(file.problem);
  if (!("text" in file)) throw new Error(`its transcript ${path} does not exist`);
  const { events, damaged } = parseLines(file.text);
  return { events, problems: damaged.map((line) => `line ${line} is not JSON`) };
}
