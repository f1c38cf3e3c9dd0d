// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { settled, until } from "../../test/until.ts";
import { LIMITS } from "../core/limits.ts";
import { watchConfig } from "./watch.ts";

test("writes, replacements and the first write are seen once each, other files and the time after the end are not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "config-watch-"));
  const path = join(directory, "openclaw.json");
  const stop = new AbortController();
  const clock = new FakeClock();
  let seen = 0;
  watchConfig(path, { onChange: () => void seen++, signal: stop.signal, clock });
  const entries: (string | null)[] = [];
  const watcher = watch(directory, { persistent: false }, (_event, entry) => void entries.push(entry));
  let markers = 0;
  /** Writes, and waits until the system has reported it: reports of one directory come in order. */
  const change = async (write: () => void): Promise<void> => {
    write();
    const marker = `marker-${markers++}`;
    writeFileSync(join(directory, marker), "");
    await until(`the report of ${marker}`, () => entries.includes(marker));
    await settled();
  };
  await change(() => {
    writeFileSync(path, "{}");
    writeFileSync(path, "{a:1}");
  });
  clock.advance(LIMITS.configDebounceMs);
  assert.equal(seen, 1);
  await change(() => {
    writeFileSync(`${path}.tmp`, "{b:1}");
    renameSync(`${path}.tmp`, path);
  });
  clock.advance(LIMITS.configDebounceMs);
  assert.equal(seen, 2);
  await change(() => writeFileSync(join(directory, "other.json"), "{}"));
  assert.deepEqual(clock.pending(), [], "no change is about to be reported");
  clock.advance(LIMITS.configDebounceMs * 2);
  assert.equal(seen, 2);
  stop.abort();
  await change(() => writeFileSync(path, "{c:1}"));
  clock.advance(LIMITS.configDebounceMs * 2);
  assert.equal(seen, 2);
  watcher.close();
  rmSync(directory, { recursive: true });
});

test("a change of the file behind a link is seen", async () => {
  const directory = mkdtempSync(join(tmpdir(), "config-watch-"));
  mkdirSync(join(directory, "real"));
  writeFileSync(join(directory, "real", "mine.json"), "{}");
  const path = join(directory, "openclaw.json");
  symlinkSync(join("real", "mine.json"), path);
  const stop = new AbortController();
  const keepAlive = setTimeout(() => {}, 20_000);
  await new Promise<void>((resolve) => {
    watchConfig(path, { onChange: resolve, signal: stop.signal });
    writeFileSync(join(directory, "real", "mine.json"), "{a:1}");
  });
  clearTimeout(keepAlive);
  stop.abort();
  rmSync(directory, { recursive: true });
});

test("a file that is reached over two links and an exchanged directory is seen", async () => {
  const directory = mkdtempSync(join(tmpdir(), "config-watch-"));
  for (const version of ["one", "two"]) {
    mkdirSync(join(directory, "mount", `..${version}`), { recursive: true });
    writeFileSync(join(directory, "mount", `..${version}`, "openclaw.json"), version);
  }
  symlinkSync("..one", join(directory, "mount", "..data"));
  symlinkSync("..data/openclaw.json", join(directory, "mount", "openclaw.json"));
  symlinkSync("mount/openclaw.json", join(directory, "openclaw.json"));
  const stop = new AbortController();
  const keepAlive = setTimeout(() => {}, 20_000);
  for (const version of ["..two", "..one"]) {
    await new Promise<void>((resolve) => {
      const once = new AbortController();
      watchConfig(join(directory, "openclaw.json"), { onChange: () => (once.abort(), resolve()), signal: once.signal });
      symlinkSync(version, join(directory, "mount", "..next"));
      renameSync(join(directory, "mount", "..next"), join(directory, "mount", "..data"));
    });
  }
  clearTimeout(keepAlive);
  stop.abort();
  rmSync(directory, { recursive: true });
});

for (const [why, options] of [
  ["the directory does not exist", {}],
  [
    "the system has no watches left",
    {
      watch: () => {
        throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
      },
    },
  ],
] as const) {
  test(`when ${why}, that is logged once and the file is polled`, () => {
    const directory = mkdtempSync(join(tmpdir(), "config-watch-"));
    const path = join(directory, ...("watch" in options ? [] : ["sub"]), "openclaw.json");
    const clock = new FakeClock();
    const stop = new AbortController();
    const said: string[] = [];
    let changes = 0;
    watchConfig(path, {
      signal: stop.signal,
      clock,
      onChange: () => void changes++,
      onPolling: (err) => void said.push(String((err as NodeJS.ErrnoException).code)),
      ...(options as object),
    });
    mkdirSync(dirname(path), { recursive: true });
    clock.advance(LIMITS.configPollMs);
    assert.equal(changes, 0);
    writeFileSync(path, "{}");
    clock.advance(LIMITS.configPollMs);
    clock.advance(LIMITS.configPollMs);
    assert.equal(changes, 1);
    stop.abort();
    assert.deepEqual(clock.pending(), []);
    assert.equal(said.length, 1);
    rmSync(directory, { recursive: true });
  });
}
