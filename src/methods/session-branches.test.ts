import assert from "node:assert/strict";
import { test } from "node:test";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { openMethodBench, type MethodBench } from "../../test/fakes/method-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";

type Row = { role: string; content: unknown; __openclaw: { id: string } };
type Branch = { leafEntryId: string; headline: string; messageCount: number; active: boolean };

const failure = (check: (err: GatewayError) => unknown) => (err: unknown) => err instanceof GatewayError && Boolean(check(err));
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]).toString("base64");

async function send(rig: MethodBench, text: string, more: Record<string, unknown> = {}, sessionKey = "main"): Promise<void> {
  const idempotencyKey = `${text}-${Math.random()}`;
  await rig.call("chat.send", { sessionKey, message: text, idempotencyKey, ...more });
  await rig.bench.turns.runs.waitForOutcome(asId(idempotencyKey), 5_000);
}

const rows = async (rig: MethodBench, sessionKey = "main"): Promise<Row[]> =>
  (await rig.call("chat.history", { sessionKey }))["messages"] as Row[];
const textOf = ({ content }: Row): string =>
  typeof content === "string" ? content : (content as { text?: string }[]).map(({ text }) => text ?? "").join("");
const texts = async (rig: MethodBench, sessionKey = "main"): Promise<string[]> => (await rows(rig, sessionKey)).map(textOf);
const branches = async (rig: MethodBench): Promise<Branch[]> =>
  (await rig.call("sessions.branches.list", { sessionKey: "main" }))["branches"] as Branch[];
const idOf = async (rig: MethodBench, text: string): Promise<string> =>
  (await rows(rig)).find((row) => textOf(row) === text)!.__openclaw.id;

test("a message is written again in a new branch, and the agent hears nothing of the earlier one", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await send(rig, "two");
  const answer = await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "two") });
  assert.deepEqual(answer, { editorText: "two" });
  assertMatchesResultSchema("SessionsRewindResult", answer);
  await send(rig, "three");
  assert.deepEqual(await texts(rig), ["one", "echo: one", "three", "echo: three"]);
  const turn = rig.bench.runtime.prompts.at(-1)!;
  assert.deepEqual(
    turn.history().map(({ text }) => text),
    ["one", "echo: one"],
  );
  assert.notEqual(turn.sessionId, rig.bench.runtime.prompts[0]!.sessionId);
  assert.equal(turn.checkpoint, null);
  rig.close();
});

test("the branches are listed with their last words, and a switch brings back messages and context", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await send(rig, "two");
  const first = rig.bench.runtime.prompts.at(-1)!.sessionId;
  await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "two") });
  await send(rig, "three");
  const list = await branches(rig);
  assertMatchesResultSchema("SessionsBranchesListResult", { branches: list });
  assert.deepEqual(
    list.map(({ headline, messageCount, active }) => [headline, messageCount, active]),
    [
      ["echo: two", 4, false],
      ["echo: three", 4, true],
    ],
  );
  assert.deepEqual(await rig.call("sessions.branches.switch", { sessionKey: "main", leafEntryId: list[0]!.leafEntryId }), {});
  assert.deepEqual(await texts(rig), ["one", "echo: one", "two", "echo: two"]);
  await send(rig, "four");
  const turn = rig.bench.runtime.prompts.at(-1)!;
  assert.equal(turn.sessionId, first);
  assert.deepEqual(
    turn.history().map(({ text }) => text),
    ["one", "echo: one", "two", "echo: two"],
  );
  await assert.rejects(
    rig.call("sessions.branches.switch", { sessionKey: "main", leafEntryId: "unknown" }),
    failure((err) => err.details?.["code"] === "BRANCH_NOT_FOUND"),
  );
  rig.close();
});

test("a client whose cursor is on another branch loads the conversation again", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await send(rig, "two");
  const { deltaCursor: cursor } = await rig.call("chat.history", { sessionKey: "main" });
  await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "two") });
  assert.deepEqual(await rig.call("chat.history", { sessionKey: "main", cursor }), { kind: "reset" });
  rig.close();
});

test("pictures come back with the text of a message, and a fork has its own messages", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await send(rig, "look", { attachments: [{ fileName: "a.png", mimeType: "image/png", content: PNG }] });
  const entryId = (await rows(rig)).findLast(({ role }) => role === "user")!.__openclaw.id;
  const made = await rig.call("sessions.fork", { sessionKey: "main", entryId });
  assertMatchesResultSchema("SessionsForkResult", made);
  assert.equal(made["editorText"], "look");
  assert.deepEqual(made["editorAttachments"], [{ mimeType: "image/png", data: PNG }]);
  const key = String(made["sessionKey"]);
  assert.deepEqual(await texts(rig, key), ["one", "echo: one"]);
  await send(rig, "other", {}, key);
  assert.equal((await texts(rig)).includes("other"), false);
  assert.equal((await branches(rig)).length, 1);
  rig.close();
});

test("a branch after an answer keeps the whole answer, and nothing changes at the end of a conversation", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await send(rig, "two");
  assert.deepEqual(await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "echo: two") }), {});
  assert.equal((await branches(rig)).length, 1);
  await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "echo: one") });
  assert.deepEqual(await texts(rig), ["one", "echo: one"]);
  await assert.rejects(
    rig.call("sessions.rewind", { sessionKey: "main", entryId: "unknown" }),
    failure((err) => err.details?.["code"] === "MESSAGE_NOT_FOUND"),
  );
  rig.close();
});

test("while an answer is being written no branch changes", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  const entryId = await idOf(rig, "one");
  rig.bench.runtime.script = gatedScript;
  await rig.call("chat.send", { sessionKey: "main", message: "slow", idempotencyKey: "slow" });
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main")).length === 1);
  await assert.rejects(
    rig.call("sessions.rewind", { sessionKey: "main", entryId }),
    failure((err) => err.code === "UNAVAILABLE" && err.message.includes("being written")),
  );
  await until(() => {
    rig.bench.runtime.release("slow");
    return rig.bench.turns.lanes.busySessions().size === 0;
  });
  rig.close();
});

test("a reset ends all branches, and their contexts are forgotten", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  await rig.call("sessions.rewind", { sessionKey: "main", entryId: await idOf(rig, "one") });
  await send(rig, "two");
  await rig.call("sessions.reset", { key: "main" });
  assert.deepEqual(await branches(rig), []);
  await send(rig, "three");
  assert.deepEqual(await texts(rig), ["three", "echo: three"]);
  rig.close();
});
