import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createKeyValueStore } from "./key-value.ts";
import { openStore } from "./open.ts";
import { createPairings } from "./pairing.ts";

const root = mkdtempSync(join(tmpdir(), "pairing-test-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

function rig(codes: readonly string[] = []) {
  const store = openStore({ dir: join(root, String(made++)), log: silentLog });
  const state = { now: 1_000_000, next: 0 };
  const pairings = createPairings(store, { now: () => state.now, newCode: () => codes[state.next++] ?? `CODE${state.next}` });
  return { store, state, pairings };
}

test("an unknown sender gets a code once, and is paired when it is approved", async () => {
  const { store, pairings } = rig();
  const code = await store.write(() => pairings.request("irc", "libera", "ann!a@h", "ann"));
  assert.equal(code, "CODE1");
  assert.equal(await store.write(() => pairings.request("irc", "libera", "ann!a@h", "ann")), null);
  assert.equal(pairings.isPaired("irc", "libera", "ann!a@h"), false);
  assert.equal(await store.write(() => pairings.approve("irc", "other", "CODE1")), undefined, "a code holds for its own account only");
  const approved = await store.write(() => pairings.approve("irc", "libera", "CODE1"));
  assert.equal(approved?.sender, "ann!a@h");
  assert.equal(pairings.isPaired("irc", "libera", "ann!a@h"), true);
  assert.equal(pairings.isPaired("irc", "other", "ann!a@h"), false);
  assert.deepEqual(pairings.pending(), []);
  assert.equal(await store.write(() => pairings.approve("irc", "libera", "CODE1")), undefined, "a code works once");
  assert.equal(await store.write(() => pairings.request("irc", "libera", "ann!a@h", "ann")), null, "who is paired gets no code");
  assert.deepEqual(
    pairings.paired({ channel: "irc" }).map((each) => each.sender),
    ["ann!a@h"],
  );
  assert.equal(await store.write(() => pairings.unpair("irc", "libera", "ann!a@h")), true);
  assert.equal(pairings.isPaired("irc", "libera", "ann!a@h"), false);
  store.close();
});

test("a code approves what was shown with it: a new request under another name changes nothing", async () => {
  const { store, pairings } = rig();
  const code = (await store.write(() => pairings.request("irc", "libera", "eve!e@h", "guest")))!;
  assert.equal(await store.write(() => pairings.request("irc", "libera", "eve!e@h", "the owner")), null);
  const [shown] = pairings.pending();
  assert.deepEqual([shown!.code, shown!.name], [code, "guest"]);
  const approved = await store.write(() => pairings.approve("irc", "libera", code));
  assert.deepEqual([approved!.sender, approved!.name], ["eve!e@h", "guest"]);
  store.close();
});

test("at most three requests wait per account, and a code expires after an hour", async () => {
  const { store, state, pairings } = rig();
  const ask = (sender: string, account = "a") => store.write(() => pairings.request("irc", account, sender, undefined));
  for (let n = 0; n < LIMITS.pairingPendingPerAccount; n++) assert.ok(await ask(`s${n}`));
  assert.equal(await ask("one too many"), null);
  assert.ok(await ask("elsewhere", "b"));
  state.now += LIMITS.pairingTtlMs;
  assert.deepEqual(pairings.pending(), []);
  assert.equal(await store.write(() => pairings.approve("irc", "a", "CODE1")), undefined);
  assert.ok(await ask("s0"), "after that the sender may ask again");
  store.close();
});

test("an existing code is not issued again, and a dismissed request is removed", async () => {
  const { store, pairings } = rig(["SAME", "SAME", "OTHER"]);
  assert.equal(await store.write(() => pairings.request("irc", "a", "x", undefined)), "SAME");
  assert.equal(await store.write(() => pairings.request("irc", "b", "y", undefined)), "OTHER");
  const [request] = pairings.pending({ channel: "irc", account: "b" });
  assert.equal((await store.write(() => pairings.dismiss("irc", "b", request!.code)))?.sender, "y");
  assert.equal(pairings.isPaired("irc", "b", "y"), false);
  assert.equal(pairings.pending({ account: "b" }).length, 0);
  store.close();
});

test("values survive a restart, and a damaged one counts as absent", async () => {
  const dir = join(root, String(made++));
  const store = openStore({ dir, log: silentLog });
  const facts = createKeyValueStore(store);
  await store.write(() => facts.set("heartbeats", { enabled: false }, 1));
  await store.write(() => facts.set("heartbeats", { enabled: true }, 2));
  await store.write(() => store.run("INSERT INTO facts VALUES ('broken', '{', 1)"));
  store.close();
  const again = openStore({ dir, log: silentLog });
  const reread = createKeyValueStore(again);
  assert.deepEqual(reread.get("heartbeats"), { enabled: true });
  assert.equal(reread.get("broken"), null);
  assert.equal(reread.get("never"), null);
  assert.equal(await again.write(() => reread.remove("heartbeats")), true);
  assert.equal(reread.get("heartbeats"), null);
  again.close();
});
