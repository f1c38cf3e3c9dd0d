import assert from "node:assert/strict";
import { test } from "node:test";
import * as json from "./json.ts";

const OBJECT = { a: 1 };
const VALUES = {
  object: OBJECT,
  empty: {},
  array: [OBJECT, "x", 1, null, [2], "y"],
  string: "text",
  blank: "",
  number: 1.5,
  zero: 0,
  nan: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  true: true,
  null: null,
  undefined,
  date: new Date(0),
};
type Name = keyof typeof VALUES;

/** reader -> what it gives for the named values, and for all others. */
const READERS: [keyof typeof json, Partial<Record<Name, unknown>>, unknown][] = [
  ["isObject", { object: true, empty: true, date: true }, false],
  ["asObject", { object: OBJECT, empty: {}, date: VALUES.date }, null],
  ["fieldsOf", { object: OBJECT, empty: {}, date: VALUES.date }, {}],
  ["asArray", { array: VALUES.array }, []],
  ["asObjects", { array: [OBJECT] }, []],
  ["asString", { string: "text" }, ""],
  ["asStrings", { array: ["x", "y"] }, []],
  ["asNumber", { number: 1.5, zero: 0 }, null],
];

for (const [name, expected, otherwise] of READERS)
  test(`${name} returns values of its type and a fixed value for all others`, () => {
    const read = json[name] as (value: unknown) => unknown;
    for (const key of Object.keys(VALUES) as Name[])
      assert.deepEqual(read(VALUES[key]), Object.hasOwn(expected, key) ? expected[key] : otherwise, key);
  });

const REQUIRED: [keyof typeof json, unknown, [unknown, RegExp][]][] = [
  [
    "requireObject",
    OBJECT,
    [
      [undefined, /^x is missing$/],
      [null, /^x is missing$/],
      [[], /^x is not an object$/],
      ["{}", /^x is not an object$/],
    ],
  ],
  [
    "requireArray",
    [1],
    [
      [undefined, /^x is missing$/],
      [OBJECT, /^x is not an array$/],
    ],
  ],
  [
    "requireString",
    "text",
    [
      [undefined, /^x is missing$/],
      ["", /^x is missing$/],
      [1, /^x is not a string$/],
    ],
  ],
  [
    "requireNumber",
    0,
    [
      [null, /^x is missing$/],
      ["1", /^x is not a number$/],
      [Number.NaN, /^x is not a number$/],
    ],
  ],
];

for (const [name, good, bad] of REQUIRED)
  test(`${name} returns the value or names what is wrong`, () => {
    const read = json[name] as (value: unknown, what: string) => unknown;
    assert.equal(read(good, "x"), good);
    for (const [value, message] of bad) assert.throws(() => read(value, "x"), { message });
  });

test("a text is parsed as JSON, or reported as not being JSON", () => {
  const cases: [string, unknown][] = [
    ['{"a":1}', { a: 1 }],
    [" null ", null],
    ["false", false],
    ['""', ""],
  ];
  for (const [text, value] of cases) {
    assert.deepEqual(json.tryParseJson(text), value);
    assert.deepEqual(json.parseJsonOrText(text), value);
  }
  for (const text of ["", "<html>", "\u00A0null", "{"]) {
    assert.equal(json.tryParseJson(text), undefined);
    assert.equal(json.parseJsonOrText(text), text);
  }
});

test("a number is a time only when a Date can hold it", () => {
  for (const ms of [0, -1, 8.64e15, -8.64e15]) assert.equal(json.isTimestamp(ms), true, String(ms));
  for (const ms of [8.64e15 + 2, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(json.isTimestamp(ms), false, String(ms));
});

test("a value that is too deep or too long is not stored, and its depth does not overflow the stack", () => {
  const limits = { depth: 3, chars: 10 };
  assert.equal(json.findStorageProblem({ a: { b: 1 } }, limits), null);
  assert.match(json.findStorageProblem({ a: { b: { c: {} } } }, limits)!, /more than 3 levels/);
  assert.match(json.findStorageProblem(["12345678901"], limits)!, /more than 10 characters/);
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  assert.match(json.findStorageProblem(deep, limits)!, /more than 3 levels/);
});
