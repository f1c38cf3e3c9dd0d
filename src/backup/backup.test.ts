// Group: wire
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { ZipReader, ZipWriter } from "../core/zip.ts";
import { copyStore } from "../store/copy.ts";
import { createMessages } from "../store/messages.ts";
import { openStore, type Store } from "../store/open.ts";
import { createSessions } from "../store/sessions.ts";
import { backupName, listBackups, nextBackupAt, pruneBackups } from "./list.ts";
import { MANIFEST_NAME, type BackupManifest } from "./manifest.ts";
import { packBackup, type PackJob } from "./pack.ts";
import { restoreBackup } from "./restore.ts";
import { verifyBackup } from "./verify.ts";

const home = mkdtempSync(join(tmpdir(), "backup-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;
const SECRET = "sk-canary-0123456789";
const COPY = { pages: 4, syncBytes: 65_536, attempts: 50, signal: new AbortController().signal };

function addMessage(store: Store, id: string): void {
  createSessions(store).ensure(asId("agent:main:main"), {
    sessionId: "s",
    agentId: asId("main"),
    chatKind: "direct",
    channel: "webchat",
    now: 1,
  });
  createMessages(store).add({
    id,
    sessionKey: asId("agent:main:main"),
    sessionId: "s",
    runId: null,
    idempotencyKey: null,
    at: 1,
    body: { role: "user", content: `message ${id} ${"x".repeat(500)}`, provenance: { channel: "webchat", senderIsOwner: true } },
  });
}

type Bench = { state: string; store: Store; job: (more?: Partial<PackJob>) => Promise<PackJob>; close: () => void };

/** A state directory with messages, media, credentials and a workspace. */
async function bench(): Promise<Bench> {
  const state = join(home, String(++made));
  const gateway = join(state, "gateway");
  mkdirSync(join(gateway, "media"), { recursive: true });
  mkdirSync(join(gateway, "logs"));
  mkdirSync(join(state, "workspace/notes"), { recursive: true });
  const store = openStore({ dir: gateway, log: silentLog });
  await store.write(() => {
    for (let n = 0; n < 200; n++) addMessage(store, `m${n}`);
    store.run("INSERT INTO vault (channel, account, key, value) VALUES ('irc', 'a', 'k', ?)", Buffer.from(SECRET));
  });
  writeFileSync(
    join(state, "openclaw.json"),
    `{ // kept\n "models": { "providers": { "p": { "apiKey": "${SECRET}", "baseUrl": "http://localhost:1" } } } }`,
  );
  writeFileSync(join(gateway, "token"), SECRET);
  writeFileSync(join(gateway, "media", "a".repeat(64)), "picture");
  writeFileSync(join(gateway, "logs", "gateway.log"), "a line\n");
  writeFileSync(join(state, "workspace/notes/a.md"), "note", { mode: 0o644 });
  writeFileSync(join(state, "workspace/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("notes/a.md", join(state, "workspace/link.md"));
  return {
    state,
    store,
    close: () => store.close(),
    job: async (more = {}) => {
      const copy = join(state, `copy-${++made}.db`);
      await copyStore(store, copy, COPY);
      return {
        store: copy,
        output: join(state, backupName("manual", 1_000 + made)),
        kind: "manual",
        createdAt: 1_000 + made,
        version: "1.2.3",
        state,
        gateway,
        config: join(state, "openclaw.json"),
        secrets: true,
        onlyConfig: false,
        verify: true,
        workspaces: [{ agent: "main", path: join(state, "workspace") }],
        ...more,
      };
    },
  };
}

test("a backup that was made while the store was written is restored with every message and file", async (t) => {
  const { state, store, job, close } = await bench();
  t.after(close);
  let steps = 0;
  const slow: Pick<Store, "copyTo"> = {
    copyTo: (path, pages, onStep) =>
      store.copyTo(path, pages, (copied) => {
        // Between two steps of the copy.
        if (++steps === 2) void store.write(() => addMessage(store, "late"));
        onStep(copied);
      }),
  };
  const copy = join(state, "written.db");
  await copyStore(slow, copy, COPY);
  assert.ok(steps > 10, "the copy is made in steps");
  const packed = await packBackup(await job({ store: copy }));
  assert.deepEqual([packed.messages, packed.sessions, packed.verified], [201, 1, true]);
  assert.equal(statSync(packed.file).mode & 0o777, 0o600);
  const target = join(home, "restored");
  const { deadLetters, movedWorkspaces } = await restoreBackup(packed.file, target, { keepQueue: false });
  assert.deepEqual([deadLetters, movedWorkspaces], [{ messages: 0, replies: 0 }, []]);
  const again = openStore({ dir: join(target, "gateway"), log: silentLog });
  assert.equal(createMessages(again).tail("agent:main:main", "s", { limit: 1_000 }).length, 201);
  assert.equal(again.losses, null);
  again.close();
  for (const name of ["openclaw.json", "gateway/token", `gateway/media/${"a".repeat(64)}`, "workspace/notes/a.md", "workspace/link.md"])
    assert.equal(readFileSync(join(target, name), "utf8"), readFileSync(join(state, name), "utf8"), name);
  assert.equal(statSync(join(target, "workspace/run.sh")).mode & 0o777, 0o755);
  assert.equal(statSync(join(target, "gateway/token")).mode & 0o777, 0o600);
  assert.ok(!existsSync(join(target, "gateway/logs")));
});

test("a backup without credentials has none in any byte", async (t) => {
  const { job, close, state } = await bench();
  t.after(close);
  const { file } = await packBackup(await job({ secrets: false }));
  const zip = await ZipReader.open(file);
  for (const entry of zip.entries.values())
    assert.ok(!(await zip.readAll(entry, 100_000_000)).includes(SECRET), `${entry.name} has the secret`);
  assert.ok(!zip.entries.has("gateway/token"));
  await zip.close();
  assert.ok(readFileSync(join(state, "openclaw.json"), "utf8").includes(SECRET), "the original is untouched");
});

test("a backup replaces no file, and a failed one leaves none", async (t) => {
  const { job, close, state } = await bench();
  t.after(close);
  const first = await job();
  await packBackup(first);
  await assert.rejects(packBackup({ ...(await job()), output: first.output }), /exists/);
  const before = readdirSync(state);
  await assert.rejects(packBackup({ ...first, store: join(state, "openclaw.json"), output: join(state, "x.zip") }));
  assert.deepEqual(readdirSync(state), before);
});

test("an empty, foreign or damaged store is not a backup", async (t) => {
  const { job, close, state } = await bench();
  t.after(close);
  const empty = join(state, "empty.db");
  writeFileSync(empty, "");
  await assert.rejects(packBackup(await job({ store: empty })), /it is empty/);
  const foreign = join(state, "foreign.db");
  const db = new DatabaseSync(foreign);
  db.exec("CREATE TABLE notes (id INTEGER)");
  db.close();
  await assert.rejects(packBackup(await job({ store: foreign })), /the table facts is missing/);
  const cut = await job();
  truncateSync(cut.store!, Math.floor(statSync(cut.store!).size / 2));
  await assert.rejects(packBackup(cut), /cannot be used/);
});

const manifestWith = (change: (manifest: BackupManifest) => unknown) => (name: string, content: Buffer) =>
  name === MANIFEST_NAME ? Buffer.from(JSON.stringify(change(JSON.parse(content.toString()) as BackupManifest))) : content;

test("a changed, missing or added file of an archive is refused", async (t) => {
  const { job, close } = await bench();
  t.after(close);
  const { file } = await packBackup(await job());
  const rewrite = async (change: (name: string, content: Buffer) => Buffer | null, added: Record<string, string> = {}): Promise<string> => {
    const zip = await ZipReader.open(file);
    const path = join(home, `${++made}.zip`);
    const handle = await open(path, "wx");
    const writer = new ZipWriter(handle);
    for (const [name, entry] of zip.entries) {
      const content = change(name, await zip.readAll(entry, 100_000_000));
      if (content !== null) await writer.add(name, [content], { changedAt: 1, mode: entry.mode });
    }
    for (const [name, content] of Object.entries(added)) await writer.add(name, [Buffer.from(content)], { changedAt: 1 });
    await writer.finish();
    await handle.close();
    await zip.close();
    return path;
  };
  const cases: [string, RegExp][] = [
    [
      await rewrite((name, content) => (name === "gateway/token" ? Buffer.from(content.toString().toUpperCase()) : content)),
      /gateway\/token is not what the manifest says/,
    ],
    [await rewrite((name, content) => (name === "gateway/token" ? null : content)), /gateway\/token is missing/],
    [await rewrite((_, content) => content, { "gateway/more": "x" }), /not in its manifest/],
    [await rewrite((name, content) => (name === MANIFEST_NAME ? null : content)), /is not a backup/],
    [await rewrite(manifestWith((manifest) => ({ ...manifest, schemaVersion: 2 }))), /another form/],
    [await rewrite(manifestWith((manifest) => ({ ...manifest, rows: { ...manifest.rows, messages: 7 } }))), /200 rows instead of 7/],
  ];
  for (const [path, reason] of cases) {
    await assert.rejects(verifyBackup(path), reason);
    const target = join(home, `never-${++made}`);
    await assert.rejects(restoreBackup(path, target, { keepQueue: false }), reason);
    assert.deepEqual([existsSync(target), readdirSync(home).filter((name) => name.includes(".restoring-"))], [false, []]);
  }
  await verifyBackup(file);
});

test("a backup is restored into a new or empty directory only, and nowhere beside it", async (t) => {
  const { job, close, state } = await bench();
  t.after(close);
  const outside = join(home, `outside-${++made}`);
  mkdirSync(outside);
  writeFileSync(join(outside, "a.txt"), "a");
  const { file } = await packBackup(await job({ workspaces: [{ agent: "main", path: outside }] }));
  await assert.rejects(restoreBackup(file, state, { keepQueue: false }), /is not empty/);
  const target = join(home, `empty-${++made}`);
  mkdirSync(target);
  const { movedWorkspaces } = await restoreBackup(file, target, { keepQueue: false });
  assert.deepEqual(movedWorkspaces, [{ agent: "main", from: outside, to: join(target, "workspaces/main") }]);
  assert.equal(readFileSync(join(target, "workspaces/main/a.txt"), "utf8"), "a");
});

test("an archive with links in place of what the gateway writes reaches nothing beside the restored directory", async () => {
  const { store, close, state } = await bench();
  await store.write(() => {
    store.run(
      "INSERT INTO inbox (run_id, channel, account, event_id, session_key, session_id, agent_id, payload, crc, state, received_at) VALUES ('r', 'irc', 'a', 'e', 'agent:main:main', 's', 'main', '{}', 0, 'queued', 1)",
    );
  });
  close();
  for (const name of ["gateway/gateway.db", "gateway/logs", "openclaw.json"]) {
    const path = join(home, `${++made}.zip`);
    const handle = await open(path, "wx");
    const writer = new ZipWriter(handle);
    const link = [Buffer.from(join(state, name))];
    const written = await writer.add(name, link, { changedAt: 1, mode: 0o120_777, pack: false });
    const manifest: BackupManifest = {
      schemaVersion: 1,
      createdAt: 1,
      version: "1",
      storeFormat: 1,
      kind: "manual",
      host: "h",
      state: "/s",
      secrets: true,
      workspaces: [],
      rows: {},
      files: [{ name, ...written }],
      skipped: [],
    };
    await writer.add(MANIFEST_NAME, [Buffer.from(JSON.stringify(manifest))], { changedAt: 1 });
    await writer.finish();
    await handle.close();
    await assert.rejects(restoreBackup(path, join(home, `never-${++made}`), { keepQueue: false }), /is a symbolic link/, name);
    assert.deepEqual({ ...(stateOf(state) as object) }, { state: "queued" }, name);
  }
});

function stateOf(dir: string): unknown {
  const db = new DatabaseSync(join(dir, "gateway/gateway.db"), { readOnly: true });
  try {
    return db.prepare("SELECT state FROM inbox").get();
  } finally {
    db.close();
  }
}

test("messages and replies that waited become dead letters, unless they are wanted", async (t) => {
  const { job, close, store } = await bench();
  t.after(close);
  await store.write(() => {
    store.run(
      "INSERT INTO inbox (run_id, channel, account, event_id, session_key, session_id, agent_id, payload, crc, state, received_at) VALUES ('r', 'irc', 'a', 'e', 'agent:main:main', 's', 'main', '{}', 0, 'queued', 1)",
    );
  });
  const { file } = await packBackup(await job());
  const [aside, kept] = [join(home, `q-${++made}`), join(home, `q-${++made}`)];
  assert.deepEqual((await restoreBackup(file, aside, { keepQueue: false })).deadLetters, { messages: 1, replies: 0 });
  await restoreBackup(file, kept, { keepQueue: true });
  assert.deepEqual([{ ...(stateOf(aside) as object) }, { ...(stateOf(kept) as object) }], [{ state: "parked" }, { state: "queued" }]);
});

test("only daily backups are removed, the oldest first", async () => {
  const dir = join(home, `list-${++made}`);
  mkdirSync(dir);
  for (let day = 1; day <= 5; day++)
    for (const kind of ["manual", "scheduled"] as const) writeFileSync(join(dir, backupName(kind, Date.UTC(2026, 0, day))), "");
  writeFileSync(join(dir, "notes.txt"), "");
  assert.equal((await pruneBackups(dir, 2)).length, 3);
  const rows = await listBackups(dir);
  assert.deepEqual(
    rows.filter(({ kind }) => kind === "scheduled").map(({ createdAt }) => createdAt),
    [Date.UTC(2026, 0, 5), Date.UTC(2026, 0, 4)],
  );
  assert.equal(rows.filter(({ kind }) => kind === "manual").length, 5);
  assert.ok(existsSync(join(dir, "notes.txt")));
});

test("the next backup is at its time of day, today or tomorrow", () => {
  const at = new Date(2026, 4, 10, 12, 0).getTime();
  assert.equal(nextBackupAt("13:30", at), new Date(2026, 4, 10, 13, 30).getTime());
  assert.equal(nextBackupAt("03:30", at), new Date(2026, 4, 11, 3, 30).getTime());
  assert.equal(nextBackupAt("12:00", at), new Date(2026, 4, 11, 12, 0).getTime());
});
