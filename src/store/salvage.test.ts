import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createMessages } from "./messages.ts";
import { openStore } from "./open.ts";

const MESSAGES = 200;

/** Opens a store whose file had `bytes` written over it at `at`; resolves to how many messages it still has. */
async function keptAfter(at: number, bytes: Buffer): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "salvage-"));
  const store = openStore({ dir, log: silentLog });
  await store.write(() => {
    for (let n = 0; n < MESSAGES; n++) {
      createMessages(store).add({
        id: `m${n}`,
        sessionKey: asId("agent:main:main"),
        sessionId: "s",
        runId: null,
        idempotencyKey: null,
        at: n,
        body: { role: "user", content: `message ${n} ${"x".repeat(200)}`, provenance: { channel: "webchat", senderIsOwner: true } },
      });
    }
  });
  store.close();
  const file = openSync(join(dir, "gateway.db"), "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
  const again = openStore({ dir, log: silentLog });
  assert.ok(again.losses, "the damage was not noticed");
  const kept = createMessages(again).tail("agent:main:main", "s", { limit: MESSAGES + 1 }).length;
  again.close();
  rmSync(dir, { recursive: true });
  return kept;
}

const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, n) => (n * 151 + 43) & 0xff));

for (const [title, at, bytes] of [
  ["noise over the whole header", 0, noise(100)],
  ["a header of zeros", 0, Buffer.alloc(100)],
  ["another page size", 16, Buffer.of(0x40, 0)],
  ["a later format", 44, Buffer.of(0, 0, 0, 9)],
  ["another encoding", 56, Buffer.of(0, 0, 0, 3)],
] as const) {
  test(`${title} costs no message`, async () => {
    assert.equal(await keptAfter(at, bytes), MESSAGES);
  });
}
