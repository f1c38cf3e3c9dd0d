import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { openMethodBench } from "../../test/fakes/method-bench.ts";
import { readSessionHistory } from "./session-history.ts";

type Page = { sessionKey: string; items: { content: unknown; __openclaw: { seq: number } }[]; hasMore: boolean; nextCursor?: string };

test("the pages of a history, newest first, hold every message once", async () => {
  const rig = openMethodBench();
  for (const text of ["one", "two", "three"]) {
    await rig.call("chat.send", { sessionKey: "main", message: text, idempotencyKey: text });
    await rig.bench.turns.runs.waitForOutcome(asId(text), 5_000);
  }
  const sequences: number[] = [];
  let cursor: string | undefined;
  do {
    const beforeSeq = cursor === undefined ? undefined : Number(cursor);
    const page = JSON.parse(readSessionHistory(rig.deps, { key: "main", limit: 2, beforeSeq })!) as Page;
    assert.equal(page.sessionKey, "agent:main:main");
    assert.equal(page.hasMore, page.nextCursor !== undefined);
    sequences.unshift(...page.items.map((row) => row.__openclaw.seq));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assert.equal(sequences.length, 6);
  assert.deepEqual(
    sequences,
    [...new Set(sequences)].toSorted((a, b) => a - b),
  );
  rig.close();
});

test("a session that does not exist has no history", () => {
  const rig = openMethodBench();
  assert.equal(readSessionHistory(rig.deps, { key: "unknown", limit: 2, beforeSeq: undefined }), null);
  rig.close();
});
