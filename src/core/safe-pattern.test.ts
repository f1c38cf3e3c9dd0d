import assert from "node:assert/strict";
import { test } from "node:test";
import { rounds } from "../../test/rounds.ts";
import { compilePattern } from "./safe-pattern.ts";

function matches(source: string, text: string): boolean {
  const result = compilePattern(source);
  assert.ok("pattern" in result, `${source}: ${"problem" in result ? result.problem : ""}`);
  return result.pattern.test(text);
}

test("agrees with the built-in engine on everything that both support", () => {
  const sources = [
    "abc",
    "a.c",
    "^abc",
    "abc$",
    "\\bbot\\b",
    "\\Bot",
    "a|b|cd",
    "(?:ab)+c",
    "(ab|cd)?x",
    "[a-c]x",
    "[^a-c]x",
    "[\\d_-]z",
    "\\d{2,3}",
    "a{2}",
    "a{1,}b",
    "x*y",
    "x+?y",
  ];
  sources.push(
    "\\+1555\\d*",
    "@open(claw)?\\b",
    "hey[, ]+(bot|claw)",
    "\\u0041b",
    "\\x41b",
    "a\\|b",
    "[\\]]a",
    "\\s\\S",
    "[a-]b",
    "a{,2}",
    "z{",
    "^$|q",
    "(a|b)*c",
    "[A-Z]{2}9",
  );
  const texts = [
    "",
    "abc",
    "xabcx",
    "ABC",
    "a\nc",
    "bot",
    "robot",
    "the bot, please",
    "abab c",
    "ababc",
    "cdx",
    "x",
    "dx",
    "7z",
    "-z",
    "12",
    "1234",
    "aa",
    "aaab",
    "y",
    "xxy",
    "+1555123",
    "@openclaw",
    "@openclawx",
    "hey,  claw",
    "Ab",
    "a|b",
    "]a",
    " q",
    "-b",
    "a{,2}",
    "z{",
    "qq",
    "ababababc",
    "zz9",
    "ÄÖ",
    "日本 bot",
    "_bot_",
  ];
  let checked = 0;
  for (const source of sources) {
    const compiled = compilePattern(source);
    if ("problem" in compiled) continue;
    const reference = new RegExp(source, "i");
    for (const text of texts) {
      assert.equal(compiled.pattern.test(text), reference.test(text), `/${source}/i on ${JSON.stringify(text)}`);
      checked++;
    }
  }
  assert.ok(checked > 800, `${checked} pairs`);
});

test("agrees with the built-in engine on random patterns", () => {
  let seed = 42;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const atoms = ["a", "b", "c", ".", "\\w", "\\b", "[ab]", "[^a]", "(?:a|bc)", "(b*)", "^", "$"];
  const marks = ["", "", "", "*", "+", "?", "{1,2}"];
  let checked = 0;
  for (let round = 0; round < rounds(2_000); round++) {
    let source = "";
    for (let i = 1 + random(5); i > 0; i--) {
      const atom = atoms[random(atoms.length)]!;
      source += atom + (/^(\\b|\^|\$)$/.test(atom) ? "" : marks[random(marks.length)]) + (random(9) === 0 ? "|" : "");
    }
    const compiled = compilePattern(source);
    if ("problem" in compiled) continue;
    const reference = new RegExp(source, "i");
    for (let i = 0; i < 5; i++) {
      const text = Array.from({ length: random(7) }, () => "abc -"[random(5)]).join("");
      assert.equal(compiled.pattern.test(text), reference.test(text), `/${source}/ on ${JSON.stringify(text)}`);
      checked++;
    }
  }
  assert.ok(checked > rounds(2_000), `${checked} pairs`);
});

for (const source of ["(a+)+$", "(a|a)*b", "(.*)*x", "([a-z]+)*9", "(a|aa)+$", "a*a*a*a*a*a*b", "(x+x+)+y"]) {
  test(`an expensive pattern stays cheap: ${source}`, () => {
    const started = process.cpuUsage();
    matches(source, "a".repeat(4_000) + "!");
    matches(source, "x".repeat(4_000));
    const used = process.cpuUsage(started);
    // The built-in engine does not finish; the bound only detects that.
    assert.ok((used.user + used.system) / 1e6 < 20);
  });
}

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /empty/],
  ["a*", /empty text/],
  ["(?:)", /empty text/],
  ["x".repeat(201), /longer/],
  ["(a", /closed|early/],
  ["a)", /closing/],
  ["[a", /early/],
  ["\\", /early/],
  ["(?=a)b", /look-around/],
  ["(?<n>a)", /look-around/],
  ["(a)\\1", /back-reference/],
  ["*a", /nothing to repeat/],
  ["a**", /repeated/],
  ["[z-a]", /wrong order/],
  ["a{3,1}", /wrong order/],
  ["(?:a{99}){99}", /too large/],
  ["\\p{L}", /not supported/],
  ["\\u{zz}", /not a number/],
  ["(".repeat(30) + "a" + ")".repeat(30), /nested/],
];
for (const [source, why] of REFUSED) {
  test(`refuses ${JSON.stringify(source.slice(0, 30))} with a reason`, () => {
    const result = compilePattern(source);
    assert.ok("problem" in result);
    assert.match(result.problem, why);
  });
}

test("looks at the first 4000 characters only", () => {
  assert.equal(matches("bot", "x".repeat(3_990) + "bot"), true);
  assert.equal(matches("bot", "x".repeat(4_000) + "bot"), false);
});

test("emoji and other characters beyond 16 bits are one character", () => {
  assert.equal(matches("^.$", "🦞"), true);
  assert.equal(matches("🦞+!", "hi 🦞🦞!"), true);
  assert.equal(matches("[🦀-🦟]", "🦞"), true);
});

function replace(source: string, text: string): string {
  const result = compilePattern(source, { patternChars: 512, textChars: Infinity });
  assert.ok("pattern" in result, source);
  return result.pattern.replace(text, "#");
}

test("what any match covers is replaced, in one pass", () => {
  const cases: readonly (readonly [source: string, text: string, want: string])[] = [
    ["customer-\\d+", "Customer-123 and customer-4 call", "# and # call"],
    ["\\d{3}", "12 123 1234", "12 # #"],
    ["a|abc", "xabcx", "x#x"],
    ["^key: .*$", "key: 🦞 all", "#"],
    ["🦞+", "a🦞🦞b🦞", "a#b#"],
    ["\\bpin\\b", "pin pinned PIN", "# pinned #"],
    ["nothing", "text", "text"],
  ];
  for (const [source, text, want] of cases) assert.equal(replace(source, text), want, source);
});

test("replacing agrees with the built-in engine where matches do not overlap", () => {
  const sources = ["a+", "ab", "(ab)+c?", "\\d+x", "x\\w+"];
  let seed = 3;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  for (let round = 0; round < 500; round++) {
    const source = sources[random(sources.length)]!;
    const text = Array.from({ length: random(20) }, () => "abcx1 "[random(6)]).join("");
    const result = compilePattern(source);
    assert.ok("pattern" in result);
    // Matches side by side are replaced together.
    const want = text.replaceAll(new RegExp(source, "gi"), "#").replaceAll(/#+/g, "#");
    assert.equal(result.pattern.replace(text, "#"), want, `${source} in ${text}`);
  }
});

test("a pattern that is exponential elsewhere takes a bounded number of steps for each character", () => {
  for (const source of ["(a+)+$", "(a|a)*b", "(a*)*c", "([a-z]+)*\\d"]) {
    const result = compilePattern(source, { patternChars: 512, textChars: Infinity });
    assert.ok("pattern" in result);
    const before = process.cpuUsage();
    result.pattern.replace("a".repeat(20_000), "#");
    // The built-in engine does not finish.
    assert.ok(process.cpuUsage(before).user / 1e6 < 20, source);
  }
});
