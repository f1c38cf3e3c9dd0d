// What is not kept any longer goes while the gateway runs; a kill in the middle loses nothing that is kept.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { asId, type AgentId, type SessionKey } from "../../src/core/ids.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { createMessages } from "../../src/store/messages.ts";
import { openStore } from "../../src/store/open.ts";
import { createSessions } from "../../src/store/sessions.ts";
import { openclawJson } from "./cli.ts";
import { dropHome, newHome, startGateway, stateDir } from "./gateway-process.ts";

const home = newHome();
const dir = join(stateDir(home), "gateway");
const media = join(dir, "media");
after(() => dropHome(home));

const DAY = 86_400_000;
type Counts = { sessions: number; messages: number };
type Answer = { wouldRemove: Counts; removed: Counts; media: { files: number; missing: object } };
const config = { session: { maintenance: { mode: "enforce", pruneAfter: "30d" } } };
const file = (digit: string): string => digit.repeat(64);

function withStore<T>(work: (store: ReturnType<typeof openStore>) => T): T {
  const store = openStore({ dir, log: silentLog });
  try {
    return work(store);
  } finally {
    store.close();
  }
}

const countBySession = (): Record<string, number> =>
  withStore((store) =>
    Object.fromEntries(
      store
        .all<{ key: string; n: number }>(
          "SELECT s.key, (SELECT count(*) FROM messages WHERE session_key = s.key) AS n FROM sessions s ORDER BY s.key",
        )
        .map(({ key, n }) => [key, n]),
    ),
  );

test("a gateway that is killed while it removes an old session keeps all others, and goes on after its next start", async () => {
  mkdirSync(media, { recursive: true, mode: 0o700 });
  withStore((store) =>
    store.writeNow(() => {
      const [sessions, messages] = [createSessions(store), createMessages(store)];
      for (const [name, count, age] of [
        ["old", LIMITS.retentionRows * 4, 90],
        ["kept", 20, 1],
      ] as const) {
        const key = asId<SessionKey>(`agent:main:${name}`);
        const at = Date.now() - age * DAY;
        sessions.ensure(key, { sessionId: name, agentId: asId<AgentId>("main"), chatKind: "direct", channel: "webchat", now: at });
        for (let n = 0; n < count; n++)
          messages.add({
            id: asId(`${name}-${n}`),
            sessionKey: key,
            sessionId: name,
            runId: null,
            idempotencyKey: null,
            body: {
              role: "user",
              content: [
                {
                  type: "file",
                  kind: "file",
                  name: "a",
                  mimeType: "text/plain",
                  sizeBytes: 1,
                  file: file(name === "old" ? "a" : n === 0 ? "b" : "c"),
                },
              ] as never[],
              provenance: { channel: "webchat", senderIsOwner: true },
            },
            at,
          });
      }
    }),
  );
  // "a" belongs to the old session, "b" to the one that is kept; "c" is missing; "d" belongs to nothing.
  for (const name of ["a", "b", "d"]) writeFileSync(join(media, file(name)), "x", { mode: 0o600 });
  const before = new Date(Date.now() - 10 * DAY);
  for (const name of readdirSync(media)) utimesSync(join(media, name), before, before);
  const all = LIMITS.retentionRows * 4;

  const offline = await openclawJson<Answer>(home, "state", "clean", "--dry-run");
  assert.deepEqual(offline.wouldRemove.messages, 0, "without rules everything is kept");

  const dying = await startGateway({ home, config, env: { OPENCLAW_GATEWAY_CRASH_AT: "retention-step:2" } });
  const planned = await openclawJson<Answer>(home, "state", "clean", "--dry-run");
  assert.deepEqual([planned.wouldRemove.sessions, planned.wouldRemove.messages], [1, all]);
  assert.deepEqual([planned.media.files, planned.media.missing], [1, { count: 1, names: [file("c")] }]);
  const client = await dying.connect();
  await assert.rejects(client.request("retention.run", {}));
  await dying.ended;
  const partly = countBySession();
  assert.equal(partly["agent:main:kept"], 20);
  assert.ok(partly["agent:main:old"]! > 0 && partly["agent:main:old"]! < all, `${partly["agent:main:old"]} of ${all} are left`);

  const gateway = await startGateway({ home, config });
  const cleaned = await openclawJson<Answer>(home, "state", "clean", "--yes");
  assert.equal(cleaned.removed.sessions, 1);
  const size = await openclawJson<{ cleanable: Answer }>(home, "state", "size");
  assert.deepEqual(size.cleanable.wouldRemove.messages, 0);
  await gateway.kill();
  assert.deepEqual(countBySession(), { "agent:main:kept": 20 });
  assert.deepEqual(
    ["a", "b", "d"].map((name) => existsSync(join(media, file(name)))),
    [false, true, false],
  );
});
