import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli, SAMPLE_ARGS, type CliCall } from "../../test/cli-call.ts";
import { dropHome, startGateway, stateDir } from "../../test/wire/gateway-process.ts";
import { commandName, type CliCommand } from "./command.ts";
import { COMMANDS } from "./command-table.ts";

// Every command against a stopped gateway, with a read-only token, and with wrong input: what it prints with --json, and its exit code.

/**
 * They run, stop or restart the gateway of this test. `acp serve` and `mcp serve` end with their clients (test/wire/), `node run` waits for
 * its gateway (test/wire/nodes.test.ts), and `tui` needs a terminal (test/wire/tui.test.ts).
 */
const NOT_HERE = new Set([
  ...["install", "start", "stop", "restart", "uninstall"].flatMap((verb) => [`gateway ${verb}`, `daemon ${verb}`]),
  "gateway",
  "gateway run",
  "gateway restart",
  "gateway stop",
  "acp serve",
  "mcp serve",
  "node run",
  "tui",
]);
const TRIED = COMMANDS.filter((command) => !NOT_HERE.has(commandName(command)));

/** What the sample arguments name. */
const mcp = { servers: { memory: { command: "npx", enabled: false }, old: { command: "npx", enabled: false } } };
const plugins = { entries: { weather: { enabled: false } } };
const gateway = await startGateway({ config: { mcp, plugins, channels: { irc: { host: "127.0.0.1", port: 9, tls: false, nick: "n" } } } });
const state = stateDir(gateway.home);
const home = mkdtempSync(join(tmpdir(), "openclaw-exits-"));
const readOnly = join(home, "read-only-token");
const created = await callCli(state, ["tokens", "create", "read-only", "--scope", "operator.read", "--json"]);
writeFileSync(readOnly, (JSON.parse(created.out) as { token: string }).token, { mode: 0o600 });
after(async () => {
  await gateway.kill();
  dropHome(gateway.home);
  rmSync(home, { recursive: true, force: true });
});

let count = 0;
function stopped(): string {
  const dir = join(home, String(count++));
  mkdirSync(dir);
  writeFileSync(join(dir, "openclaw.json"), JSON.stringify({ gateway: { port: 1 }, mcp, plugins }));
  return dir;
}

const sampleOf = (command: CliCommand): readonly string[] => [...command.path, ...(SAMPLE_ARGS[commandName(command)] ?? [])];

/** With --json, standard output is JSON whatever happened: one value, or one per line where the command prints lines. */
function checkJson(command: CliCommand, { code, out, err }: CliCall, at: string): void {
  const values = (command.jsonLines ? out.split("\n").filter(Boolean) : [out]).map((text): unknown => JSON.parse(text));
  const failure = values.find((each) => typeof each === "object" && each !== null && "error" in each && "ok" in each);
  if (failure) assert.equal((failure as { error: { exit: number } }).error.exit, code, `${at}: the exit code is the reported one`);
  checkText({ code, out, err }, at);
}

function checkText({ out, err }: CliCall, at: string): void {
  assert.doesNotMatch(out + err, /failed unexpectedly|\n +at .*\(/, `${at}: a stack`);
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(out + err, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, `${at}: a control character`);
}

/** Runs it with and without --json: both end with the same code, unless the first call changed something. */
async function both(command: CliCommand, dir: string, words: readonly string[], codes: readonly number[], at: string): Promise<void> {
  const text = await callCli(dir, words);
  assert.ok(codes.includes(text.code), `${at}: exit ${text.code} of ${words.join(" ")}: ${text.err}${text.out}`);
  if (text.code !== 0) assert.notEqual(text.err + text.out, "", `${at}: a failure without a message`);
  checkText(text, at);
  checkJson(command, await callCli(dir, [...words, "--json"]), at);
}

/** What needs no running gateway: the files are read or changed instead. */
const FROM_FILES =
  /^(setup|acp doctor|logs|update|backup|secrets(?! reload)|security|state|gateway (diagnostics export|discover|list)|browser create-profile|sessions (list|import)|agents|models(?! (?:key|test))|skills|channels (status|list|add|remove)|config(?! (?:history|rollback))|exec-policy (preset|set)|mcp (list|status|add|set|unset)|plugins list|pairing list|completion|node )/;

for (const command of TRIED) {
  const name = commandName(command);
  test(`openclaw ${name} ends with the right code without a gateway`, async () => {
    const codes =
      name === "doctor" || name === "token" || name === "channels remove"
        ? [1]
        : name === "remote ssh" || name === "secrets store set"
          ? [2]
          : FROM_FILES.test(name)
            ? [0, 1]
            : [69];
    await both(command, stopped(), sampleOf(command), codes, "without a gateway");
  });

  if (command.usesGateway)
    test(`openclaw ${name} does what a read-only token may, or ends with 77`, async () => {
      // Commands of this machine's files do not depend on the token.
      await both(command, state, [...sampleOf(command), "--token-file", readOnly], [0, 1, 77], "with a read-only token");
      const admin =
        /^(dashboard|agent$|message send|tokens|approvals|devices|pairing|channels (login|logout|start|stop)|mcp (accept|login|logout|reload)|sessions delete|config rollback|models (key|test)|secrets reload)/.test(
          name,
        );
      if (admin) assert.equal((await callCli(state, [...sampleOf(command), "--token-file", readOnly])).code, 77);
    });

  if (command.args?.some((arg) => arg.required))
    test(`openclaw ${name} without its arguments ends with 2 and its usage`, async () => {
      const { code, err } = await callCli(state, command.path);
      assert.equal(code, 2);
      assert.match(err, new RegExp(`^✗ Missing <.*\\n {2}Usage: openclaw ${name} `));
      checkJson(command, await callCli(state, [...command.path, "--json"]), "without arguments");
    });

  if (command.args && !command.args.at(-1)?.variadic && !["agents add", "tokens create", "config set"].includes(name))
    test(`openclaw ${name} refuses names that do not exist`, async () => {
      const wrong = command.args!.map(() => "no/such\u009b31m\u202e thing");
      const yes = command.flags?.some((flag) => flag.name === "yes") ? ["--yes"] : [];
      await both(command, state, [...command.path, ...wrong, ...yes], [1, 2], "with wrong names");
    });

  test(`openclaw ${name} refuses a flag that it does not have`, async () => {
    const { code, err } = await callCli(state, [...sampleOf(command), "--no-such-flag"]);
    assert.equal(code, 2);
    assert.match(err, /^✗ Unknown flag --no-such-flag/);
  });
}

test("gateway call uses what the credential holds", async () => {
  const { code, out } = await callCli(state, ["gateway", "call", "health", "--token-file", readOnly]);
  assert.equal(code, 0);
  assert.equal((JSON.parse(out) as { ok: boolean }).ok, true);
  assert.equal((await callCli(state, ["gateway", "call", "tokens.list", "--token-file", readOnly])).code, 77);
});
