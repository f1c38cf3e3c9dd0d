import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { test } from "node:test";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { CommandOutput, toHarmlessText } from "./output.ts";

test("invalid UTF-8, control characters and escape sequences become harmless text", () => {
  assert.equal(
    toHarmlessText("a\u001B[1;31mred\u001B[0m \u001B]0;title\u0007b\u001B]8;;http://x\u001B\\link\u001B(B\u001B=c"),
    "ared blinkc",
  );
  assert.equal(toHarmlessText("a\0b\u0007c\u009Bd\u007Fe\u001B"), "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFD");
  assert.equal(toHarmlessText("tab\t line\r\n ä € 😀"), "tab\t line\r\n ä € 😀");
});

test("characters that are split between two chunks stay whole", (t) => {
  const output = new CommandOutput(toolContext(t).workspace);
  for (const byte of Buffer.from("ä€😀\n")) output.append(Buffer.from([byte]));
  output.append(Buffer.from([0xff, 0x41]));
  assert.equal(output.toText(), "ä€😀\n\uFFFDA");
  output.close();
});

test("the end is the same however the output is divided into chunks", (t) => {
  const { workspace } = toolContext(t);
  const whole = Buffer.from(Array.from({ length: 20_000 }, (_, index) => `line ${index} ä\n`).join(""));
  const texts = [1_000, 65_536, whole.length].map((size) => {
    const output = new CommandOutput(workspace);
    for (let at = 0; at < whole.length; at += size) output.append(whole.subarray(at, at + size));
    const text = output.toText().replace(/bash-\w+/, "");
    output.close();
    return text;
  });
  assert.equal(new Set(texts).size, 1);
  assert.match(texts[0]!, /^line 18000 ä\n[^]*line 19999 ä\n\n\[Lines 18001 to 20000 of 20000 /);
});

test("bytes within the limits that are too much as text are cut, and the file has the bytes", (t) => {
  const { workspace } = toolContext(t);
  const output = new CommandOutput(workspace);
  output.append(Buffer.alloc(40_000, 0xff));
  assert.match(output.toText(), /^\uFFFD{17066}\n\n\[The end of line 1, /);
  output.close();
  assert.equal(statSync(`${workspace}/${readdirSync(workspace)[0]}`).size, 40_000);
});

test("the file ends at its limit, and the notice says so", (t) => {
  const { workspace } = toolContext(t);
  const output = new CommandOutput(workspace);
  const chunk = Buffer.from(`${"x".repeat(1_048_575)}\n`);
  for (let megabyte = 0; megabyte < 65; megabyte++) output.append(chunk);
  output.append(Buffer.from("the end\n"));
  const text = output.toText();
  output.close();
  const [, path] = /^the end\n\n\[Lines 66 to 66 of 66 \(65\.0 MB\)\. The first 64\.0 MB of the output: (.*)\]$/.exec(text) ?? [];
  assert.equal(readFileSync(path!).length, 64 * 1_048_576);
});
