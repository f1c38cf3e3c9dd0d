import assert from "node:assert/strict";
import { test } from "node:test";
import { rounds } from "../../test/rounds.ts";
import JSON5 from "json5";
import { LIMITS } from "../core/limits.ts";
import { createLocator, Json5Error, parseTree, valueOf } from "./json5.ts";

const TEXTS = [
  "{}",
  "[]",
  "null",
  "true",
  " false ",
  '"a"',
  "'it\\'s'",
  "0",
  "-0",
  "+1",
  ".5",
  "5.",
  "1e3",
  "1E-2",
  "0xFf",
  "-0x10",
  "Infinity",
  "-Infinity",
  "NaN",
  "+NaN",
  "{a:1}",
  "{a:1,}",
  "[1,]",
  "[1,2 , 3]",
  "{'a':1,\"b\":2,c:3}",
  "{$a_1:1}",
  "{\\u0061b:1}",
  "{ünïcode:1}",
  "{a:{b:[{c:1}]}}",
  "{a:1,a:2}",
  "// c\n{}",
  "/* c */{}// end",
  "{/*a*/a/*b*/:/*c*/1/*d*/,/*e*/}",
  "{a:1// x\n,b:2}",
  '"a\\\nb"',
  '"a\\\r\nb"',
  '"\\x41\\u0042\\n\\t\\v\\0\\b\\f\\r\\/\\q"',
  '"\\\u2028x"',
  "\uFEFF{}",
  "\u00a0{\u3000}",
  "{a:'\\''}",
  "{Infinity:1,NaN:2,null:3}",
  "{a:-.5}",
  "[,]",
  "[1,,2]",
  "{,}",
  "{a}",
  "{a:}",
  "{a:1 b:2}",
  "{",
  "[",
  "",
  "//",
  "/*",
  "{a:1}}",
  "{}{}",
  "01",
  "0x",
  "1_000",
  "+-1",
  "- 1",
  "--1",
  ".",
  "1.2.3",
  "1e",
  "tru",
  "trueish",
  "undefined",
  "nul",
  "a",
  "{1:2}",
  "{a-b:1}",
  '"abc',
  "'abc\"",
  '"a\nb"',
  '"\\1"',
  '"\\01"',
  '"\\x4"',
  '"\\u12"',
  "{\\u0031:1}",
  "{\\a:1}",
  "{a:'x'y:1}",
  "[1 2]",
  "\0",
  "{a:\0}",
  "Infinityx",
  "0b1",
  "{a:/1}",
  "<",
  "{'a'}",
  "{\u200ca:1}",
  "{a\u200c:1}",
  "5.x",
  "{a:1;b:2}",
  "[1}",
  "{a:1]",
  '{"a":"b"\n"c":1}',
];

function outcome(read: () => unknown): { value: unknown } | { refused: true } {
  try {
    return { value: read() };
  } catch (err) {
    assert.ok(err instanceof SyntaxError || err instanceof Json5Error, String(err));
    return { refused: true };
  }
}

for (const text of TEXTS) {
  test(`reads ${JSON.stringify(text)} as the reference implementation does`, () => {
    assert.deepStrictEqual(
      outcome(() => valueOf(parseTree(text))),
      outcome(() => JSON5.parse(text)),
    );
  });
}

/** Small deterministic random numbers (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("agrees with the reference implementation on texts made by damaging valid ones", () => {
  const random = createRandom(7);
  const seeds = TEXTS.filter((text) => !text.includes("\u2028") && "value" in outcome(() => JSON5.parse(text)));
  const alphabet = "{}[]:,'\"\\/*\n 01.eE+-xabu$_\u00e9";
  for (let round = 0; round < rounds(20_000); round++) {
    let text = seeds[Math.floor(random() * seeds.length)]! + seeds[Math.floor(random() * seeds.length)]!.slice(0, 3);
    for (let edits = 0; edits < 3; edits++) {
      const at = Math.floor(random() * (text.length + 1));
      text = text.slice(0, at) + alphabet[Math.floor(random() * alphabet.length)]! + text.slice(at + Math.floor(random() * 2));
    }
    if (text.includes("__proto__")) continue;
    assert.deepStrictEqual(
      outcome(() => valueOf(parseTree(text))),
      outcome(() => JSON5.parse(text)),
      JSON.stringify(text),
    );
  }
});

test("line separators are allowed in strings", () => {
  assert.equal(valueOf(parseTree('"a\u2028b"')), "a\u2028b");
});

test("nesting beyond the limit is an error, not a stack overflow", () => {
  for (const open of ["[", "{a:"]) {
    assert.throws(() => parseTree(open.repeat(200_000)), { name: "Json5Error", message: `nested deeper than ${LIMITS.jsonDepth} levels` });
  }
});

test("more values than the limit are an error", () => {
  assert.throws(() => parseTree(`[${"1,".repeat(LIMITS.configNodes + 1)}]`), { name: "Json5Error", message: /more than/ });
});

test("__proto__ in the text does not reach the prototype of anything", () => {
  const value = valueOf(parseTree('{ __proto__: { polluted: 1 }, "__proto__": 2, a: 1 }')) as Record<string, unknown>;
  assert.deepStrictEqual(Object.keys(value), ["a"]);
  assert.equal(value["polluted"], undefined);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("errors say what was expected and where", () => {
  const cases: [string, number, RegExp][] = [
    ["{ a: 1\n  b: 2 }", 9, /unexpected "b" where "," or "}" belongs/],
    ["{ a 1 }", 4, /after the key "a", where ":" belongs/],
    ["{ a: ", 5, /the text ends where a value belongs/],
    ['{ a: "x', 5, /string that begins here does not end/],
    ["/* x", 0, /comment that begins here does not end/],
  ];
  for (const [text, offset, message] of cases) {
    assert.throws(
      () => parseTree(text),
      (err: Json5Error) => err.offset === offset && message.test(err.message),
      text,
    );
  }
});

test("places are found for every kind of line break", () => {
  const locate = createLocator("a\nbc\r\nd\re");
  assert.deepStrictEqual([0, 1, 2, 3, 6, 8].map(locate), [
    { line: 1, column: 1 },
    { line: 1, column: 2 },
    { line: 2, column: 1 },
    { line: 2, column: 2 },
    { line: 3, column: 1 },
    { line: 4, column: 1 },
  ]);
});
