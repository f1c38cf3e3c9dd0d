import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { completionScript, SHELLS } from "./completion-script.ts";
import { COMMANDS } from "./command-table.ts";

const hasBash = spawnSync("bash", ["-c", "complete -p >/dev/null 2>&1 || true"]).status === 0;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** What bash offers for the last word of a command line; `program` stands for openclaw. */
function bashOffers(words: readonly string[], program = ""): string[] {
  const script = `${completionScript("bash", COMMANDS)}
${program}
COMP_LINE=${quote(words.join(" "))}
COMP_POINT=\${#COMP_LINE}
_openclaw
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout.split("\n").filter(Boolean);
}

const OFFERS: readonly [words: readonly string[], some: readonly string[]][] = [
  [
    ["openclaw", ""],
    ["gateway", "status", "chat"],
  ],
  [["openclaw", "ses"], ["sessions"]],
  [
    ["openclaw", "gateway", ""],
    ["status", "probe", "restart"],
  ],
  [
    ["openclaw", "gateway", "--"],
    ["--port", "--bind"],
  ],
  [
    ["openclaw", "--json", "devices", "r"],
    ["reject", "remove", "rotate", "revoke"],
  ],
  [["openclaw", "agents", "list", "--b"], ["--bindings"]],
  [
    ["openclaw", "completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [
    ["openclaw", "gateway", "--bind", ""],
    ["loopback", "lan", "tailnet"],
  ],
  [
    ["openclaw", "nodes", "camera", ""],
    ["list", "snap", "clip"],
  ],
  [["openclaw", "nodes", "camera", "snap", "--n"], ["--node"]],
  [["openclaw", "logs", "--level", "w"], ["warn"]],
  [["openclaw", "logs", "--level=w"], ["warn"]],
  [["openclaw", "gateway", "--bind", "lan", "--"], ["--port"]],
];

/** A program that answers `__complete` with hostile names. */
const PROGRAM = `openclaw() {
  case "$2" in
    agent) printf '%s\\n' main helper ;;
    channel) printf '%s\\n' irc telegram ;;
    account) printf '%s\\n' "of-$4" ;;
    session) printf '%s\\n' 'agent:main:main' 'agent:main:irc:channel:#team' 'agent:main:$(touch /tmp/openclaw-completion-pwned)' 'two words' ;;
    token) printf '%s\\n' ci ;;
  esac
}`;
const NAMED: readonly [words: readonly string[], offers: readonly string[]][] = [
  [
    ["openclaw", "agents", "bind", ""],
    ["main", "helper"],
  ],
  [["openclaw", "agents", "bind", "main", "--channel", "t"], ["telegram"]],
  [["openclaw", "channels", "stop", "i"], ["irc"]],
  [["openclaw", "channels", "stop", "irc", "--account", ""], ["of-irc"]],
  [["openclaw", "sessions", "list", "--agent", "h"], ["helper"]],
  [["openclaw", "tokens", "revoke", ""], ["ci"]],
  // The text before a colon is on the line already: the shell treats the colon as the end of a word.
  [
    ["openclaw", "sessions", "show", "agent:main:"],
    ["main", "irc:channel:#team", "\\$\\(touch\\ /tmp/openclaw-completion-pwned\\)"],
  ],
  [["openclaw", "sessions", "show", "two"], ["two\\ words"]],
];
for (const [words, offers] of NAMED) {
  test(`bash completes names after "${words.join(" ")}"`, { skip: !hasBash && "there is no bash" }, () => {
    const plain = bashOffers(words, PROGRAM).map((each) => each.replaceAll("\\#", "#").replaceAll("\\:", ":"));
    assert.deepEqual(plain, offers);
    assert.ok(!existsSync("/tmp/openclaw-completion-pwned"), "a name is never run");
  });
}

test("values of flags and names are completed by the other shells, too", () => {
  for (const shell of ["zsh", "fish"] as const) {
    const script = completionScript(shell, COMMANDS);
    assert.match(script, /debug info warn error/);
    assert.match(script, /__complete/);
    for (const kind of ["account", "agent", "channel", "device", "key", "model", "request", "session", "token"])
      assert.match(script, shell === "zsh" ? new RegExp(`names="${kind}"`) : new RegExp(`__complete ${kind}`));
  }
  const bind = completionScript("fish", COMMANDS)
    .split("\n")
    .filter((line) => line.includes("-a bind"));
  assert.match(bind[0]!, /not __fish_seen_subcommand_from .*bind/, "no second subcommand after the first");
});

test("every kind of name of the table is one that __complete knows", async () => {
  const state = mkdtempSync(join(tmpdir(), "openclaw-complete-"));
  writeFileSync(
    join(state, "openclaw.json"),
    JSON.stringify({
      gateway: { port: 1 },
      agents: { entries: { main: {}, helper: {} } },
      channels: { irc: { accounts: { work: { host: "h", nick: "n" } } } },
      models: { providers: { office: { baseUrl: "http://h/v1", models: [{ id: "m" }] } } },
    }),
  );
  const offers = async (...words: string[]): Promise<string[]> => {
    const { code, out, err } = await callCli(state, ["__complete", ...words]);
    assert.deepEqual([code, err], [0, ""]);
    return out.split("\n").filter(Boolean);
  };
  assert.deepEqual(await offers("agent"), ["main", "helper"]);
  assert.ok((await offers("channel")).includes("telegram"));
  assert.deepEqual(await offers("account", "--", "irc", "channels", "stop", "irc", "--account", ""), ["work"]);
  assert.deepEqual(await offers("model"), ["office/m"]);
  assert.ok((await offers("key")).includes("gateway.port"));
  for (const silent of ["session", "token", "device", "request", "nonsense", "__proto__"]) assert.deepEqual(await offers(silent), []);
  assert.deepEqual(readdirSync(state), ["openclaw.json"], "nothing is created");
  rmSync(state, { recursive: true });
});

for (const [words, some] of OFFERS) {
  test(`bash completes "${words.join(" ")}"`, { skip: !hasBash && "there is no bash" }, () => {
    const offers = bashOffers(words);
    for (const each of some) assert.ok(offers.includes(each), `${each} is not among ${offers.join(" ")}`);
    const last = words.at(-1)!;
    assert.ok(offers.every((each) => each.startsWith(last.replace(/^.*=/, ""))));
  });
}

for (const shell of SHELLS) {
  test(`the ${shell} script names every command`, () => {
    const script = completionScript(shell, COMMANDS);
    for (const { path: words } of COMMANDS) for (const word of words) assert.ok(script.includes(word), `${word} is missing`);
    assert.ok(!script.includes("undefined"));
  });
}
