// Skills in the real process: what the model reads of them, what it may open, and what people ask for.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { skillText, writeFiles } from "../fakes/skill-folders.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, type GatewayUnderTest } from "./gateway-process.ts";

const home = newHome();
const personal = join(home, ".agents/skills");
let model: ModelServer;
let gateway: GatewayUnderTest;

before(async () => {
  model = await startModelServer();
  writeFiles(join(stateDir(home), "workspace/skills"), { "weather/SKILL.md": skillText("weather") });
  writeFiles(personal, {
    "vault/SKILL.md": skillText("vault", "", "Say the word xyzzy. Then run {baseDir}/open.sh."),
    "vault/open.sh": "echo opened",
    "greedy/SKILL.md": skillText(
      "greedy",
      "allowed-tools: exec write\ncommand-dispatch: tool\ncommand-tool: exec\nmetadata: {openclaw: {always: true}}\n",
    ),
    "secret.txt": "beside the skills",
    "off/SKILL.md": skillText("off"),
    "off/secret.txt": "of a skill that is off",
    "mac/SKILL.md": skillText("mac", "metadata: {openclaw: {os: [darwin]}}\n"),
  });
  gateway = await startGateway({
    home,
    config: {
      ...modelConfig(model.url),
      agents: {
        defaults: { model: { primary: "test/echo" } },
        entries: {
          main: {},
          plain: { tools: { deny: ["read"] } },
          few: { skills: ["greedy"] },
          reader: { tools: { profile: "minimal", alsoAllow: ["read"] } },
        },
      },
      skills: { entries: { off: { enabled: false }, vault: { env: { VAULT_KEY: "key-of-the-vault" } } } },
    },
  });
});
after(async () => {
  await gateway.kill();
  await model.close();
  dropHome(home);
});

let messages = 0;

/** The answer of an agent, and what the model got with its last request. */
async function say(
  message: string,
  agentId = "main",
): Promise<{ answer: string; system: string; asked: string; tools: string[]; requests: number }> {
  const before = model.requests().length;
  const client = await gateway.connect();
  try {
    const sessionKey = `agent:${agentId}:s${++messages}`;
    const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey, message, idempotencyKey: `m${messages}` });
    await client.request("agent.wait", { runId, timeoutMs: 20_000 });
    const { messages: history } = await client.request<{ messages: { role: string; content: unknown }[] }>("chat.history", { sessionKey });
    const request = model.requests().at(-1);
    const textOf = (role: string): string =>
      JSON.stringify(request?.messages.filter((each) => each.role === role).map(({ content }) => content) ?? []);
    return {
      answer: JSON.stringify(history.at(-1)?.content),
      system: textOf("system") + textOf("developer"),
      asked: textOf("user"),
      tools: request?.tools ?? [],
      requests: model.requests().length - before,
    };
  } finally {
    await client.close();
  }
}

test("the model reads the list of the skills that may be used, once and within 2 KB", async () => {
  const { system } = await say("hello");
  assert.match(system, /In skills\/:\\n- weather: What weather is for\./);
  assert.ok(system.includes(`In ${personal}/:\\n- greedy: What greedy is for.\\n- vault: What vault is for.`), system);
  assert.doesNotMatch(system, /- off|- mac/);
  assert.equal(system.split("What weather is for.").length, 2);
  assert.ok(system.split("# Skills")[1]!.split("# Situation")[0]!.length < 2_048);
});

test("a model reads the file of a skill outside of the workspace, but nothing beside it, and writes nothing there", async () => {
  assert.match((await say(`tool:read:${personal}/vault/SKILL.md`)).answer, /Tool said: .*Say the word xyzzy/);
  assert.match((await say(`tool:read:${personal}/vault/open.sh`)).answer, /echo opened/);
  for (const path of ["secret.txt", "off/secret.txt", "vault/../secret.txt"])
    assert.match((await say(`tool:read:${personal}/${path}`)).answer, /it is outside of the workspace/, path);
  const write = JSON.stringify({ path: `${personal}/vault/SKILL.md`, content: "changed" });
  assert.match((await say(`tool:write:${write}`)).answer, /it is outside of the workspace/);
  assert.match((await say(`tool:ls:${JSON.stringify({ path: personal })}`)).answer, /it is outside of the workspace/);
});

test("an agent that may not read files has no skills, and one with a list has those", async () => {
  const plain = await say("hello", "plain");
  assert.doesNotMatch(plain.system, /# Skills/);
  const few = await say("hello", "few");
  assert.match(few.system, /- greedy:/);
  assert.doesNotMatch(few.system, /vault/);
  assert.match((await say(`tool:read:${personal}/vault/SKILL.md`, "few")).answer, /it is outside of the workspace/);
});

test("a skill that claims tools gives none", async () => {
  const { tools, system } = await say("hello", "reader");
  assert.match(system, /- greedy:/);
  assert.deepEqual(tools, ["read"]);
  assert.match((await say("tool:exec:" + JSON.stringify({ command: "echo ran" }), "reader")).answer, /not available|no tool|not found/i);
});

test("/skill sends the request to the agent with the file to read; an unknown one is answered by the gateway", async () => {
  const asked = await say("/skill Vault open the door");
  assert.match(asked.asked, /\[The message asks for the skill vault: read .*\/vault\/SKILL\.md first and follow it\./);
  assert.match(asked.asked, /\/skill Vault open the door/);
  const unknown = await say("/skill off now");
  assert.match(unknown.answer, /Skill \\"off\\" was not found in this conversation/);
  assert.equal(unknown.requests, 0);
  const list = await say("/skill");
  assert.match(list.answer, /- greedy: What greedy is for\.\\n- vault: .*\\n- weather: /);
  assert.equal(list.requests, 0);
  assert.match((await say("/skill", "plain")).answer, /There are no skills in this conversation/);
});

test("a command has the variables of its agent's skills", async () => {
  const command = 'printf "%s" "$VAULT_KEY" | wc -c';
  assert.match((await say(`tool:bash:${command}`)).answer, /Tool said: .*16/);
  assert.match((await say(`tool:bash:${command}`, "few")).answer, /Tool said: .*\b0/);
});

test("clients see which skills are off and why, and switch them; the change counts at once", async () => {
  const client = await gateway.connect({ scopes: ["operator.read", "operator.admin"] });
  type Report = { managedSkillsDir: string; skills: { name: string; eligible: boolean; reason?: string; disabled: boolean }[] };
  const rowOf = async (name: string): Promise<Report["skills"][number]> =>
    (await client.request<Report>("skills.status", { agentId: "main" })).skills.find((skill) => skill.name === name)!;
  try {
    const off = await rowOf("off");
    assert.deepEqual(
      [off.eligible, off.disabled, off.reason],
      [false, true, "it is switched off (set skills.entries.off.enabled to true)"],
    );
    const update = await client.request("skills.update", { skillKey: "off", enabled: true, env: { OFF_KEY: " a secret " }, apiKey: "" });
    assert.deepEqual(update, { ok: true, skillKey: "off", config: { enabled: true, hasApiKey: false, env: ["OFF_KEY"] } });
    assert.equal((await rowOf("off")).eligible, true);
    assert.match((await say("hello")).system, /- off: What off is for/);
    assert.match((await say('tool:bash:printf "%s" "$OFF_KEY" | wc -c')).answer, /Tool said: .*\b8\b/);
    await client.request("skills.update", { skillKey: "off", enabled: false, env: { OFF_KEY: "" } });
    assert.doesNotMatch((await say("hello")).system, /- off:/);
    await assert.rejects(client.request("skills.update", { skillKey: "off", env: { LD_PRELOAD: "x" } }), /loads code into programs/);
    await assert.rejects(client.request("skills.update", { source: "clawhub", all: true }), /skillKey/);
    await assert.rejects(client.request("skills.status", { agentId: "unknown-agent" }), /unknown-agent/);
    const { commands } = await client.request<{ commands: { name: string; args?: { choices?: { value: string }[] }[] }[] }>(
      "commands.list",
      {},
    );
    const choices = commands.find(({ name }) => name === "skill")?.args?.[0]?.choices;
    assert.deepEqual(
      choices?.map(({ value }) => value),
      ["greedy", "vault", "weather"],
    );
  } finally {
    await client.close();
  }
});

test("the command line shows what the gateway has, and approves what it installs", async () => {
  const check = await openclaw(home, "skills", "check");
  assert.match(check.stdout, /^mac: it is for darwin, and this is linux\noff: it is switched off /);
  const source = join(home, "tides");
  writeFiles(source, { "SKILL.md": skillText("tides") });
  assert.equal((await openclaw(home, "skills", "install", source)).code, 0);
  assert.doesNotMatch((await say("hello")).system, /- tides:/);
  assert.equal((await openclaw(home, "skills", "approve", "tides", "--yes")).code, 0);
  assert.match((await say("hello")).system, /- tides:/);
  writeFileSync(join(stateDir(home), "skills/tides/more.md"), "not approved");
  assert.doesNotMatch((await say("hello")).system, /- tides:/);
  assert.match((await say(`tool:read:${join(stateDir(home), "skills/tides/more.md")}`)).answer, /it is outside of the workspace/);
  assert.match((await openclaw(home, "skills", "list", "--eligible")).stdout, /\nvault +yes +personal \(~\/\.agents\)/);
});

test("a changed skill counts from the next message on", async () => {
  writeFileSync(join(personal, "vault/SKILL.md"), skillText("vault", "disable-model-invocation: true\n"));
  assert.doesNotMatch((await say("hello")).system, /- vault/);
  assert.match((await say("/skill vault")).asked, /asks for the skill vault/);
});
