// Group: wire
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli, type CliCallOptions } from "../../test/cli-call.ts";
import { loadConfig } from "../config/load.ts";

const root = mkdtempSync(join(tmpdir(), "secrets-cli-"));
after(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function newHome(config?: string): string {
  const home = join(root, String(count++));
  mkdirSync(home);
  if (config !== undefined) writeFileSync(join(home, "openclaw.json"), config, { mode: 0o600 });
  return home;
}

async function run(home: string, words: string[], options: CliCallOptions = {}) {
  const { code, out, err } = await callCli(home, ["secrets", ...words, "--json"], options);
  return { code, all: out + err, answer: JSON.parse(out) as Record<string, unknown> };
}

test("a value comes from standard input, and only a terminal gets to see it", async () => {
  const home = newHome();
  const set = await run(home, ["store", "set", "TEAM_KEY"], { input: "canary-0123456789\n" });
  assert.deepEqual([set.code, set.answer["created"], set.answer["key"]], [0, true, "file"], set.all);
  const list = await run(home, ["store", "list"]);
  assert.deepEqual(
    (list.answer["entries"] as { name: string }[]).map(({ name }) => name),
    ["TEAM_KEY"],
  );
  const hidden = await run(home, ["store", "get", "TEAM_KEY"]);
  assert.deepEqual([hidden.answer["bytes"], hidden.answer["value"]], [17, undefined]);
  const piped = await run(home, ["store", "get", "TEAM_KEY", "--reveal"]);
  assert.equal(piped.code, 2);
  for (const { all } of [set, list, hidden, piped]) assert.doesNotMatch(all, /canary/);
  const shown = await callCli(home, ["secrets", "store", "get", "TEAM_KEY", "--reveal"], { columns: 80 });
  assert.equal(shown.out, "canary-0123456789\n");
  assert.equal((await run(home, ["store", "set", "TEAM_KEY"], { input: "" })).code, 2);
  assert.equal((await run(home, ["store", "rm", "TEAM_KEY"])).code, 0);
  assert.equal((await run(home, ["store", "rm", "TEAM_KEY"])).code, 1);
});

test("a value is never taken from the command line", async () => {
  const { code, answer } = await run(newHome(), ["store", "set", "TEAM_KEY", "canary"]);
  assert.equal(code, 2);
  assert.match(JSON.stringify(answer), /Unexpected argument/);
});

test("configure moves credentials into the store, and no copy beside the file keeps them", async () => {
  const home = newHome(`{
  // The team's gateway.
  "gateway": { "auth": { "token": "canary-token-0123456789" } },
  "env": { "vars": { "SHARED": "canary-shared" } },
  "channels": { "irc": { "host": "x", "nick": "n", "password": "canary-irc" } },
  "models": { "providers": { "a": { "baseUrl": "http://127.0.0.1:1", "apiKey": "\${ABSENT}" }, "b": { "baseUrl": "http://127.0.0.1:1", "apiKey": "changeme" } } }
}`);
  mkdirSync(join(home, "gateway"), { recursive: true });
  const dry = await run(home, ["configure", "--dry-run"]);
  assert.deepEqual(dry.answer["moved"], [
    { path: "gateway.auth.token", name: "GATEWAY_AUTH_TOKEN" },
    { path: "channels.irc.password", name: "CHANNELS_IRC_PASSWORD" },
  ]);
  assert.deepEqual(
    (dry.answer["left"] as { path: string }[]).map(({ path }) => path),
    ["env.vars.SHARED", "models.providers.b.apiKey"],
  );
  assert.equal((await run(home, ["configure"])).code, 2, "it asks first");
  const moved = await run(home, ["configure", "--yes"]);
  assert.equal(moved.code, 0, moved.all);
  assert.doesNotMatch(dry.all + moved.all, /canary/);
  const text = readFileSync(join(home, "openclaw.json"), "utf8");
  assert.match(text, /The team's gateway/);
  for (const name of readdirSync(home, { recursive: true, encoding: "utf8" }))
    if (existsSync(join(home, name)) && !name.endsWith("gateway"))
      assert.doesNotMatch(readFileSync(join(home, name), "latin1"), /canary-(token|irc)/, name);
  const again = await run(home, ["configure", "--dry-run"]);
  assert.deepEqual(again.answer["moved"], []);
  const audit = await run(home, ["audit"]);
  const codes = (audit.answer["findings"] as { code: string; jsonPath: string }[]).map(({ code, jsonPath }) => `${code} ${jsonPath}`);
  assert.ok(!codes.some((line) => /token|irc/.test(line)), codes.join());
});

test("an audit finds a reference to a secret that is not stored, and a credential in an older copy", async () => {
  const home = newHome('{ "gateway": { "auth": { "token": { "source": "store", "provider": "default", "id": "ABSENT" } } } }');
  writeFileSync(join(home, "openclaw.json.bak"), '{ "gateway": { "auth": { "token": "canary-token-0123456789" } } }');
  const { code, answer, all } = await run(home, ["audit"]);
  const codes = (answer["findings"] as { code: string; fix: string }[]).map((each) => each.code);
  assert.deepEqual([code, codes], [2, ["LEGACY_RESIDUE", "REF_UNRESOLVED"]], all);
  assert.match(all, /openclaw secrets store set ABSENT/);
  assert.doesNotMatch(all, /canary/);
});

test("a rekey to a passphrase takes it from a file, and the old key is gone", async () => {
  const home = newHome();
  await run(home, ["store", "set", "A"], { input: "canary" });
  const file = join(home, "passphrase");
  writeFileSync(file, "four random words\n", { mode: 0o600 });
  const { code, answer, all } = await run(home, ["rekey", "--to", "passphrase", "--new-passphrase-file", file]);
  assert.deepEqual([code, answer["key"]], [0, "passphrase"], all);
  assert.deepEqual(readdirSync(join(home, "gateway")), ["secrets.sealed"]);
  const locked = await run(home, ["store", "list"]);
  assert.equal(locked.code, 69);
  assert.match(locked.all, /OPENCLAW_SECRETS_PASSPHRASE_FILE/);
  const wrong = await run(home, ["store", "list"], { env: { OPENCLAW_SECRETS_PASSPHRASE: "four other words" } });
  assert.match(wrong.all, /the key does not open/);
  assert.equal((await run(home, ["store", "list"], { env: { OPENCLAW_SECRETS_PASSPHRASE_FILE: file } })).code, 0);
});

test("the doctor names a store that cannot be opened, and a program that others may change", async () => {
  const home = newHome();
  const program = join(home, "vault");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  chmodSync(program, 0o777);
  writeFileSync(join(home, "openclaw.json"), JSON.stringify({ secrets: { providers: { vault: { source: "exec", command: program } } } }));
  await run(home, ["store", "set", "A"], { input: "canary" });
  const doctor = async (): Promise<string[]> => {
    const { out } = await callCli(home, ["doctor", "--only", "secret-store", "--only", "secret-program", "--json"]);
    return (JSON.parse(out) as { findings: { checkId: string; severity: string; message: string }[] }).findings.map((each) =>
      JSON.stringify(each),
    );
  };
  const found = (await doctor()).join();
  assert.match(found, /secrets\.sealed can be read/);
  assert.match(found, /can be changed by other users/);
  for (const name of readdirSync(join(home, "gateway"))) if (name.endsWith(".key")) rmSync(join(home, "gateway", name));
  assert.match((await doctor()).join(), /the key file .* does not exist/);
});

test("the configuration of a command has the values of the store", async () => {
  const home = newHome('{ "gateway": { "auth": { "token": { "source": "store", "id": "TOKEN" } } } }');
  assert.equal(loadConfig({ path: join(home, "openclaw.json"), env: {} }).config.gateway.auth.token, undefined);
  await run(home, ["store", "set", "TOKEN"], { input: "canary-token-0123456789" });
  const { code, all } = await run(home, ["audit"]);
  assert.equal(code, 0, all);
});
