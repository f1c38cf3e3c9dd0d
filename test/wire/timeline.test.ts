// The stages of a message through the real process: from a channel to the confirmed delivery, on the wire and on the command line.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import type { Timeline } from "../../src/core/timeline.ts";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Answer = { message: { text: string; senderName?: string; channel: string }; timeline: Timeline };

let peer: WebhookPeer;
let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();

before(async () => {
  peer = await new WebhookPeer().start();
  model = await startModelServer();
  const webhook = { secret: peer.secret, outboundUrl: peer.url, dmPolicy: "allowlist", allowFrom: ["customer-17"] };
  gateway = await startGateway({ home, config: { ...modelConfig(model.url), channels: { webhook } } });
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await peer.close();
  dropHome(home);
});

async function say(text: string): Promise<void> {
  const chat = { kind: "direct", id: "customer-17" };
  const body = JSON.stringify({ type: "message", chat, sender: { id: "customer-17", name: "Ann" }, text });
  const id = randomUUID();
  const at = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", peer.secret).update(`to-gateway.${id}.${at}.${body}`).digest("hex");
  const headers = {
    "content-type": "application/json",
    "x-webhook-id": id,
    "x-webhook-timestamp": at,
    "x-webhook-signature": `v2=${signature}`,
  };
  assert.equal((await fetch(`${gateway.http}/channels/webhook`, { method: "POST", headers, body })).status, 200);
}

test("a message of a channel has every stage with its time, its route and its delivery", async () => {
  await say("hello there");
  await until("the answer", () => peer.messages.some(({ text }) => text === "You said: hello there"));
  const operator = await gateway.connect();
  const answer = await until("the confirmation", async () => {
    const found = await operator.request<Answer>("sessions.timeline", {});
    return found.timeline.deliveredAt === undefined ? undefined : found;
  });
  const { message, timeline } = answer;
  assert.deepEqual([message.text, message.senderName, message.channel], ["hello there", "Ann", "webhook"]);
  const kinds = timeline.stages.map((stage) => stage.kind).filter((kind) => kind !== "platform");
  assert.deepEqual(kinds, ["stored", "routed", "waited", "prepared", "model", "answered", "delivery"]);
  assert.ok(timeline.stages.every((stage) => stage.status === "done" && stage.endedAt! >= stage.startedAt));
  const [route, delivery] = [timeline.stages.find((stage) => stage.kind === "routed"), timeline.stages.at(-1)!];
  assert.deepEqual(route?.kind === "routed" && [route.route?.rule, route.route?.access, route.agentId], ["default", "dm-listed", "main"]);
  assert.ok(delivery.kind === "delivery" && delivery.attemptedAt! >= delivery.startedAt && delivery.platformIds.length === 1);
  assert.ok(timeline.tokens.input > 0 && timeline.tokens.output > 0);
  const { messages } = await operator.request<{ messages: { __openclaw: { id: string } }[] }>("chat.history", {
    sessionKey: "agent:main:webhook:direct:customer-17",
  });
  for (const { __openclaw } of messages)
    assert.equal((await operator.request<Answer>("sessions.timeline", { id: __openclaw.id })).timeline.runId, timeline.runId);
  operator.close();
});

test("the command line draws it, and says what it does not find and how to go on", async () => {
  const operator = await gateway.connect();
  await operator.request("chat.send", { sessionKey: "main", message: 'tool:exec:{"command":"echo hi"}', idempotencyKey: "run-1" });
  await operator.request("agent.wait", { runId: "run-1" });
  operator.close();
  const url = ["--url", gateway.url];
  const drawn = await openclaw(home, "trace", "run-1", ...url);
  assert.equal(drawn.code, 0, drawn.stderr);
  assert.match(drawn.stdout, /result +It was answered in .*\.\n/);
  assert.match(drawn.stdout, /Tool exec +\d.*█/);
  assert.match(drawn.stdout, /Routed +┃ +to agent main, which the client chose\n/);
  const json = await openclawJson<Answer>(home, "trace", "--session-key", "main", ...url);
  assert.deepEqual(
    json.timeline.stages.map((stage) => stage.kind),
    ["stored", "routed", "waited", "prepared", "model", "tool", "model", "answered"],
  );
  const unknown = await openclaw(home, "trace", "nope", ...url);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no message or run has the id "nope"[\s\S]+Fix: `openclaw trace` without an id/);
});

test("a running turn shows the step that runs, and a crash keeps what the rows say", async () => {
  const operator = await gateway.connect();
  await operator.request("chat.send", { sessionKey: "main", message: 'tool:exec:{"command":"sleep 60"}', idempotencyKey: "run-2" });
  const running = await until("the call", async () => {
    const { timeline } = await operator.request<Answer>("sessions.timeline", { id: "run-2" });
    return timeline.stages.find((stage) => stage.kind === "tool" && stage.status === "running");
  });
  assert.equal(running.endedAt, undefined);
  operator.close();
  await gateway.kill("SIGKILL");
  gateway = await startGateway({ home, port: gateway.port });
  const again = await gateway.connect();
  const { timeline } = await until("the end", async () => {
    const found = await again.request<Answer>("sessions.timeline", { id: "run-2" });
    return found.timeline.answeredAt === undefined ? undefined : found;
  });
  assert.equal(timeline.hasSteps, false);
  const tool = timeline.stages.find((stage) => stage.kind === "tool");
  assert.deepEqual([tool?.kind === "tool" && tool.tool, tool?.status], ["exec", "unknown"]);
  again.close();
});
