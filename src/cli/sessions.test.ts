import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { startStoreHolder } from "../../test/fakes/gateway-process.ts";
import { startServerBench, TOKEN } from "../../test/server-bench.ts";
import { Secret } from "../core/secret.ts";

const KEY = "agent:main:irc:direct:alice";
const message = (over: Record<string, unknown>): Record<string, unknown> => ({ role: "assistant", content: [], timestamp: 1, ...over });
const tokens = ["t1", "t2"].map((id) => ({ id, name: "ci", scopes: ["operator.read"] }));
const revoked: string[] = [];
const room = await startServerBench({
  deps: { identityKey: new Secret("key") },
  methods: {
    "sessions.describe": {
      scope: "operator.read",
      run: ({ key }: { key: string }) => ({ session: key === KEY ? { key, status: "failed", updatedAt: 1 } : null }),
    },
    "chat.history": {
      scope: "operator.read",
      run: ({ sessionKey }: { sessionKey: string }) => ({
        messages:
          sessionKey === KEY
            ? [
                message({ role: "user", content: "hello" }),
                message({ stopReason: "error", errorMessage: "401: invalid\u009b31m key" }),
                message({ content: [{ type: "text", text: "half of" }], stopReason: "aborted" }),
              ]
            : [],
      }),
    },
    "sessions.list": { scope: "operator.read", run: () => ({ sessions: [{ key: KEY }] }) },
    "sessions.delete": { scope: "operator.admin", run: ({ key }: { key: string }) => ({ deleted: key === KEY }) },
    "tokens.list": { scope: "operator.admin", run: () => ({ tokens }) },
    "tokens.revoke": { scope: "operator.admin", run: ({ id }: { id: string }) => (revoked.push(id), { id, revoked: true }) },
    agent: { scope: "operator.write", run: () => ({ status: "ok", result: { payloads: [{ text: "in time" }] } }) },
  },
});
const state = mkdtempSync(join(tmpdir(), "openclaw-sessions-"));
mkdirSync(join(state, "gateway"));
writeFileSync(join(state, "gateway/token"), TOKEN);
writeFileSync(
  join(state, "gateway/owner.json"),
  JSON.stringify({ pid: startStoreHolder(state), port: room.port, url: room.url, startedAt: 1, identityKey: "key" }),
);
after(async () => {
  await room.stop();
  rmSync(state, { recursive: true, force: true });
});

test("sessions show prints why a reply failed", async () => {
  const { code, out } = await callCli(state, ["sessions", "show", KEY]);
  assert.equal(code, 0);
  assert.match(out, /\n {2}✗ 401: invalid31m key\n/);
  assert.match(out, /\n {2}half of\n {2}✗ stopped\n/);
});

for (const command of ["show", "delete"]) {
  test(`sessions ${command} says that the session does not exist, and which one was probably meant`, async () => {
    const { code, err } = await callCli(state, [
      "sessions",
      command,
      "agent:main:irc:direct:alcie",
      ...(command === "delete" ? ["--yes"] : []),
    ]);
    assert.equal(code, 1);
    assert.equal(err, `✗ No session "agent:main:irc:direct:alcie". Did you mean "${KEY}"?\n  Fix: openclaw sessions list\n`);
  });
}

test("a token with a name that another one has is revoked by its id", async () => {
  const byName = await callCli(state, ["tokens", "revoke", "ci"]);
  assert.equal(byName.code, 2);
  assert.match(byName.err, /2 tokens are named ci\n.*\n {2}Fix: use an id: openclaw tokens revoke t1, or openclaw tokens revoke t2/);
  assert.equal((await callCli(state, ["tokens", "revoke", "t2"])).code, 0);
  assert.deepEqual(revoked, ["t2"]);
});

for (const seconds of ["1", "2", "30"]) {
  test(`agent --timeout ${seconds} leaves the connection its own limit`, async () => {
    const { code, out, err } = await callCli(state, ["agent", "--message", "x", "--timeout", seconds]);
    assert.equal(code, 0, err);
    assert.equal(out, "in time\n");
  });
}

test("--timeout is the limit of the request, not of the connection", async () => {
  const { code, err } = await callCli(state, ["sessions", "--timeout", "1000"]);
  assert.equal(code, 0, err);
});
