import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { toolContext } from "../../test/fakes/tool-context.ts";
import { CommandOutput, toHarmlessText, type CommandOutputOptions } from "./command-output.ts";

function outputIn(t: TestContext, more: Partial<CommandOutputOptions> = {}): { output: CommandOutput; directory: string } {
  const directory = join(toolContext(t).workspace, "output");
  const output = new CommandOutput({ directory, ...more });
  t.after(() => output.discard());
  return { output, directory };
}

const numbered = (count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, index) => `line ${index + 1} ä\n`).join(""));

test("invalid UTF-8, control characters and escape sequences become harmless text", () => {
  assert.equal(
    toHarmlessText("a\u001B[1;31mred\u001B[0m \u001B]0;title\u0007b\u001B]8;;http://x\u001B\\link\u001B(B\u001B=c"),
    "ared blinkc",
  );
  assert.equal(toHarmlessText("a\0b\u0007c\u009Bd\u007Fe\u001B"), "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFD");
  assert.equal(toHarmlessText("tab\t line\r\n ä € 😀"), "tab\t line\r\n ä € 😀");
});

test("characters that are split between two chunks stay whole", (t) => {
  const { output } = outputIn(t);
  for (const byte of Buffer.from("ä€😀\n")) output.append(Buffer.from([byte]));
  output.append(Buffer.from([0xff, 0x41]));
  assert.deepEqual(output.tail(), { text: "ä€😀\n\uFFFDA", note: null });
});

test("the end is the same however the output is divided into chunks, and the file has all of it", (t) => {
  const whole = numbered(20_000);
  const parts = [1_000, 65_536, whole.length].map((size) => {
    const { output, directory } = outputIn(t);
    for (let at = 0; at < whole.length; at += size) output.append(whole.subarray(at, at + size));
    assert.deepEqual(readFileSync(output.path!), whole);
    assert.deepEqual([statSync(output.path!).mode & 0o777, statSync(directory).mode & 0o777], [0o600, 0o700]);
    return output.tail();
  });
  for (const part of parts) assert.deepEqual(part, parts[0]);
  const { text, note } = parts[0]!;
  assert.ok(text.length <= 32_000 && text.length > 32_000 - 20);
  const first = Number(/^line (\d+) ä\n/.exec(text)![1]);
  assert.ok(text.endsWith("line 20000 ä\n"));
  assert.equal(note, `Lines ${first} to 20000 of 20000 (262.6 KB).`);
});

test("a shorter end is cut as well", (t) => {
  const { output } = outputIn(t);
  output.append(numbered(20));
  assert.deepEqual(output.tail(20), { text: "line 19 ä\nline 20 ä\n", note: "Lines 19 to 20 of 20 (211 bytes)." });
});

test("of a line that is longer than a result its end is shown, also when a line break follows", (t) => {
  const { output } = outputIn(t);
  output.append(Buffer.from("short\n"));
  output.append(Buffer.alloc(300_000, "x"));
  const note = "The end of line 2, which is longer than 32000 characters.";
  assert.deepEqual(output.tail(), { text: "x".repeat(32_000), note });
  output.append(Buffer.from("\n"));
  assert.deepEqual(output.tail(), { text: `${"x".repeat(31_999)}\n`, note });
});

test("output that a result can hold makes no file", (t) => {
  const { output, directory } = outputIn(t);
  output.append(Buffer.alloc(32_000, "x"));
  assert.deepEqual([output.path, output.tail().note], [null, null]);
  assert.throws(() => readdirSync(directory), { code: "ENOENT" });
});

test("the file ends at its limit, and the notes say so", async (t) => {
  const { output } = outputIn(t, { maxFileBytes: 4 * 1_048_576 });
  const chunk = Buffer.from(`${"x".repeat(1_048_575)}\n`);
  for (let megabyte = 0; megabyte < 5; megabyte++) output.append(chunk);
  output.append(Buffer.from("the end\n"));
  const dropped = "only the first 4.0 MB are kept";
  assert.deepEqual(output.tail(), { text: "the end\n", note: `Lines 6 to 6 of 6 (5.0 MB); ${dropped}.` });
  assert.equal(statSync(output.path!).size, 4 * 1_048_576);
  assert.deepEqual(await output.lines(6, 5), { text: "", note: `Lines 6 to 6 of 6; ${dropped}.` });
});

test("a note has the reason why output could not be kept", async (t) => {
  const output = new CommandOutput({ directory: "/proc/none" });
  t.after(() => output.discard());
  output.append(numbered(5_000));
  assert.match(output.tail().note!, /^Lines \d+ to 5000 of 5000 \(\d+\.\d KB\); the rest was not kept: .+\.$/);
  assert.deepEqual(await output.lines(1, 5), output.tail());
});

test("each position leads to what follows it, without parts of characters and escape sequences", (t) => {
  const { output } = outputIn(t);
  const bytes = Buffer.from("one ä \u001B[31mred\u001B[0m €\n");
  let position = 0;
  let text = "";
  for (const byte of bytes) {
    output.append(Buffer.from([byte]));
    const part = output.since(position);
    assert.equal(part.note, null);
    position = part.position;
    text += part.text;
  }
  assert.deepEqual([text, position], ["one ä red €\n", bytes.length]);
  output.append(Buffer.from([0xe2, 0x82]));
  assert.deepEqual(output.since(position), { text: "", position, note: null });
  output.finish();
  assert.deepEqual(output.since(position), { text: "\uFFFD", position: position + 2, note: null });
});

test("what follows a position is cut at the front when it is more than a result", (t) => {
  const { output } = outputIn(t);
  output.append(numbered(100));
  const { position } = output.since(0);
  output.append(numbered(50_000));
  const part = output.since(position);
  assert.ok(part.text.length <= 32_000 && part.text.endsWith("line 50000 ä\n"));
  assert.equal(part.note, "The beginning of this is left out.");
});

test("lines are numbered from 1, and each part says where the next begins", async (t) => {
  const { output } = outputIn(t);
  assert.deepEqual(await output.lines(null, 10), { text: "", note: "The output has 0 lines." });
  for (const count of [9, 20_000]) {
    output.append(numbered(count));
    const total = count === 9 ? 9 : 20_009;
    assert.deepEqual(await output.lines(2, 2), {
      text: "line 2 ä\nline 3 ä\n",
      note: `Lines 2 to 3 of ${total}. Continue with offset=4.`,
    });
    assert.equal((await output.lines(null, 2)).note, `Lines ${total - 1} to ${total} of ${total}.`);
    assert.deepEqual(await output.lines(total + 1, 2), { text: "", note: `The output has ${total} lines.` });
  }
  output.finish();
  assert.deepEqual(await output.lines(20_009, 5), { text: "line 20000 ä\n", note: "Lines 20009 to 20009 of 20009." });
  const long = await output.lines(10, 20_000);
  const last = Number(/Lines 10 to (\d+) of 20009\. Continue/.exec(long.note!)![1]);
  assert.ok(long.text.length <= 32_000);
  assert.ok(long.text.endsWith(`\nline ${last - 9} ä\n`));
});

test("the beginning of a line that is longer than a result is shown, and the next part begins after it", async (t) => {
  const { output } = outputIn(t);
  output.append(Buffer.from("one\n"));
  output.append(Buffer.from(`${"€".repeat(50_000)}\nlast\n`));
  assert.deepEqual(await output.lines(2, 9), {
    text: "€".repeat(32_000),
    note: "Lines 2 to 2 of 3. Line 2 is cut after 32000 characters. Continue with offset=3.",
  });
});

test("lines of a terminal end without a carriage return", async (t) => {
  const { output } = outputIn(t, { isTerminal: true });
  output.append(Buffer.from("one\r\ntwo\r"));
  const { text, position } = output.since(0);
  output.append(Buffer.from("\nthree 10%\rthree 20%"));
  assert.deepEqual([text, output.since(position).text], ["one\ntwo", "\nthree 10%\rthree 20%"]);
  assert.equal((await output.lines(1, 2)).text, "one\ntwo\n");
});

test("discarded output leaves no file", (t) => {
  const { output, directory } = outputIn(t);
  output.append(numbered(50_000));
  output.discard();
  assert.deepEqual(readdirSync(directory), []);
});
