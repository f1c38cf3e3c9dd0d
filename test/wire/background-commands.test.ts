// Commands that an agent leaves running: what its next turn learns of them, and what ends them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { isRunning, pidIn, untilEnded } from "../fakes/command-tools.ts";
import { contextOf, startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
const home = newHome();
const ends = new Map<string, Wire>();

before(async () => {
  model = await startModelServer();
  gateway = await startGateway({ home, config: modelConfig(model.url) });
  operator = await gateway.connect();
  operator.on(({ event, payload }: ServerEvent) => {
    const chat = payload as Wire;
    if (event === "chat" && ["final", "aborted", "error"].includes(String(chat["state"]))) ends.set(String(chat["runId"]), chat);
  });
  await operator.request("sessions.subscribe");
});

after(async () => {
  await operator.close();
  await gateway.kill();
  await model.close();
  dropHome(home);
});

async function say(sessionKey: string, message: string): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message, idempotencyKey: runId });
  const end = await until(`the end of ${runId}`, () => ends.get(runId));
  return ((end["message"] as { content: { text: string }[] } | undefined)?.content ?? []).map((part) => part.text).join("");
}

/** Has the agent start a command in the background that writes its process id to a file; resolves to that id. */
async function startCommand(sessionKey: string, name: string, command: string): Promise<number> {
  const file = join(home, name);
  const args = { command: `echo $$ > ${file}.new; mv ${file}.new ${file}; ${command}`, background: true };
  assert.match(await say(sessionKey, `tool:exec:${JSON.stringify(args)}`), /Tool said: Running in the background as [a-z]+-[a-z]+/);
  return pidIn(file);
}

test("the next turn of the session learns that a command has ended, and none is started for it", async () => {
  const key = "agent:main:noted";
  const go = join(home, "go");
  const pid = await startCommand(key, "noted", `until [ -e ${go} ]; do sleep 0.05; done; exit 6`);
  assert.equal(isRunning(pid), true);
  model.clear();
  writeFileSync(go, "");
  await untilEnded(pid);
  const asked = await until("the note", async () => {
    const before = model.requests().length;
    await say(key, "hello");
    assert.equal(model.requests().length, before + 1);
    const text = contextOf(model.requests().at(-1)!).at(-1)!;
    return text.includes("Background command") ? text : null;
  });
  assert.match(asked, /- Background command [a-z]+-[a-z]+ \(echo \$\$ > .+\) ended with exit code 6 after \d+ s\./);
  await say(key, "hello again");
  assert.doesNotMatch(contextOf(model.requests().at(-1)!).at(-1)!, /Background command/);
});

for (const [name, end] of [
  ["/new", (key: string) => say(key, "/new")],
  ["sessions.reset", (key: string) => operator.request("sessions.reset", { key })],
  ["sessions.delete", (key: string) => operator.request("sessions.delete", { key })],
] as const) {
  test(`${name} ends the commands of the session, and no others`, async () => {
    const key = `agent:main:ends-${name.replaceAll(/\W/g, "")}`;
    const ended = await startCommand(key, `ended-${name.replaceAll(/\W/g, "")}`, "exec sleep 300");
    const other = await startCommand("agent:main:others", `other-${name.replaceAll(/\W/g, "")}`, "exec sleep 300");
    await end(key);
    await untilEnded(ended);
    assert.equal(isRunning(other), true);
  });
}

test("a stop of the gateway ends the commands", async () => {
  const pid = await startCommand("agent:main:stopped", "stopped", "trap '' TERM HUP; timeout 300 sleep 300");
  await gateway.kill();
  await untilEnded(pid);
});
