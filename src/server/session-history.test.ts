// Group: wire
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { BEARER, http, startServerBench, type HttpResult, type ServerBench } from "../../test/server-bench.ts";
import type { SessionHistoryQuery } from "./session-history.ts";

const queries: SessionHistoryQuery[] = [];
const sessionHistory = (query: SessionHistoryQuery): string | null => {
  queries.push(query);
  return query.key === "none" ? null : '{"sessionKey":"agent:main:main","items":[],"messages":[],"hasMore":false}';
};

let room: ServerBench;
before(async () => {
  room = await startServerBench({ deps: { sessionHistory } });
});
after(() => room.stop());

const get = (path: string, headers: Record<string, string> = BEARER): Promise<HttpResult> => http(room.port, path, { headers });

test("the key, the limit and the cursor of the address are read", async () => {
  const answer = await get("/sessions/agent%3Amain%3Amain/history?limit=5000&cursor=seq:7");
  assert.equal(answer.status, 200);
  assert.equal((JSON.parse(answer.body) as { sessionKey: string }).sessionKey, "agent:main:main");
  assert.deepEqual(queries.at(-1), { key: "agent:main:main", limit: 1_000, beforeSeq: 7 });
  await get("/sessions/main/history");
  assert.deepEqual(queries.at(-1), { key: "main", limit: 1_000, beforeSeq: undefined });
});

for (const [path, status] of [
  ["/sessions/none/history", 404],
  ["/sessions/main", 404],
  ["/sessions/main/history/more", 404],
  ["/sessions/%zz/history", 400],
  ["/sessions/main/history?limit=0", 400],
  ["/sessions/main/history?limit=many", 400],
  ["/sessions/main/history?cursor=-1", 400],
] as const) {
  test(`${path} is answered with ${status}`, async () => {
    assert.equal((await get(path)).status, status);
  });
}

test("without a credential nothing is read", async () => {
  const before = queries.length;
  assert.equal((await get("/sessions/main/history", {})).status, 401);
  assert.equal(queries.length, before);
});

test("an event stream is refused with a reason", async () => {
  const answer = await get("/sessions/main/history", { ...BEARER, accept: "text/event-stream" });
  assert.equal(answer.status, 400);
  assert.match(answer.body, /not served as an event stream/);
});
