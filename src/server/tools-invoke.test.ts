// Group: wire
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { BEARER, http, startServerBench, type HttpResult, type ServerBench } from "../../test/server-bench.ts";
import type { ToolAnswer } from "./tools-invoke.ts";

const calls: { params: unknown; scopes: readonly string[] }[] = [];
const ANSWERS: Readonly<Record<string, ToolAnswer>> = {
  read: { ok: true, output: { content: [{ type: "text", text: "hello" }] } },
  exec: { ok: false, error: { code: "denied", message: "the tool exec is denied by tools.deny", details: { rule: "tools.deny" } } },
  edit: { ok: false, output: { content: [] }, error: { code: "failed", message: "no such text" } },
};

let room: ServerBench;
before(async () => {
  room = await startServerBench({
    deps: {
      invokeTool: async (params, { scopes }) => {
        calls.push({ params, scopes: [...scopes] });
        const name = String((params as { name: unknown }).name);
        return ANSWERS[name] ?? { ok: false, error: { code: "unknown", message: `unknown tool "${name}"` } };
      },
    },
  });
});
after(() => room.stop());

const post = (body: unknown, headers: Record<string, string> = BEARER): Promise<HttpResult> =>
  http(room.port, "/tools/invoke", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

test("a call runs with the fields of the body, and its result is the answer", async () => {
  const { status, body } = await post({
    tool: "read",
    args: { path: "a" },
    action: "show",
    sessionKey: "main",
    agentId: "ops",
    idempotencyKey: "k",
  });
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body), { ok: true, result: ANSWERS["read"]!.output });
  assert.deepEqual(calls.at(-1)!.params, {
    name: "read",
    args: { path: "a", action: "show" },
    sessionKey: "main",
    agentId: "ops",
    idempotencyKey: "k",
  });
  assert.ok(calls.at(-1)!.scopes.includes("operator.write"));
});

const REFUSALS: readonly [title: string, body: unknown, status: number, error: RegExp][] = [
  ["a denied tool", { name: "exec" }, 403, /"type":"denied".*"rule":"tools.deny"/],
  ["an unknown tool", { name: "browser" }, 404, /"type":"unknown"/],
  ["a tool that fails", { name: "edit" }, 500, /"type":"failed","message":"no such text"/],
  ["two names", { name: "exec", tool: "read" }, 400, /differ/],
  ["a field that has no effect", { name: "read", workdir: "/" }, 400, /unknown field \\"workdir\\"/],
  ["a body that is not JSON", "{", 400, /not JSON/],
  ["a list", "[]", 400, /JSON object/],
];
for (const [title, body, status, error] of REFUSALS) {
  test(`${title} is answered with ${status}`, async () => {
    const answer = await post(body);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.body, error);
  });
}

test("a header that would say whose conversation it is for is refused by name", async () => {
  const answer = await post({ name: "read" }, { ...BEARER, "x-openclaw-message-channel": "irc" });
  assert.deepEqual([answer.status, /x-openclaw-message-channel has no effect/.test(answer.body)], [400, true]);
});

test("without a credential nothing runs", async () => {
  const before = calls.length;
  assert.equal((await post({ name: "read" }, {})).status, 401);
  assert.equal(calls.length, before);
});
