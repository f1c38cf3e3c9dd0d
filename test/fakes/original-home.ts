// A state directory of OpenClaw as its releases write it: facts about their files, written here.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, lstatSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";

export const MAIN_SESSION = "50305013-1d2b-4995-85a6-eff2bf2a54d2";
const GROUP_SESSION = "0a8f4a55-5a1e-4ac3-9f5c-3d4a1f1e2b11";
const WORK_SESSION = "7b1f4a55-5a1e-4ac3-9f5c-3d4a1f1e2b22";
export const DAILY_JOB = "df3e46e0-49f1-47c5-8029-1769722da3b6";
export const KEY = "sk-ant-canary-0123456789";

type Event = Record<string, unknown>;
const T0 = Date.parse("2026-11-20T10:00:00Z");

/** A conversation as events: a person and the agent in turn. */
export function talk(sessionId: string, texts: readonly string[]): Event[] {
  const events: Event[] = [{ type: "session", version: 3, id: sessionId, timestamp: new Date(T0).toISOString(), cwd: "/tmp" }];
  texts.forEach((text, index) => {
    const at = T0 + index * 1_000;
    const isUser = index % 2 === 0;
    events.push({
      type: "message",
      id: `${sessionId.slice(0, 4)}-${index}`,
      parentId: index === 0 ? null : `${sessionId.slice(0, 4)}-${index - 1}`,
      timestamp: new Date(at).toISOString(),
      message: isUser
        ? { role: "user", content: text, timestamp: at }
        : { role: "assistant", content: [{ type: "text", text }], provider: "test", model: "echo", stopReason: "stop", timestamp: at },
    });
  });
  return events;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const lines = (events: readonly Event[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join("");

/** The files of earlier releases, for the agent main; the database of later ones, for the agent work. */
export function writeOriginal(dir: string, config: object): void {
  write(join(dir, "openclaw.json"), `// of the original\n${JSON.stringify(config, null, 2)}\n`);
  const sessions = join(dir, "agents", "main", "sessions");
  write(
    join(sessions, "sessions.json"),
    JSON.stringify({
      "agent:main:main": { sessionId: MAIN_SESSION, updatedAt: T0 + 9_000, lastChannel: "webchat", displayName: "Holidays" },
      "agent:main:irc:group:#team": { sessionId: GROUP_SESSION, updatedAt: T0 + 5_000, chatType: "group", lastChannel: "irc" },
      "agent:main:lost": { sessionId: "gone", updatedAt: T0 },
    }),
  );
  write(join(sessions, `${MAIN_SESSION}.jsonl`), lines(talk(MAIN_SESSION, ["Where do we go?", "To the sea.", "And then?", "Home."])));
  write(join(sessions, `${GROUP_SESSION}.jsonl`), `${lines(talk(GROUP_SESSION, ["hello team", "hello"]))}{"type":"mess`);
  write(join(sessions, "old.jsonl"), lines(talk("old", ["earlier"])));
  write(join(dir, "agents", "main", "agent", "auth-profiles.json"), JSON.stringify({ version: 1, profiles: PROFILES }));
  write(join(dir, "credentials", "irc-allowFrom.json"), JSON.stringify({ version: 1, allowFrom: ["bob", "*"] }));
  write(join(dir, "credentials", "whatsapp", "default", "creds.json"), "{}");
  write(join(dir, "workspace", "AGENTS.md"), "Be kind.\n");
  write(join(dir, "workspace", ".git", "HEAD"), "ref: refs/heads/main\n");
  write(join(dir, "cron", "jobs.json"), JSON.stringify({ version: 1, jobs: JOBS }));
  writeDatabase(join(dir, "agents", "work", "agent", "openclaw-agent.sqlite"));
}

const PROFILES = {
  "anthropic:default": { type: "api_key", provider: "anthropic", key: KEY },
  "openai:me": { type: "oauth", provider: "openai", access: "x", refresh: "y", expires: 1 },
};

const JOBS = [
  {
    id: DAILY_JOB,
    name: "daily",
    enabled: true,
    createdAtMs: T0,
    updatedAtMs: T0,
    schedule: { kind: "cron", expr: "0 9 * * *", tz: "Europe/Berlin" },
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message: "Say good morning" },
    state: {},
  },
  {
    id: "b",
    name: "watcher",
    enabled: true,
    schedule: { kind: "on-exit", command: "make" },
    sessionTarget: "main",
    payload: { kind: "systemEvent", text: "x" },
  },
];

/** The tables that hold conversations in later releases, with an event that is packed. */
function writeDatabase(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode=WAL;
    CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT NOT NULL, entry_json TEXT NOT NULL) STRICT;
    CREATE TABLE transcript_events (session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, event_zstd BLOB, PRIMARY KEY (session_id, seq)) STRICT`);
  const entry = JSON.stringify({ sessionId: WORK_SESSION, updatedAt: T0 + 2_000, delivery: { kind: "none" } });
  db.prepare("INSERT INTO session_nodes VALUES (?, ?, ?)").run("agent:work:main", WORK_SESSION, entry);
  talk(WORK_SESSION, ["plan the week", "Monday first."]).forEach((event, seq) => {
    const text = JSON.stringify(event);
    db.prepare("INSERT INTO transcript_events VALUES (?, ?, ?, ?)").run(
      WORK_SESSION,
      seq,
      seq === 2 ? null : text,
      seq === 2 ? zstdCompressSync(text) : null,
    );
  });
  db.close();
}

/** Names, contents, modes and times of all files of a directory. */
export function fingerprint(dir: string): string {
  const hash = createHash("sha256");
  const add = (path: string): void => {
    const { mode, mtimeMs, size } = lstatSync(path);
    hash.update(`${path}|${mode}|${mtimeMs}|${size}\n`);
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path).toSorted()) add(join(path, name));
    else hash.update(readFileSync(path));
  };
  add(dir);
  return hash.digest("hex");
}
