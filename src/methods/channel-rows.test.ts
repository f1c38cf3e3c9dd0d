import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountStatus } from "../channels/account-types.ts";
import { toAccountRow } from "./channel-rows.ts";

test("the last inbound time of an account is that of a message, not of an event without one", () => {
  const status = { account: "default", state: "ready", lastMessageAt: null, lastEventAt: 500, lastReadAt: 600, lastWriteAt: 700 };
  const row = toAccountRow(status as unknown as AccountStatus);
  assert.deepEqual([row["lastInboundAt"], row["lastOutboundAt"], row["lastTransportActivityAt"]], [null, 700, 600]);
  assert.equal(toAccountRow({ ...status, lastMessageAt: 400 } as unknown as AccountStatus)["lastInboundAt"], 400);
});
