import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { completionScript, SHELLS } from "./completion.ts";
import { COMMANDS } from "./table.ts";

const hasBash = spawnSync("bash", ["-c", "complete -p >/dev/null 2>&1 || true"]).status === 0;

/** What bash offers for the last word of a command line. */
function bashOffers(words: readonly string[]): string[] {
  const script = `${completionScript("bash")}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_openclaw
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
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
];
for (const [words, some] of OFFERS) {
  test(`bash completes "${words.join(" ")}"`, { skip: !hasBash && "there is no bash" }, () => {
    const offers = bashOffers(words);
    for (const each of some) assert.ok(offers.includes(each), `${each} is not among ${offers.join(" ")}`);
    const last = words.at(-1)!;
    assert.ok(offers.every((each) => each.startsWith(last)));
  });
}

for (const shell of SHELLS) {
  test(`the ${shell} script names every command`, () => {
    const script = completionScript(shell);
    for (const { words } of COMMANDS) for (const word of words) assert.ok(script.includes(word), `${word} is missing`);
    assert.ok(!script.includes("undefined"));
  });
}
