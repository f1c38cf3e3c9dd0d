import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { silentLog } from "../core/log.ts";
import { createConfigVersions } from "../store/config-versions.ts";
import { openStore } from "../store/open.ts";
import { ConfigHistory } from "./config-history.ts";

const SECRET = "hunter2hunter2";
const textOf = (port: number, token = SECRET): string => `{ gateway: { port: ${port}, auth: { mode: "token", token: "${token}" } } }`;

function open(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "config-history-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const versions = createConfigVersions(store);
  const history = new ConfigHistory({ versions, store, clock: { now: () => 5 }, log: silentLog });
  const load = (text: string): LoadedConfig => {
    writeFileSync(join(dir, "openclaw.json"), text);
    return loadConfig({ path: join(dir, "openclaw.json"), env: {}, home: dir });
  };
  const settled = (): Promise<void> => store.write(() => {});
  return { versions, history, load, settled };
}

test("versions have placeholders in place of secrets, and a changed secret is a change by its path", async (t) => {
  const { versions, history, load, settled } = open(t);
  const first = load(textOf(18789));
  const second = load(textOf(18789, "another-secret-1"));
  history.record(second, first);
  await settled();
  assert.deepEqual(
    versions.list().map(({ changes }) => changes.map(({ path }) => path)),
    [["gateway.auth.token"], []],
  );
  for (const { id } of versions.list()) assert.doesNotMatch(versions.text(id)!, /hunter2|another-secret/);
});

test("the version before the first change is kept, and an author is named for the text that was announced", async (t) => {
  const { versions, history, load, settled } = open(t);
  const [first, second, third] = [load(textOf(1)), load(textOf(2)), load(textOf(3))];
  history.expect(second.hash, "config.set, cli");
  history.record(second, first);
  history.record(third, second);
  await settled();
  assert.deepEqual(
    versions.list().map(({ author, at }) => [author, at]),
    [
      [null, 5],
      ["config.set, cli", 5],
      [null, 5],
    ],
  );
  assert.match(versions.text(1)!, /port: 1,/);
});

test("a configuration that is not from a file is not kept as a version", async (t) => {
  const { versions, history, load, settled } = open(t);
  history.record(load("{ broken"), load(textOf(1)));
  await settled();
  assert.deepEqual(versions.list(), []);
});
