import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";

const home = mkdtempSync(join(tmpdir(), "openclaw-typos-"));
after(() => rmSync(home, { recursive: true, force: true }));

const CONFIG = JSON.stringify({
  gateway: { port: 1 },
  channels: { irc: { accounts: { work: { host: "h", nick: "n" } } } },
  agents: { entries: { main: {}, helper: {} } },
  models: { providers: { office: { baseUrl: "http://h/v1", models: [{ id: "qwen3-32b" }] }, empty: { baseUrl: "http://h/v1" } } },
});
let count = 0;
function makeState(): string {
  const state = join(home, String(count++));
  mkdirSync(join(state, "channels"), { recursive: true });
  writeFileSync(join(state, "channels/matrix2.mjs"), "");
  writeFileSync(join(state, "openclaw.json"), CONFIG);
  return state;
}

const TYPOS: readonly [line: string, what: RegExp, exit: number][] = [
  ["agents bind helper --channel ircc", /Unknown channel "ircc"\. Did you mean "irc"\?/, 2],
  ["agents bind helpr --channel irc", /Unknown agent "helpr"\. Did you mean "helper"\?/, 2],
  ["agents bind helper --channel irc --account wrk", /Unknown account "wrk"\. Did you mean "work"\?/, 2],
  ["agents unbind helper --channel ircc", /Unknown channel "ircc"/, 2],
  ["pairing list telegramm", /Unknown channel "telegramm"\. Did you mean "telegram"\?/, 2],
  ["pairing approve telegramm 7Q4M2XKD", /Unknown channel "telegramm"/, 2],
  ["channels add telegramm --token x", /Unknown channel "telegramm"\. Did you mean "telegram"\?/, 2],
  ["channels add irc --set prot=6697 --no-verify", /Unknown key "channels\.irc\.prot"\. Did you mean "channels\.irc\.port"\?/, 2],
  ["channels remove irc --account wrk --yes", /Unknown account "wrk"/, 2],
  ["channels stop discrod", /Unknown channel "discrod"\. Did you mean "discord"\?/, 2],
  ["channels login matrx2", /Unknown channel "matrx2"\. Did you mean "matrix2"\?/, 2],
  ["message send --channel ircc --to x --message y", /Unknown channel "ircc"/, 2],
  ["route explain ircc default alice", /Unknown channel "ircc"/, 2],
  ["sessions list --agent helpr", /Unknown agent "helpr"/, 2],
  ["agent --agent helpr --message x", /Unknown agent "helpr"/, 2],
  ["models status --agent helpr", /Unknown agent "helpr"/, 2],
  ["models set office/qwen3-32b --agent helpr", /Unknown agent "helpr"/, 2],
  ["models set nope/none", /nope\/none cannot answer: there is no provider "nope"/, 1],
  ["models set offices/qwen3-32b", /there is no provider "offices"; did you mean "office"\?/, 1],
  ["models set office/qwen3-23b", /does not list "qwen3-23b"; did you mean "qwen3-32b"\?/, 1],
  ["models set empty/x", /models\.providers\.empty\.models is empty/, 1],
  ["config set gateway.prot 5", /Unknown key "gateway\.prot"\. Did you mean "gateway\.port"\?/, 2],
  ["config schema gateway.prot", /Unknown key "gateway\.prot"\. Did you mean "gateway\.port"\?/, 2],
  ["logs --level wran", /Unknown level "wran"\. Did you mean "warn"\?/, 2],
];
for (const [line, what, exit] of TYPOS) {
  test(`openclaw ${line} is refused before anything is changed`, async () => {
    const state = makeState();
    const { code, err } = await callCli(state, line.split(" "));
    assert.match(err, what);
    assert.match(err, /\n {2}Fix: /);
    assert.equal(code, exit);
    assert.equal(readFileSync(join(state, "openclaw.json"), "utf8"), CONFIG);
  });
}

const TAKEN: readonly string[] = [
  "agents bind helper --channel matrix2",
  "agents bind helper --channel irc --account work",
  "agents bind helper --channel discord --account later",
  "pairing list telegram",
  "channels add irc --set port=6697 --no-verify",
  "config set gateway.prot 5 --force",
  "config set channels.whatsapp.allowFrom ['+1']",
  "models set nope/none --force",
  "models set office/qwen3-32b",
  "models set anthropic/claude-sonnet-5",
];
for (const line of TAKEN) {
  test(`openclaw ${line} is taken`, async () => {
    const { code, err } = await callCli(makeState(), line.split(" "));
    assert.equal(code, 0, err);
  });
}

test("text keys take digits as they are", async () => {
  const state = makeState();
  for (const [key, value] of [
    ["gateway.auth.token", "12345678901234567890"],
    ["channels.irc.accounts.work.realname", "007"],
    ["models.providers.office.apiKey", "true"],
  ])
    assert.equal((await callCli(state, ["config", "set", key!, value!])).code, 0, key);
  const file = readFileSync(join(state, "openclaw.json"), "utf8");
  for (const text of ['"token": "12345678901234567890"', '"realname": "007"', '"apiKey": "true"']) {
    const [key, value] = text.split(": ");
    assert.match(file.replaceAll(/"?(\w+)"?:\s*"/g, '"$1": "'), new RegExp(`${key}: ${value}`));
  }
  assert.equal((await callCli(state, ["config", "set", "gateway.port", "18800"])).code, 0, "numbers stay numbers where one is meant");
});

test("a provider without models is reported when it is set, and by status and validate", async () => {
  const state = makeState();
  const set = await callCli(state, ["config", "set", "models.providers.lab.baseUrl", "http://127.0.0.1:9/v1"]);
  assert.match(set.err, /Note: .*models\.providers\.lab lists no models, so it cannot answer/);
  assert.match((await callCli(state, ["config", "validate"])).out, /models\.providers\.lab lists no models/);
  const named = await callCli(state, ["config", "set", "models.providers.openai.api", "openai-completions"]);
  assert.match(named.err, /models\.providers\.openai\.api has no effect while the provider lists no models/);
  await callCli(state, ["models", "set", "empty/x", "--force"]);
  const status = await callCli(state, ["models", "status"]);
  assert.equal(status.code, 1);
  assert.match(
    status.out,
    /answers +decided when the gateway starts\n✗ empty\/x cannot answer: models\.providers\.empty\.models is empty\./,
  );
});
