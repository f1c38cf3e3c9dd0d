// A turn that waits for an answer, in the commands that run turns.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import { runCli } from "../../src/cli/run.ts";
import { startModelServer } from "../model-server.ts";
import { openclaw } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

const home = newHome();
const workspace = join(home, "workspace");
const model = await startModelServer();
let gateway: GatewayUnderTest;

before(async () => {
  mkdirSync(workspace, { recursive: true });
  const base = modelConfig(model.url) as { agents: { defaults: object } };
  gateway = await startGateway({
    home,
    config: {
      ...base,
      agents: { defaults: { ...base.agents.defaults, workspace, skipBootstrap: true } },
      tools: { exec: { mode: "ask" } },
    },
  });
});
after(async () => {
  await gateway.kill();
  await model.close();
  dropHome(home);
});

const callOf = (command: string): string => `tool:exec:${JSON.stringify({ command })}`;

/** A command that runs in this process, what it has printed, and its input. */
function start(...words: string[]) {
  const run = { out: "", err: "", stdin: new PassThrough() };
  const ended = runCli(words, {
    streams: { stdout: { write: (text: string) => (run.out += text) }, stderr: { write: (text: string) => (run.err += text) } },
    stdin: run.stdin as unknown as NodeJS.ReadableStream,
    env: { HOME: home, OPENCLAW_STATE_DIR: join(home, ".openclaw") },
    cwd: home,
    now: Date.now,
    signal: new AbortController().signal,
    useProfile: () => {},
    startGateway: () => Promise.reject(new Error("not here")),
    verifyChannel: () => Promise.reject(new Error("not here")),
  });
  return { run, ended };
}

const ANSWER_LINE = /Answer with: (.+) ([0-9a-f]{4}) allow-once\|/;
/** The words of the answer that the command offers. */
const answerIn = (run: { err: string }): Promise<RegExpExecArray> => until("the question", () => ANSWER_LINE.exec(run.err));

test("chat shows what a turn waits for, and /approve there answers it", async () => {
  const { run, ended } = start("chat", callOf("mkdir by-chat"));
  const [, command, id] = await answerIn(run);
  assert.equal(command, "/approve");
  assert.match(run.err, /A command waits for your answer, on the gateway in .*:\n {4}mkdir by-chat\n/);
  assert.ok(!existsSync(join(workspace, "by-chat")));
  run.stdin.end(`/approve ${id} allow-once\n`);
  assert.equal(await ended, 0);
  assert.match(run.out, /Allowed once: mkdir by-chat/);
  assert.ok(existsSync(join(workspace, "by-chat")));
});

test("agent says on stderr what it waits for, and another command answers", async () => {
  const { run, ended } = start("agent", "--message", callOf("mkdir by-agent"), "--json");
  const [, command, id] = await answerIn(run);
  assert.equal(command, "openclaw approvals resolve");
  assert.equal((await openclaw(home, "approvals", "resolve", id!, "allow-once")).code, 0);
  assert.equal(await ended, 0);
  assert.equal((JSON.parse(run.out) as { status: string }).status, "ok");
  assert.ok(existsSync(join(workspace, "by-agent")));
});

test("without the scope, chat says that a turn waits and which token it needs", async () => {
  const file = join(home, "token");
  const { stdout } = await openclaw(home, "tokens", "create", "talk", "--scope", "operator.write");
  writeFileSync(file, stdout.trim(), { mode: 0o600 });
  const { run, ended } = start("chat", "--token-file", file, callOf("mkdir never"));
  await until("the note", () => /which this credential cannot show/.test(run.err));
  const [, id] = /an answer \(([0-9a-f]{4})\)/.exec(run.err)!;
  run.stdin.write(`/approve ${id} allow-once\n`);
  await until("the refusal", () => /lacks the scope operator\.approvals\..*openclaw tokens create/.test(run.out));
  assert.equal((await openclaw(home, "approvals", "resolve", id!, "deny")).code, 0);
  run.stdin.end();
  assert.equal(await ended, 0);
  const refused = await openclaw(home, "approvals", "--token-file", file);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /Fix: use a token that has it: openclaw tokens create <name> --scope operator\.approvals/);
  assert.ok(!existsSync(join(workspace, "never")));
});
