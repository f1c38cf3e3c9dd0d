import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { AccountStatus } from "../channels/account-types.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore } from "../store/open.ts";
import { OwnerAlerts } from "./owner-alerts.ts";

const root = mkdtempSync(join(tmpdir(), "alarm-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const status = (channel: string, state: AccountStatus["state"], cause: string | null = null): AccountStatus =>
  ({ channel, account: "default", state, cause, fix: state === "terminal" ? "Set a new token." : null }) as AccountStatus;

function rig(owners: readonly string[]) {
  const store = openStore({ dir: join(root, String(made++)), log: silentLog });
  const said: string[] = [];
  const published: string[] = [];
  const accounts = new Map<string, AccountStatus>();
  const clock = { now: 10 };
  const start = (): OwnerAlerts =>
    new OwnerAlerts({
      keyValue: createKeyValueStore(store),
      write: (change) => store.write(change),
      now: () => clock.now,
      owners: () => owners,
      status: () => [...accounts.values()],
      toPerson: (channel, account, to) => {
        if (to === "unknown") throw new Error("no such recipient");
        return { channel: asId(channel), account: asId(account), chat: { kind: "direct", id: asId(to) } };
      },
      enqueueNotice: (_, target, text) => void said.push(`${target.channel}:${target.chat.id} ${text}`),
      deliver: () => {},
      publish: (text) => void published.push(text),
      log: silentLog,
    });
  let alarm = start();
  const change = async (next: AccountStatus): Promise<void> => {
    accounts.set(next.channel, next);
    alarm.onStatus(next);
    await store.write(() => {});
  };
  return { said, published, change, clock, restart: () => void (alarm = start()), close: () => store.close() };
}

const NOTICE = "The channel telegram/default has stopped and needs you: the token was revoked. To fix it: Set a new token.";

test("the owner is notified on another channel, once for each cause, and not again at a restart within the hour", async () => {
  const r = rig(["telegram:1", "irc:unknown", "irc:ada"]);
  await r.change(status("irc", "ready"));
  await r.change(status("telegram", "terminal", "the token was revoked"));
  assert.deepEqual([r.said, r.published], [[`irc:ada ${NOTICE}`], [NOTICE]]);
  r.restart();
  await r.change(status("telegram", "terminal", "the token was revoked"));
  assert.deepEqual([r.said.length, r.published.length], [1, 1]);
  await r.change(status("telegram", "terminal", "another bot uses it"));
  assert.deepEqual([r.said.length, r.published.length], [2, 2]);
  // A clock that is set back by a day silences nothing for a day.
  r.clock.now -= 86_400_000;
  await r.change(status("telegram", "terminal", "another bot uses it"));
  assert.deepEqual([r.said.length, r.published.length], [3, 3]);
  r.clock.now += LIMITS.ownerAlertIntervalMs;
  r.restart();
  await r.change(status("telegram", "terminal", "another bot uses it"));
  assert.deepEqual([r.said.length, r.published.length], [4, 4]);
  r.close();
});

test("a notice waits for a channel that is ready, and is not sent any more when the account is ready again", async () => {
  const r = rig(["irc:ada"]);
  await r.change(status("telegram", "terminal", "the token was revoked"));
  assert.deepEqual([r.said.length, r.published.length], [0, 1]);
  await r.change(status("irc", "connecting"));
  await r.change(status("irc", "ready"));
  assert.deepEqual(r.said, [`irc:ada ${NOTICE}`]);
  await r.change(status("irc", "backoff"));
  await r.change(status("telegram", "terminal", "again"));
  await r.change(status("telegram", "ready"));
  await r.change(status("irc", "ready"));
  assert.equal(r.said.length, 1);
  r.close();
});

test("the owner is notified over a channel that is connected and has a problem", async () => {
  const r = rig(["irc:ada"]);
  await r.change(status("irc", "degraded", "the nickname is taken"));
  await r.change(status("telegram", "terminal", "the token was revoked"));
  assert.deepEqual(r.said, [`irc:ada ${NOTICE}`]);
  r.close();
});

test("no notice goes to the broken account itself or to a wildcard", async () => {
  const r = rig(["telegram:1", "*", "irc:*"]);
  await r.change(status("irc", "ready"));
  await r.change(status("telegram", "terminal", "x"));
  assert.deepEqual(r.said, []);
  r.close();
});
