import assert from "node:assert/strict";
import { test } from "node:test";
import { checkArguments } from "./arguments.ts";

const schema = {
  type: "object",
  properties: {
    path: { type: "string" },
    offset: { type: "number", minimum: 1 },
    count: { type: "integer" },
    all: { type: "boolean" },
    edits: { type: "array", minItems: 1, items: { type: "object", properties: { text: { type: "string" } }, required: ["text"] } },
  },
  required: ["path"],
};
const problemsOf = (args: unknown): readonly string[] => {
  const checked = checkArguments(schema, args);
  return checked.ok ? [] : checked.problems;
};

test("declared fields are copied at every level, others are left out", () => {
  const args = { path: "a", x: 1, edits: [{ text: "b", y: 2 }], __proto__: { count: 3 } };
  assert.deepEqual(checkArguments(schema, args), { ok: true, args: { path: "a", edits: [{ text: "b" }] } });
});

test("values in the type of another are converted when that is unambiguous, and null is an absent field", () => {
  const args = { path: 5, offset: "2", count: " 3 ", all: "true", edits: null };
  assert.deepEqual(checkArguments(schema, args), { ok: true, args: { path: "5", offset: 2, count: 3, all: true } });
});

test("every problem names the field, what is expected and, shortened, what was there", () => {
  assert.deepEqual(problemsOf(null), ["The arguments must be an object, not null"]);
  assert.deepEqual(problemsOf({ path: null, offset: 0, count: 1.5, all: "maybe", edits: [] }), [
    "path must be a string, not null",
    "offset must be at least 1, not the number 0",
    "count must be an integer, not the number 1.5",
    'all must be a boolean, not the text "maybe"',
    "edits must have at least 1 item",
  ]);
  assert.deepEqual(problemsOf({ edits: [{ text: "a" }, {}, "b".repeat(100)] }), [
    "path is missing (string)",
    "edits[1].text is missing (string)",
    `edits[2] must be an object, not the text "${"b".repeat(40)}..."`,
  ]);
});

test("texts have the values of an enum, numbers a maximum, and further fields the schema of all of them", () => {
  const limited = {
    type: "object",
    properties: {
      mode: { type: "string", enum: ["on", "off"] },
      wait: { type: "integer", maximum: 10 },
      env: { type: "object", properties: { own: { type: "boolean" } }, additionalProperties: { type: "string" } },
    },
  };
  assert.deepEqual(checkArguments(limited, { mode: "on", wait: "10", env: { own: "true", A: 5, B: "x" }, more: 1 }), {
    ok: true,
    args: { mode: "on", wait: 10, env: { own: true, A: "5", B: "x" } },
  });
  assert.deepEqual(checkArguments(limited, { mode: "auto", wait: 11, env: { A: null, B: {} } }), {
    ok: false,
    problems: [
      'mode must be one of on, off, not the text "auto"',
      "wait must be at most 10, not the number 11",
      "env.A must be a string, not null",
      "env.B must be a string, not an object",
    ],
  });
});
