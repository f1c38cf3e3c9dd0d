import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { LIMITS } from "../core/limits.ts";
import { watchConfig } from "./watch.ts";

test("writes, replacements and the first write are seen once each, other files and the time after the end are not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "config-watch-"));
  const path = join(directory, "openclaw.json");
  const stop = new AbortController();
  let seen = 0;
  let wake: (() => void) | undefined;
  watchConfig(
    path,
    () => {
      seen++;
      wake?.();
    },
    stop.signal,
  );
  const change = async (write: () => void): Promise<void> => {
    const next = new Promise<void>((resolve) => {
      wake = resolve;
    });
    write();
    const keepAlive = setTimeout(() => {}, 20_000);
    await next;
    clearTimeout(keepAlive);
  };
  await change(() => {
    writeFileSync(path, "{}");
    writeFileSync(path, "{a:1}");
  });
  assert.equal(seen, 1);
  await change(() => {
    writeFileSync(`${path}.tmp`, "{b:1}");
    renameSync(`${path}.tmp`, path);
  });
  assert.equal(seen, 2);
  writeFileSync(join(directory, "other.json"), "{}");
  await delay(LIMITS.configDebounceMs * 2);
  assert.equal(seen, 2);
  stop.abort();
  writeFileSync(path, "{c:1}");
  await delay(LIMITS.configDebounceMs * 2);
  assert.equal(seen, 2);
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
    watchConfig(path, resolve, stop.signal);
    writeFileSync(join(directory, "real", "mine.json"), "{a:1}");
  });
  clearTimeout(keepAlive);
  stop.abort();
  rmSync(directory, { recursive: true });
});

test("a directory that does not exist cannot be watched", () => {
  assert.throws(() => watchConfig("/nonexistent/openclaw.json", () => {}, new AbortController().signal), /ENOENT/);
});
