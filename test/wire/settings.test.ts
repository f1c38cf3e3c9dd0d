// Configuration keys take effect for the people on a channel, for the model, and for clients of the port.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { startModelServer, systemOf, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

let irc: Ngircd;
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
let ann: IrcClient;
const home = newHome();
const workspace = join(home, "workspace");
const skip = noNgircd;

const said = (where: string): string[] =>
  ann
    .said()
    .filter((each) => each.from === "claw" && each.to === where)
    .map((each) => each.text);

const ask = (path: string): Promise<Response> =>
  fetch(`${gateway.http}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${gateway.token()}`, "content-type": "application/json" },
    body: "{}",
  });

function settings(): Wire {
  const { models } = modelConfig(model.url) as { models: { providers: { test: Wire } } };
  const provider = { ...models.providers.test, apiKey: "${TEST_MODEL_KEY}", headers: { "x-house": "${HOUSE}" } };
  return {
    env: { vars: { TEST_MODEL_KEY: "key-of-the-file", HOUSE: "seven" } },
    models: { mode: "replace", providers: { test: provider } },
    agents: {
      defaults: {
        model: "test/echo",
        models: { "test/echo": { alias: "parrot" } },
        workspace,
        userTimezone: "Pacific/Auckland",
        bootstrapMaxChars: 40,
        compaction: { enabled: false, keepRecentTokens: 1_234 },
      },
    },
    session: { resetTriggers: ["start over"] },
    messages: { responsePrefix: "[claw]", queue: { mode: "collect", debounceMs: 300 } },
    commands: { allowFrom: { irc: ["ann!~ann@127.0.0.1", "ann!~ann@localhost"] } },
    gateway: { http: { endpoints: { responses: { enabled: false } } }, auth: { rateLimit: { maxAttempts: 2 } } },
    secrets: { providers: { vault: { source: "exec", command: "/bin/true" } } },
    channels: {
      irc: {
        host: "127.0.0.1",
        port: irc.port,
        tls: false,
        nick: "claw",
        channels: ["#lab"],
        flood: { burst: 20, intervalMs: 10 },
        dmPolicy: "open",
        allowFrom: ["*"],
        password: { source: "exec", provider: "vault", id: "irc" },
        textChunkLimit: 60,
        groups: { "#lab": { allowFrom: ["*"], requireMention: false, systemPrompt: "This is the laboratory." } },
      },
    },
  };
}

before(async () => {
  if (skip) return;
  irc = await startNgircd();
  model = await startModelServer({ key: "key-of-the-file" });
  mkdirSync(workspace);
  writeFileSync(join(workspace, "AGENTS.md"), `Only the beginning is read.${" padding".repeat(20)} THE-END`);
  gateway = await startGateway({ home, config: settings() });
  operator = await gateway.connect();
  await until("the bot in its room", async () => {
    const status = await operator.request<{ channelAccounts: Record<string, { connected?: boolean }[]> }>("channels.status", {});
    return status.channelAccounts["irc"]?.[0]?.connected;
  });
  ann = await IrcClient.join(irc.port, "ann", ["#lab"]);
});

after(async () => {
  if (skip) return;
  ann.close();
  await operator.close();
  await gateway.kill();
  await model.close();
  await irc.close();
  dropHome(home);
});

test(
  "A variable of the file is the provider's key, and the model receives the date, the room's context and a file up to its limit",
  {
    skip,
  },
  async () => {
    ann.say("#lab", "hello");
    await ann.until(() => said("#lab").some((line) => line.includes("You said")), "an answer in the room");
    const request = model.requests()[0]!;
    assert.equal(request.headers["authorization"], "Bearer key-of-the-file");
    assert.equal(request.headers["x-house"], "seven");
    const system = systemOf(request);
    assert.match(system, /This is the laboratory\./);
    assert.match(system, /Pacific\/Auckland/);
    assert.match(system, /Only the beginning is read\./);
    assert.doesNotMatch(system, /THE-END/);
  },
);

test("Replies carry the prefix and are cut to the configured length", { skip }, async () => {
  ann.say("claw", `please repeat ${"some words ".repeat(12)}exactly`);
  await ann.until(() => said("ann").some((line) => line.includes("exactly")), "the end of the answer");
  const lines = said("ann");
  assert.match(lines[0]!, /^\[claw\] You said: please repeat/);
  assert.ok(lines.length > 2, lines.join("|"));
  for (const line of lines) assert.ok(line.length <= 60, line);
});

test("A configured reset text starts a new session for senders who may use commands; from others it is a message", { skip }, async () => {
  const bob = await IrcClient.join(irc.port, "bob");
  const heard = (): string[] => bob.said().map((each) => each.text);
  bob.say("claw", "Start over");
  await bob.until(() => heard().includes("[claw] You said: Start over"), "an answer of the model");
  bob.close();
  ann.say("claw", "Start over");
  await ann.until(() => said("ann").some((line) => line.startsWith("[claw] This is a new conversation.")), "a new conversation");
  const { lines } = await operator.request<{ lines: string[] }>("route.explain", {
    channel: "irc",
    account: "default",
    peer: "bob!~b@elsewhere",
  });
  assert.ok(lines.includes("sender     not an owner; commands are plain text (commands.allowFrom)"), lines.join("\n"));
  assert.ok(lines.includes("queue      collect (from config), taken together after 300 ms of quiet"), lines.join("\n"));
});

test("Pi shortens conversations as configured", { skip }, () => {
  const { compaction } = JSON.parse(readFileSync(join(stateDir(home), "gateway", "pi", "settings.json"), "utf8")) as { compaction: Wire };
  assert.equal(compaction["enabled"], false);
  assert.equal(compaction["keepRecentTokens"], 1_234);
});

test("A secret that cannot be read is named; a route that is off is not there, and the other one is", { skip }, async () => {
  const status = await operator.request<{ degradedSecretOwners?: string[] }>("status", {});
  assert.deepEqual(status.degradedSecretOwners, ["channels.irc.password", "secrets.providers.vault"]);
  assert.equal((await ask("/v1/responses")).status, 404);
  assert.equal((await ask("/v1/chat/completions")).status, 400);
});

test("Authentication is not switched off while the gateway runs, whatever the file says", { skip }, async () => {
  const { hash } = await operator.request<{ hash: string }>("config.get", {});
  await operator.request("config.patch", { raw: JSON.stringify({ gateway: { auth: { mode: "none" } } }), baseHash: hash });
  await until("a warning", () => gateway.output().includes("authentication stays on until a restart"));
  const answer = await fetch(`${gateway.http}/v1/models`);
  assert.equal(answer.status, 401);
});
