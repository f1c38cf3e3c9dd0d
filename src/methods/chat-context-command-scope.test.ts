import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { message, openTurnBench } from "../../test/fakes/turn-bench.ts";
import { operatorSubmission, type ChatDeps } from "./chat-context.ts";

const bench = openTurnBench({ resetTriggers: ["start over"] });
const deps = {
  turns: bench.turns,
  sessions: bench.sessions,
  operatorTools: () => [],
  queueMode: () => "followup",
} as unknown as ChatDeps;

const submit = (text: string, scopes: string[], literal = false) =>
  operatorSubmission(deps, {
    source: "rpc",
    key: message("", "x").sessionKey,
    agentId: asId("main"),
    text,
    images: [],
    idempotencyKey: "k",
    caller: { client: { id: "test", mode: "test", version: "1" }, scopes: new Set(scopes) } as never,
    literal,
  });

test("whatever begins a new conversation needs the scope of sessions.reset, in every form in which the gateway reads it", () => {
  for (const text of ["/new", "/reset", "/reset@x", "  /NEW  ", "/reset:", "/new\n", "start over", "START OVER "]) {
    assert.throws(() => submit(text, ["operator.read", "operator.write"]), { code: "FORBIDDEN" }, text);
    assert.equal(submit(text, ["operator.write", "operator.admin"]).text, text);
    assert.equal(submit(text, ["operator.write"], true).command, null, "a text that is not a command is not refused");
  }
});

test("all other messages and commands need operator.write only", () => {
  for (const text of ["hello", "/new ideas for the garden", "/status", "/model fake/other", "/stop", "/think low"])
    assert.equal(submit(text, ["operator.write"]).text, text);
});
