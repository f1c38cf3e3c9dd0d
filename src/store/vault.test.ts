import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { openStore } from "./open.ts";
import { createVault } from "./vault.ts";

const dir = mkdtempSync(join(tmpdir(), "vault-"));
after(() => rmSync(dir, { recursive: true, force: true }));

test("values of an account survive a restart, are separate from others, and are removed only by clear", async () => {
  let store = openStore({ dir, log: silentLog });
  const key = new Uint8Array([0, 255, 128, 7]);
  await createVault(store, "sig", "a").write("identity", new Uint8Array([1]));
  await createVault(store, "sig", "a").write("identity", key);
  await createVault(store, "sig", "b").write("identity", new Uint8Array([9]));
  store.close();
  store = openStore({ dir, log: silentLog });
  const vault = createVault(store, "sig", "a");
  assert.deepEqual([...(await vault.read("identity"))!], [...key]);
  assert.equal(await vault.read("other"), null);
  await vault.clear();
  assert.equal(await vault.read("identity"), null);
  assert.deepEqual([...(await createVault(store, "sig", "b").read("identity"))!], [9]);
  await assert.rejects(
    vault.write("big", new Uint8Array(LIMITS.vaultValueBytes + 1)),
    (err) => err instanceof GatewayError && err.code === "TOO_LARGE",
  );
  store.close();
});
