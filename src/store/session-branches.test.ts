import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createMessages, textOf } from "./messages.ts";
import { openStore } from "./open.ts";
import { createSessionBranches } from "./session-branches.ts";
import { createSessions, type SessionRow } from "./sessions.ts";

const KEY = asId<SessionKey>("agent:main:main");
const PROVENANCE = { channel: "webchat", senderIsOwner: true };

function open(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "branches-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const messages = createMessages(store);
  const sessions = createSessions(store);
  const branches = createSessionBranches(store);
  let ids = 0;
  const session = (): SessionRow => sessions.get(KEY)!;
  const options = { newId: () => `part-${++ids}`, now: 1 };
  return {
    messages,
    sessions,
    branches,
    session,
    start: () =>
      store.write(() =>
        sessions.ensure(KEY, { sessionId: "s", agentId: asId<AgentId>("main"), chatKind: "direct", channel: "webchat", now: 1 }),
      ),
    say: (...texts: string[]) =>
      store.write(() => {
        for (const content of texts)
          messages.add({
            id: `m-${content}`,
            at: 1,
            sessionKey: KEY,
            sessionId: session().session_id,
            runId: null,
            idempotencyKey: null,
            body: { role: "user", content, provenance: PROVENANCE },
          });
      }),
    shown: () => messages.tail(KEY, session().session_id, { limit: 100 }).map(({ body }) => textOf(body)),
    /** Begins a branch before a message. */
    rewind: (text: string) =>
      store.write(() => {
        const { seq } = messages.byId(`m-${text}`)!;
        const after = messages.seqOf(KEY, session().session_id, 0, seq) ?? 0;
        sessions.patch(KEY, branches.begin(session(), after, options));
      }),
    to: (leaf: string) =>
      store.write(() => {
        const branch = branches.list(session()).find(({ leafId }) => leafId === `m-${leaf}`)!;
        const context = branches.activate(session(), branch);
        if (context) sessions.patch(KEY, context);
        return context;
      }),
    setCheckpoint: (checkpoint: string) => store.write(() => sessions.patch(KEY, { checkpoint })),
    list: () => branches.list(session()).map(({ leafId, messages: count, active }) => `${leafId.slice(2)} ${count}${active ? " *" : ""}`),
  };
}

test("a conversation has one branch until another one begins", async (t) => {
  const it = open(t);
  await it.start();
  assert.deepEqual(it.list(), []);
  await it.say("a", "b");
  assert.deepEqual(it.list(), ["b 2 *"]);
});

test("a new branch continues what came before, and the earlier one is as it was when it is active again", async (t) => {
  const it = open(t);
  await it.start();
  await it.say("a", "b", "c", "d");
  await it.rewind("c");
  assert.deepEqual(it.shown(), ["a", "b"]);
  await it.say("x", "y");
  assert.deepEqual(
    [it.shown(), it.list()],
    [
      ["a", "b", "x", "y"],
      ["d 4", "y 4 *"],
    ],
  );
  await it.to("d");
  assert.deepEqual(
    [it.shown(), it.list()],
    [
      ["a", "b", "c", "d"],
      ["d 4 *", "y 4"],
    ],
  );
  await it.say("e");
  assert.deepEqual(it.list(), ["e 5 *", "y 4"]);
  await it.to("y");
  assert.deepEqual(
    [it.shown(), it.list()],
    [
      ["a", "b", "x", "y"],
      ["e 5", "y 4 *"],
    ],
  );
});

test("branches of branches keep their own ways, from the first message on", async (t) => {
  const it = open(t);
  await it.start();
  await it.say("a", "b");
  await it.rewind("a");
  assert.deepEqual(it.shown(), []);
  await it.say("c", "d", "e");
  await it.rewind("e");
  await it.say("f");
  await it.rewind("d");
  await it.say("g");
  assert.deepEqual(
    [it.shown(), it.list()],
    [
      ["c", "g"],
      ["b 2", "e 3", "f 3", "g 2 *"],
    ],
  );
  for (const [leaf, path] of [
    ["e", "cde"],
    ["b", "ab"],
    ["f", "cdf"],
    ["g", "cg"],
    ["b", "ab"],
    ["e", "cde"],
  ] as const) {
    await it.to(leaf);
    assert.equal(it.shown().join(""), path);
    assert.equal(it.list().length, 4);
  }
});

test("every branch has a context of its own, with the position where it was left", async (t) => {
  const it = open(t);
  await it.start();
  await it.say("a", "b");
  await it.setCheckpoint("first");
  await it.rewind("b");
  const second = it.session().context_id;
  assert.deepEqual([second !== null, it.session().checkpoint], [true, null]);
  await it.say("c");
  await it.setCheckpoint("second");
  assert.deepEqual(await it.to("b"), { context_id: null, checkpoint: "first" });
  assert.deepEqual(await it.to("c"), { context_id: second, checkpoint: "second" });
  assert.equal(await it.to("c"), null);
  assert.deepEqual(it.sessions.contextsOf(it.session()).length, 2);
});

test("a branch that nothing was written in leaves nothing behind", async (t) => {
  const it = open(t);
  await it.start();
  await it.say("a", "b", "c");
  await it.rewind("b");
  await it.rewind("a");
  await it.to("c");
  assert.deepEqual([it.shown(), it.list()], [["a", "b", "c"], ["c 3 *"]]);
  assert.equal(it.sessions.contextsOf(it.session()).length, 1);
});

test("a branch that would leave too many messages behind, and one too many, are refused and change nothing", async (t) => {
  const it = open(t);
  await it.start();
  await it.say(...Array.from({ length: LIMITS.forkMessages + 1 }, (_, n) => `n${n}`));
  await assert.rejects(it.rewind("n0"), /5001 messages follow/);
  assert.equal(it.list().length, 1);
  await it.rewind("n1");
  await it.say("other");
  for (let n = it.list().length; n < LIMITS.sessionBranches; n++) {
    await it.rewind("other");
    await it.say(`other-${n}`);
    await it.to("other");
  }
  await assert.rejects(it.rewind("other"), /has 64 branches, which is the limit/);
  assert.deepEqual(it.shown(), ["n0", "other"]);
});

test("random ways through a tree always show the path to the leaf", async (t) => {
  const it = open(t);
  await it.start();
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  const paths = new Map<string, string[]>();
  let path: string[] = [];
  for (let n = 0; n < 120; n++) {
    const leaves = [...paths.keys()];
    const act = random(3);
    if (act === 0 && path.length > 1) {
      const at = random(path.length);
      await it.rewind(path[at]!);
      path = path.slice(0, at);
    } else if (act === 1 && leaves.length > 1) {
      const leaf = leaves[random(leaves.length)]!;
      if (leaf !== path.at(-1)) await it.to(leaf);
      path = [...paths.get(leaf)!];
      assert.deepEqual(it.shown(), path);
      continue;
    }
    const before = path.join("/");
    await it.say(`n${n}`);
    for (const [leaf, way] of paths) if (way.join("/") === before) paths.delete(leaf);
    path = [...path, `n${n}`];
    paths.set(`n${n}`, path);
    assert.deepEqual(it.shown(), path);
    const listed = it.list().map((row) => row.split(" ")[0]!);
    assert.deepEqual(listed.toSorted(), [...paths.keys()].toSorted());
    for (const row of it.list()) assert.equal(Number(row.split(" ")[1]), paths.get(row.split(" ")[0]!)!.length, row);
  }
});
