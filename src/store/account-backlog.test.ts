import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { listAccountBacklogs, emptyBacklog } from "./account-backlog.ts";
import { createInbox } from "./inbox.ts";
import { openStore } from "./open.ts";
import { createOutbox } from "./outbox.ts";

const dir = mkdtempSync(join(tmpdir(), "load-"));
after(() => rmSync(dir, { recursive: true, force: true }));

test("the backlog is counted for each account, with the age of the oldest row", async () => {
  const store = openStore({ dir, log: silentLog });
  const [inbox, outbox] = [createInbox(store), createOutbox(store)];
  const receive = (id: string, account: string, receivedAt: number, state: "queued" | "done" | "parked"): boolean =>
    inbox.add({
      runId: asId<RunId>(id),
      channel: "toy",
      account,
      eventId: id,
      sessionKey: asId<SessionKey>("agent:main:main"),
      sessionId: "s",
      agentId: asId<AgentId>("main"),
      payload: {},
      receivedAt,
      state,
      startedAt: null,
      outcome: null,
    });
  const say = (partKey: string, account: string, at: number): boolean =>
    outbox.add({
      partKey,
      intentId: partKey,
      position: 0,
      runId: null,
      sessionKey: null,
      conversation: `toy|${account}|c`,
      target: { channel: "toy", account, chat: { kind: "direct", id: "c" } },
      text: "hi",
      at,
    });
  await store.write(() => {
    receive("1", "a", 5, "queued");
    receive("2", "a", 3, "queued");
    receive("3", "a", 1, "done");
    receive("4", "b", 9, "parked");
    say("p1", "a", 7);
    say("p2", "b", 8);
    outbox.settle("p2", "unknown", 9);
  });
  assert.deepEqual(
    listAccountBacklogs(store).toSorted((x, y) => (x.account < y.account ? -1 : 1)),
    [
      { ...emptyBacklog("toy", "a"), waiting: 2, oldestWaitingAt: 3, outboxWaiting: 1, outboxOldestAt: 7 },
      { ...emptyBacklog("toy", "b"), parked: 1, outboxUnknown: 1 },
    ],
  );
  store.close();
});
