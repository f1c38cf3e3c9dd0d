import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError, EXIT } from "../core/errors.ts";
import { allFlags, commandName } from "./command.ts";
import { helpLines } from "./help.ts";
import { parseArgv } from "./parse.ts";
import { COMMANDS } from "./command-table.ts";
import { textWidth } from "./terminal-text.ts";

const split = (line: string): string[] => line.split(" ").filter(Boolean);

function refusal(argv: readonly string[]): CliError {
  try {
    parseArgv(argv, COMMANDS);
  } catch (err) {
    assert.ok(err instanceof CliError);
    assert.equal(err.exit, EXIT.usage);
    return err;
  }
  return assert.fail(`${argv.join(" ")} was accepted`);
}

/** Command line -> command, arguments, flags. */
const ACCEPTED: readonly [line: string, command: string, args: readonly string[], flags: Record<string, string>][] = [
  ["gateway --port 18789 --verbose", "gateway", [], { port: "18789", verbose: "true" }],
  ["gateway run -p 0 -v", "gateway run", [], { port: "0", verbose: "true" }],
  ["gateway --port=1", "gateway", [], { port: "1" }],
  ["gateway --bind lan --force", "gateway", [], { bind: "lan", force: "true" }],
  ["gateway call health --params {}", "gateway call", ["health"], { params: "{}" }],
  ["gateway call --params - health", "gateway call", ["health"], { params: "-" }],
  ["sessions", "sessions list", [], {}],
  ["sessions --limit 3", "sessions list", [], { limit: "3" }],
  ["--json sessions", "sessions list", [], { json: "true" }],
  ["--url ws://h:1 status", "status", [], { url: "ws://h:1" }],
  ["sessions show agent:main:main", "sessions show", ["agent:main:main"], {}],
  ["config set gateway.port 1", "config set", ["gateway.port", "1"], {}],
  ["config set a.b -- -5", "config set", ["a.b", "-5"], {}],
  ["agent -m hi --timeout 5", "agent", [], { message: "hi", timeout: "5" }],
  ["chat hello there", "chat", ["hello", "there"], {}],
  ["devices approve", "devices approve", [], {}],
  ["message --channel irc --to x -m y", "message send", [], { channel: "irc", to: "x", message: "y" }],
  ["route explain irc default alice --group", "route explain", ["irc", "default", "alice"], { group: "true" }],
];

for (const [line, command, args, flags] of ACCEPTED) {
  test(`"${line}" is ${command}`, () => {
    const parsed = parseArgv(split(line), COMMANDS);
    assert.equal(parsed.kind, "run");
    if (parsed.kind !== "run") return;
    assert.equal(commandName(parsed.command), command);
    assert.deepEqual(parsed.args, args);
    assert.deepEqual(Object.fromEntries([...parsed.flags].map(([name, values]) => [name, values.at(-1)])), flags);
  });
}

/** Command line -> what the message has to say. */
const REFUSED: readonly [line: string, what: RegExp, hint: RegExp][] = [
  ["statsu", /Unknown command "statsu"\. Did you mean "status"/, /status/],
  ["sesions list", /Unknown command "sesions"/, /sessions/],
  ["sessions lst", /Unknown command "sessions lst"\. Did you mean "sessions list"/, /sessions list/],
  ["gateway stat", /Unknown command "gateway stat"/, /gateway/],
  ["gateway --prot 1", /Unknown flag --prot\. Did you mean --port/, /--port/],
  ["gateway -x", /Unknown flag -x/, /--help/],
  ["gateway --port", /--port needs a value/, /--port <port>/],
  ["gateway --port abc", /Invalid value for --port: abc/, /not a whole number/],
  ["gateway --port 99999", /Invalid value for --port: 99999/, /out of range/],
  ["gateway --port -1", /Invalid value for --port: -1/, /-1 is out of range/],
  ["gateway --port 1.5", /Invalid value for --port: 1.5/, /not a whole number/],
  ["gateway --port 1 --port 2", /--port is given twice/, /one value/],
  ["gateway --bind lam", /Unknown bind "lam"\. Did you mean "lan"/, /lan/],
  ["gateway --verbose=yes", /--verbose takes no value/, /"yes"/],
  ["gateway call", /Missing <method>/, /gateway call <method>/],
  ["config set", /Missing <path>/, /config set <path>/],
  ["completion tcsh", /Unknown shell "tcsh"/, /bash, zsh, fish/],
  ["health now", /Unexpected argument "now"/, /openclaw health/],
  ["--url ws://h config file", /does not take --url/, /does not connect to a gateway/],
];

for (const [line, what, hint] of REFUSED) {
  test(`"${line}" is refused with a hint`, () => {
    const err = refusal(split(line));
    assert.match(err.message, what);
    assert.match(`${err.why} ${err.fix}`, hint);
    assert.ok(err.fix);
    for (const text of [err.message, err.why, err.fix]) assert.ok(!text?.includes("\n"), "each part is one line");
  });
}

test("a flag that may be repeated keeps all its values", () => {
  const parsed = parseArgv(["tokens", "create", "x", "--scope", "a", "--scope", "b"], COMMANDS);
  assert.ok(parsed.kind === "run");
  assert.deepEqual(parsed.flags.get("scope"), ["a", "b"]);
});

test("help and version are found at any position", () => {
  assert.deepEqual(parseArgv([], COMMANDS), { kind: "help", words: [] });
  assert.deepEqual(parseArgv(["--help"], COMMANDS), { kind: "help", words: [] });
  assert.deepEqual(parseArgv(["help", "agents", "add"], COMMANDS), { kind: "help", words: ["agents", "add"] });
  assert.deepEqual(parseArgv(["agents", "add", "--help"], COMMANDS), { kind: "help", words: ["agents", "add"] });
  assert.deepEqual(parseArgv(["sessions", "-h"], COMMANDS), { kind: "help", words: ["sessions"] });
  assert.deepEqual(parseArgv(["--version"], COMMANDS), { kind: "version" });
  assert.deepEqual(parseArgv(["-V", "--json"], COMMANDS), { kind: "version" });
});

test("every command has help within 80 columns, with an example that the parser takes", () => {
  const pages = [[], ...COMMANDS.map((command) => command.path), ...new Set(COMMANDS.map((command) => command.path[0]!))].map((words) =>
    [words].flat(),
  );
  for (const words of pages) {
    for (const line of helpLines(words)) assert.ok(textWidth(line) <= 80, `${words.join(" ")}: ${line}`);
  }
  for (const command of COMMANDS) {
    for (const example of command.examples) {
      const own = /(?:^|[\s(])openclaw (.*?)(?:$| [<|>] |\)")/.exec(example)?.[1];
      assert.ok(own, example);
      const words = [...own.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain!);
      const parsed = parseArgv(words, COMMANDS);
      assert.ok(parsed.kind === "run" && commandName(parsed.command).startsWith(command.path[0]!), example);
    }
  }
});

test("names in the table are unique and no command's flags collide", () => {
  assert.equal(new Set(COMMANDS.map(commandName)).size, COMMANDS.length);
  for (const command of COMMANDS) {
    const names = allFlags(command).flatMap(({ name, short }) => (short ? [name, `-${short}`] : [name]));
    assert.equal(new Set(names).size, names.length, commandName(command));
  }
});

test("the code of every command can be loaded", async () => {
  for (const command of COMMANDS) assert.equal(typeof (await command.load()), "function", commandName(command));
});
