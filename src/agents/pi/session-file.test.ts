import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import {
  truncateToCheckpoint,
  measureCheckpoint,
  parseCheckpoint,
  rebuildSessionFile,
  sessionPath,
  setWorkingDirectory,
  compareWithCheckpoint,
  toCheckpoint,
} from "./session-file.ts";

const root = mkdtempSync(join(tmpdir(), "session-file-"));
after(() => rmSync(root, { recursive: true, force: true }));

const history = [
  { role: "user" as const, text: "hello", at: 1_000 },
  { role: "assistant" as const, text: "hi", at: 2_000 },
];
const make = async (name: string) => {
  const path = sessionPath(root, "main", name);
  return { path, checkpoint: await rebuildSessionFile(path, { id: name, cwd: root, startedAt: 0 }, history) };
};

test("A rebuilt file is private and matches its checkpoint", async () => {
  const { path, checkpoint } = await make("a");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  assert.equal(checkpoint.bytes, statSync(path).size);
  assert.equal(await compareWithCheckpoint(path, checkpoint), "same");
  assert.deepEqual(await measureCheckpoint(path), checkpoint);
  assert.deepEqual(parseCheckpoint(toCheckpoint(checkpoint)), checkpoint);
});

test("Each entry names its parent", async () => {
  const { path } = await make("b");
  const [header, first, second] = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(header.type, "session");
  assert.equal(first.parentId, null);
  assert.equal(second.parentId, first.id);
});

test("A file that is ahead of its checkpoint is detected and truncated", async () => {
  const { path, checkpoint } = await make("c");
  appendFileSync(path, '{"type":"message","id":"zz"}\n');
  assert.equal(await compareWithCheckpoint(path, checkpoint), "ahead");
  await truncateToCheckpoint(path, checkpoint);
  assert.equal(await compareWithCheckpoint(path, checkpoint), "same");
});

test("A missing, shorter or altered file is lost, and so is one without a checkpoint", async () => {
  const { path, checkpoint } = await make("d");
  assert.equal(await compareWithCheckpoint(path, null), "lost");
  assert.equal(await compareWithCheckpoint(`${path}.none`, checkpoint), "lost");
  writeFileSync(path, readFileSync(path, "utf8").slice(0, -3));
  assert.equal(await compareWithCheckpoint(path, checkpoint), "lost");
  writeFileSync(path, "x".repeat(checkpoint.bytes - 1) + "\n");
  assert.equal(await compareWithCheckpoint(path, checkpoint), "lost");
});

test("A torn last line is cut off when a file is measured", async () => {
  const { path, checkpoint } = await make("e");
  appendFileSync(path, '{"type":"message","id":"to');
  assert.deepEqual(await measureCheckpoint(path), checkpoint);
  assert.equal(statSync(path).size, checkpoint.bytes);
});

test("A last line larger than the first look is found", async () => {
  const path = sessionPath(root, "main", "f");
  const checkpoint = await rebuildSessionFile(path, { id: "f", cwd: root, startedAt: 0 }, [
    { role: "user", text: "x".repeat(300_000), at: 0 },
  ]);
  assert.deepEqual(await measureCheckpoint(path), checkpoint);
  assert.equal(await compareWithCheckpoint(path, checkpoint), "same");
});

test("Another working directory changes the header and nothing else, and the same one changes nothing", async () => {
  const { path } = await make("g");
  const picture = `{"type":"message","id":"picture","parentId":"00000002","message":{"text":"é${"x".repeat(200_000)}🎉"}}`;
  appendFileSync(path, `${picture}\n`);
  const before = readFileSync(path, "utf8");
  const { ino, mtimeNs } = statSync(path, { bigint: true });
  assert.equal(await setWorkingDirectory(path, root), null);
  assert.deepEqual([statSync(path, { bigint: true }).ino, statSync(path, { bigint: true }).mtimeNs], [ino, mtimeNs]);
  const checkpoint = await setWorkingDirectory(path, "/elsewhere/é");
  const after = readFileSync(path, "utf8");
  assert.equal((JSON.parse(after.slice(0, after.indexOf("\n"))) as { cwd: string }).cwd, "/elsewhere/é");
  assert.equal(after.slice(after.indexOf("\n")), before.slice(before.indexOf("\n")));
  assert.deepEqual(checkpoint, { bytes: Buffer.byteLength(after), lastId: "picture" });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("Ids with path parts are refused", () => {
  for (const id of ["..", "a/b", "", ".x", "a\0", "a".repeat(200)]) {
    assert.throws(() => sessionPath(root, id, "s"), /Not a valid agent id/);
    assert.throws(() => sessionPath(root, "main", id), /Not a valid session id/);
  }
});

test("A checkpoint of another form is invalid", () => {
  for (const text of [null, "", "2:5:a", "1:x:a", "1:5:../a"]) assert.equal(parseCheckpoint(text), null);
});

test("a file in the place of the directory of sessions counts as no session, and the session is written again", async () => {
  const sessions = join(root, "no-directory");
  writeFileSync(sessions, "");
  const path = join(sessions, "s.jsonl");
  assert.equal(await measureCheckpoint(path), null);
  const checkpoint = await rebuildSessionFile(path, { id: "s", cwd: root, startedAt: 0 }, [{ role: "user", text: "hello", at: 0 }]);
  assert.deepEqual(await measureCheckpoint(path), checkpoint);
});
