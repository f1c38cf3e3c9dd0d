// What the command line says about commands of agents, asked of a real gateway.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, newHome, startGateway, type GatewayUnderTest } from "./gateway-process.ts";

const home = newHome();
let gateway: GatewayUnderTest;

before(async () => {
  const exec = { mode: "full", host: "gateway" };
  gateway = await startGateway({
    home,
    config: {
      tools: { exec: { mode: "ask" } },
      agents: { entries: { main: {}, ops: { tools: { allow: ["exec", "write"], exec } }, talk: { tools: { allow: [], exec } } } },
      channels: { irc: { host: "127.0.0.1", port: 9, tls: false, nick: "claw" } },
    },
  });
});
after(async () => {
  await gateway.kill();
  dropHome(home);
});

type Policy = { isGranted: boolean; mode: string; rule: string; host: string };
type Finding = { check: string; severity: string };

const policyOf = (...words: string[]): Promise<Policy> => openclawJson<Policy>(home, "exec-policy", "show", ...words);

/** The findings about agents that run every command for people on channels. */
async function warned(): Promise<string[]> {
  const { findings } = JSON.parse((await openclaw(home, "doctor", "--json")).stdout) as { findings: Finding[] };
  return findings.filter(({ check, severity }) => check.startsWith("commands:") && severity === "warning").map(({ check }) => check);
}

test("exec-policy and doctor say which agents run every command for people on channels, and follow a change", async () => {
  const own = await policyOf();
  assert.deepEqual([own.isGranted, own.mode, own.rule, own.host], [true, "ask", 'tools.exec.mode "ask"', "auto"]);
  const others = await policyOf("--agent", "ops", "--channel", "irc");
  assert.deepEqual([others.isGranted, others.mode, others.host], [true, "ask", "gateway"], "the shared mode is a limit");
  assert.equal((await policyOf("--agent", "talk", "--channel", "irc")).isGranted, false);
  assert.deepEqual(await warned(), []);
  const client = await gateway.connect();
  const { hash } = await client.request<{ hash: string }>("config.get");
  await client.request("config.patch", { raw: JSON.stringify({ tools: { exec: { mode: "full" } } }), baseHash: hash });
  await client.close();
  assert.equal((await policyOf("--agent", "ops", "--channel", "irc")).mode, "full");
  assert.deepEqual(await warned(), ["commands:ops"]);
});

test("the document about commands limits every agent, and lists what is always allowed", async () => {
  const added = await openclaw(home, "approvals", "allowlist", "add", "jira", "--agent", "ops");
  assert.equal(added.code, 0, added.stderr);
  assert.match((await openclaw(home, "approvals", "get")).stdout, /\njira +any arguments +ops /);
  const answer = await openclawJson<{ file: object; hash: string }>(home, "approvals", "get");
  const client = await gateway.connect();
  await client.request("exec.approvals.set", { file: { ...answer.file, defaults: { security: "deny" } }, baseHash: answer.hash });
  await client.close();
  const { mode, rule } = await policyOf("--agent", "ops");
  assert.deepEqual([mode, rule], ["deny", "the allowlist's document (openclaw approvals get)"]);
});

test("questions that do not exist are reported with what to do", async () => {
  assert.equal((await openclaw(home, "approvals")).stdout, "No questions wait for an answer.\n");
  const { code, stderr } = await openclaw(home, "approvals", "resolve", "3f2a", "deny");
  assert.equal(code, 1);
  assert.match(stderr, /there is no approval "3f2a"\n[^]*Fix: openclaw approvals pending/);
});
