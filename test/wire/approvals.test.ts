import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { startModelServer } from "../model-server.ts";
import { openclaw } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type StartOptions } from "./gateway-process.ts";

const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.approvals"];
type Question = { id: string; shortId: string; request: { command: string; allowedDecisions: string[]; runId: string } };

/** A gateway that asks about commands, and what it asks. */
async function open(t: TestContext, home = newHome(), more: StartOptions = {}) {
  const model = await startModelServer();
  const workspace = join(home, "workspace");
  mkdirSync(workspace, { recursive: true });
  const base = modelConfig(model.url) as { agents: { defaults: object } };
  const config = {
    ...base,
    agents: { defaults: { ...base.agents.defaults, workspace, skipBootstrap: true } },
    tools: { exec: { mode: "ask" } },
  };
  const gateway = await startGateway({ home, config, ...more });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    await model.close();
    dropHome(home);
  });
  const client = await gateway.connect({ scopes: SCOPES });
  const asked: Question[] = [];
  const ended: { id: string; decision: string; resolvedBy: string | null }[] = [];
  const phases: string[] = [];
  client.on(({ event, payload }) => {
    if (event === "exec.approval.requested") asked.push(payload as Question);
    if (event === "exec.approval.resolved") ended.push(payload as (typeof ended)[number]);
    if (event === "agent") phases.push(String((payload as { data: { phase?: string } }).data.phase));
  });
  return { gateway, client, asked, ended, phases, workspace };
}

const ask = (client: ProtocolClient, command: string, key: string): Promise<{ result: { payloads: { text: string }[] } }> =>
  client.request(
    "agent",
    { sessionKey: "main", message: `tool:exec:${JSON.stringify({ command })}`, idempotencyKey: key },
    { timeoutMs: 60_000, onAccepted: () => {} },
  );
const textOf = ({ result }: { result: { payloads: { text: string }[] } }): string => result.payloads.map(({ text }) => text).join("\n");

test("a command runs when a person agrees, does not when a person denies it, and both are in the history", async (t) => {
  const { client, asked, ended, phases, workspace } = await open(t);
  const first = ask(client, "mkdir made && touch made/by-us", "k1");
  const question = await until("the question", () => asked[0]);
  assert.equal(question.request.command, "mkdir made && touch made/by-us");
  assert.ok(!existsSync(join(workspace, "made")), "nothing runs before the answer");
  assert.ok(phases.includes("waiting-approval"));
  await client.request("exec.approval.resolve", { id: question.shortId, decision: "allow-once" });
  assert.doesNotMatch(textOf(await first), /Not run/);
  assert.ok(existsSync(join(workspace, "made/by-us")));

  const second = ask(client, "rm -r made", "k2");
  await until("the second question", () => asked[1]);
  // In the chat, as a person would write it; the other client sees who answered.
  await client.request("chat.send", { sessionKey: "main", message: `/approve ${asked[1]!.shortId} no`, idempotencyKey: "k3" });
  assert.match(textOf(await second), /Not run: .* denied it/);
  assert.ok(existsSync(join(workspace, "made/by-us")));
  assert.deepEqual(
    ended.map(({ decision }) => decision),
    ["allow-once", "deny"],
  );
  const { items } = await client.request<{ items: { status: string }[] }>("approval.history", {});
  assert.deepEqual(
    items.map(({ status }) => status),
    ["denied", "allowed"],
  );
});

test("what a person always allows is not asked about again, also after a restart", async (t) => {
  const home = newHome();
  const one = await open(t, home);
  const first = ask(one.client, "touch ./first.txt", "k1");
  const question = await until("the question", () => one.asked[0]);
  await one.client.request("exec.approval.resolve", { id: question.id, decision: "allow-always" });
  await first;
  await one.gateway.kill();
  const two = await open(t, home);
  await ask(two.client, "touch ./second.txt", "k2");
  assert.ok(existsSync(join(two.workspace, "second.txt")));
  assert.deepEqual(two.asked, []);
});

test("a gateway that is killed while a question waits runs nothing after its restart, whatever is answered", async (t) => {
  const home = newHome();
  const one = await open(t, home);
  ask(one.client, "touch ./never", "k1").catch(() => {});
  const question = await until("the question", () => one.asked[0]);
  await one.gateway.kill("SIGKILL");
  const two = await open(t, home);
  assert.deepEqual(await two.client.request("exec.approval.list", {}), []);
  await assert.rejects(
    two.client.request("exec.approval.resolve", { id: question.id, decision: "allow-once" }),
    /has ended before: cancelled/,
  );
  const outcome = await two.client.request<{ status: string }>("agent.wait", { runId: "k1", timeoutMs: 30_000 });
  assert.equal(outcome.status, "error");
  assert.ok(!existsSync(join(two.workspace, "never")));
});

test("a gateway that is stopped while a question waits says so in the history", async (t) => {
  const home = newHome();
  const one = await open(t, home);
  ask(one.client, "touch ./never", "k1").catch(() => {});
  await until("the question", () => one.asked[0]);
  assert.match((await openclaw(home, "status")).stdout, /^approvals +1 command for your answer: openclaw approvals$/m);
  assert.match((await openclaw(home, "doctor")).stdout, /1 command waits for your answer/);
  await one.gateway.kill();
  const two = await open(t, home);
  const { items } = await two.client.request<{ items: { reason: string }[] }>("approval.history", {});
  assert.deepEqual(
    items.map(({ reason }) => reason),
    ["gateway-restart"],
  );
});

test("a stopped turn takes its question with it", async (t) => {
  const { client, asked, ended, workspace } = await open(t);
  const run = ask(client, "touch ./never", "k1");
  await until("the question", () => asked[0]);
  await client.request("chat.abort", { sessionKey: "main" });
  await run;
  await until("the end of the question", () => ended[0]);
  assert.deepEqual(await client.request("exec.approval.list", {}), []);
  assert.ok(!existsSync(join(workspace, "never")));
});

test("what is allowed for an hour runs without a question, also after a restart, until it is revoked", async (t) => {
  const home = newHome();
  const one = await open(t, home);
  const first = ask(one.client, "touch ./first.txt", "k1");
  const question = await until("the question", () => one.asked[0]);
  await one.client.request("approval.resolve", { id: question.id, kind: "exec", decision: "allow-once", grant: "1h" });
  await first;
  await one.gateway.kill();
  const two = await open(t, home);
  await ask(two.client, "touch ./second.txt", "k2");
  assert.ok(existsSync(join(two.workspace, "second.txt")));
  assert.deepEqual(two.asked, []);
  const { stdout } = await openclaw(home, "approvals", "grants", "--json");
  const { grants } = JSON.parse(stdout) as { grants: { grantId: string; useCount: number; command: string }[] };
  assert.deepEqual(
    grants.map(({ command, useCount }) => [command, useCount]),
    [["touch ./first.txt", 1]],
  );
  assert.match((await openclaw(home, "approvals", "grants", "revoke", grants[0]!.grantId.slice(0, 4))).stdout, /has ended/);
  const third = ask(two.client, "touch ./third.txt", "k3");
  const again = await until("the question after the end of the grant", () => two.asked[0]);
  await two.client.request("exec.approval.resolve", { id: again.id, decision: "deny" });
  assert.match(textOf(await third), /Not run: .* denied it at .* Commands that only read/);
});

test("a program asks over one connection, a person answers over another, and a third one waits for the decision", async (t) => {
  const { client, gateway } = await open(t);
  const reviewer = await gateway.connect({ scopes: ["operator.approvals"] });
  const events: { event: string; payload: { id: string; decision?: string } }[] = [];
  reviewer.on(({ event, payload }) => {
    if (event.startsWith("plugin.approval.")) events.push({ event, payload: payload as (typeof events)[number]["payload"] });
  });
  const accepted = Promise.withResolvers<{ id: string; deliveryRoute: string }>();
  const answer = client.request<{ decision: string }>(
    "plugin.approval.request",
    { title: "Pay", description: "12 EUR to Ann", severity: "critical", pluginId: "payments", twoPhase: true },
    { timeoutMs: 60_000, onAccepted: (payload) => accepted.resolve(payload as { id: string; deliveryRoute: string }) },
  );
  const { id, deliveryRoute } = await accepted.promise;
  assert.equal(deliveryRoute, "approval-client");
  const waiting = gateway
    .connect({ scopes: SCOPES })
    .then((third) => third.request<{ decision: string }>("plugin.approval.waitDecision", { id }));
  await until("the event", () => events[0]);
  await reviewer.request("plugin.approval.resolve", { id, decision: "allow-once" });
  assert.deepEqual([(await answer).decision, (await waiting).decision], ["allow-once", "allow-once"]);
  await assert.rejects(reviewer.request("plugin.approval.resolve", { id, decision: "deny" }), /has ended before: allowed/);
  await until("the end", () => events[1]);
  assert.deepEqual(
    events.map(({ event, payload }) => [event, payload.id]),
    [
      ["plugin.approval.requested", id],
      ["plugin.approval.resolved", id],
    ],
  );
});
