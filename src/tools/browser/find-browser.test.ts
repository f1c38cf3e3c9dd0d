import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";
import { findBrowser, type FoundBrowser } from "./find-browser.ts";

function programs(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "find-browser-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(directory, name, ".."), { recursive: true });
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
}

const problemOf = (found: FoundBrowser): string => ("problem" in found ? `${found.problem}. ${found.fix}` : "none");
const SNAP = '#!/bin/sh\nexec /snap/bin/chromium "$@"\n';
const PROGRAM = "\u007fELF";

test("the first of the usual browsers on the path is used", (t) => {
  const directory = programs(t, { "a/google-chrome": PROGRAM, "b/chromium": PROGRAM, "b/other": PROGRAM });
  const path = [join(directory, "a"), join(directory, "b")].join(delimiter);
  assert.deepEqual(findBrowser(undefined, path), { path: join(directory, "b", "chromium") });
});

test("a browser of snap is passed over, and named when there is no other", { skip: process.platform === "darwin" }, (t) => {
  const directory = programs(t, { "a/chromium-browser": SNAP, "b/google-chrome": PROGRAM });
  const [a, b] = [join(directory, "a"), join(directory, "b")];
  assert.deepEqual(findBrowser(undefined, [a, b].join(delimiter)), { path: join(b, "google-chrome") });
  assert.match(problemOf(findBrowser(undefined, a)), /chromium-browser is from snap, which keeps it from the files.*must not be from snap/);
  assert.match(problemOf(findBrowser(join(a, "chromium-browser"), a)), /is from snap/);
});

test("a configured program counts, and one that cannot be run is a problem with a fix", { skip: process.platform === "darwin" }, (t) => {
  const directory = programs(t, { mine: PROGRAM });
  assert.deepEqual(findBrowser(join(directory, "mine"), ""), { path: join(directory, "mine") });
  assert.match(
    problemOf(findBrowser(join(directory, "absent"), "/usr/bin")),
    /browser\.executablePath names .*absent, which cannot be run/,
  );
  assert.match(problemOf(findBrowser(undefined, directory)), /no browser was found on this machine\. Install Chromium/);
});
