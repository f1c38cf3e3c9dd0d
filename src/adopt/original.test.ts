import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findOriginalProcess, findOriginals, openOriginal } from "./original.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "originals-")));
after(() => rmSync(root, { recursive: true, force: true }));

test("installations are looked for in OPENCLAW_HOME, the home and the own state directory, and need a sign of the original", () => {
  const [home, other, own] = ["home", "other", "own"].map((name) => join(root, name));
  mkdirSync(join(home!, ".openclaw", "agents"), { recursive: true });
  mkdirSync(join(other!, ".openclaw", "credentials"), { recursive: true });
  mkdirSync(join(own!, "gateway"), { recursive: true });
  assert.deepEqual(findOriginals({ OPENCLAW_HOME: other! }, home!, own!), [join(other!, ".openclaw"), join(home!, ".openclaw")]);
});

test("a directory without anything of the original, and a file that cannot be parsed, are refused by name", () => {
  const dir = join(root, "empty");
  mkdirSync(dir);
  assert.throws(() => openOriginal(dir), /no configuration and no sessions/);
  assert.throws(() => openOriginal(join(root, "nowhere")), /does not exist/);
  writeFileSync(join(dir, "openclaw.json"), "{ gateway: ");
  assert.throws(() => openOriginal(dir), /is not JSON5/);
});

test("its gateway is found by its lock, while the process runs and only for its own directory", () => {
  const dir = join(root, "locked");
  const locks = join(dir, "tmp", "openclaw-0");
  mkdirSync(locks, { recursive: true });
  writeFileSync(join(dir, "openclaw.json"), "{}");
  const original = openOriginal(dir);
  const lock = (pid: number, stateDir: string): void =>
    writeFileSync(join(locks, "gateway.1234.lock"), `{ "pid": ${pid}, "stateDir": ${JSON.stringify(stateDir)} }\n\t \t\t`);
  assert.equal(findOriginalProcess(original, []), null);
  lock(process.ppid, dir);
  assert.equal(findOriginalProcess(original, []), process.ppid);
  lock(process.ppid, "/elsewhere");
  assert.equal(findOriginalProcess(original, []), null);
  lock(4_194_304 + 7, dir);
  assert.equal(findOriginalProcess(original, []), null);
});
