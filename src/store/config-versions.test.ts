import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createConfigVersions } from "./config-versions.ts";
import { openStore } from "./open.ts";

function open(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "versions-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  return { store, versions: createConfigVersions(store) };
}

test("versions are listed from the newest, each with its changes, and have their texts", async (t) => {
  const { store, versions } = open(t);
  await store.write(() => versions.add({ at: 1, author: null, changes: [], text: "{}" }));
  await store.write(() => versions.add({ at: 2, author: "config.set, cli", changes: [{ path: "a", effect: "applied" }], text: "{a:1}" }));
  assert.deepEqual(versions.list(), [
    { id: 2, at: 2, author: "config.set, cli", changes: [{ path: "a", effect: "applied" }], bytes: 5 },
    { id: 1, at: 1, author: null, changes: [], bytes: 2 },
  ]);
  assert.deepEqual([versions.text(1), versions.text(3), versions.latestText()], ["{}", undefined, "{a:1}"]);
});

test("the oldest versions beyond the number and the bytes that are kept are removed", async (t) => {
  const { store, versions } = open(t);
  await store.write(() => {
    for (let n = 0; n < LIMITS.configVersions + 5; n++) versions.add({ at: n, author: null, changes: [], text: "{}" });
  });
  assert.equal(versions.list().length, LIMITS.configVersions);
  await store.write(() => {
    for (let n = 0; n < 3; n++) versions.add({ at: n, author: null, changes: [], text: "x".repeat(LIMITS.configVersionBytes / 2) });
  });
  assert.equal(versions.list().length, 2);
});
