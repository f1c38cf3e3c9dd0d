import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { parseShellText } from "./shell-text.ts";

const words = (text: string): string | null =>
  parseShellText(text)
    ?.map(({ after, words: each }) => `${after}${JSON.stringify(each)}`)
    .join(" ") ?? null;

const UNDERSTOOD: readonly [text: string, commands: string][] = [
  ["ls", '["ls"]'],
  ["  git   status -s ", '["git","status","-s"]'],
  ["cd src && npm test", '["cd","src"] &&["npm","test"]'],
  ["cat a | grep b | wc -l", '["cat","a"] |["grep","b"] |["wc","-l"]'],
  ["true || false; echo 'a b'", '["true"] ||["false"] ;["echo","a b"]'],
  ['echo "a \\"b\\" \\c"', '["echo","a \\"b\\" \\\\c"]'],
  ["echo a\\ b", '["echo","a b"]'],
  ["echo ''", '["echo",""]'],
  ["npm test 2>&1 | tail -5", '["npm","test"] |["tail","-5"]'],
  ["rm -f x >/dev/null 2> /dev/null", '["rm","-f","x"]'],
  ["git diff HEAD~1 a#b --x=y!", '["git","diff","HEAD~1","a#b","--x=y!"]'],
  ["ls &&\n\npwd\n", '["ls"] &&["pwd"]'],
  ["test a = b", '["test","a","=","b"]'],
  ["'if' x", '["if","x"]'],
];
for (const [text, commands] of UNDERSTOOD) test(`understood: ${JSON.stringify(text)}`, () => assert.equal(words(text), commands));

const NOT_UNDERSTOOD = [
  "", " ", "\n", ";", "&& ls", "ls &&", "ls |", "ls ;; ls", "ls &", "ls & pwd", "echo $HOME", 'echo "$HOME"', "echo `id`", "echo $(id)", "echo <(id)",
  "cat < file", "echo a > file", "echo a >> file", "cat <<E\nx\nE", "ls *.ts", "ls a?", "ls [ab]", "echo {a,b}", "(ls)", "{ ls; }", "! ls", "A=1 ls",
  "A+=1", "if true; then ls; fi", "for a in b; do ls; done", "f() { ls; }", "ls ~", "ls ~root/x", "a=b:~/c", "echo 'open", 'echo "open', "echo \\",
  "# comment", "ls # comment", "2>&1", "ls 3>&1", "ls 2>file", "ls &>/dev/null", "ls >/dev/nullx", "'' x", "time ls", "coproc ls",
  "ls |& cat", "ls >| x", "echo $'a'", 'echo $"a"', "ls\u0000&&id".slice(0, 2) + "$(x)",
]; // prettier-ignore
for (const text of NOT_UNDERSTOOD) test(`not understood: ${JSON.stringify(text)}`, () => assert.equal(words(text), null));

/** Numbers from 0 to 1 that are the same in each run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

/** One line for each start of a program: its name and arguments, between brackets. */
const SHOW = 'show() { printf \'<%s>\' "$@"; echo; }; for name in p0 p1 p2; do eval "$name() { show $name \\"\\$@\\"; }"; done\n';

for (const shell of ["/bin/bash", "/bin/sh"]) {
  test(`what is understood is what ${shell} starts`, () => {
    const random = randomFrom(7);
    const pick = (from: string): string => from[Math.floor(random() * from.length)]!;
    const texts: string[] = [];
    for (let turn = 0; turn < 4_000; turn++) {
      const parts = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
        const args = Array.from({ length: Math.floor(random() * 4) }, () =>
          Array.from({ length: 1 + Math.floor(random() * 6) }, () => pick("ab-=:.,/'\"\\ ~!#^%@+\t")).join(""),
        );
        return [`p${Math.floor(random() * 3)}`, ...args].join(" ");
      });
      texts.push(parts.join(pick(";\n") === ";" ? " && " : "\n"));
    }
    const understood = texts.flatMap((text) => {
      const commands = parseShellText(text);
      return commands ? [{ text, commands }] : [];
    });
    assert.ok(understood.length > 500, String(understood.length));
    const script = understood.map(({ text }) => `${text}\necho ====`).join("\n");
    const { stdout, stderr } = spawnSync(shell, ["-c", SHOW + script], { encoding: "utf8", maxBuffer: 64e6 });
    assert.equal(stderr, "");
    const seen = stdout.split("====\n").slice(0, -1);
    understood.forEach(({ text, commands }, at) => {
      const expected = commands.map(({ words: each }) => `${each.map((word) => `<${word}>`).join("")}\n`).join("");
      assert.equal(seen[at], expected, JSON.stringify(text));
    });
  });
}
