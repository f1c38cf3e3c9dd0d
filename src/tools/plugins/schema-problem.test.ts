import assert from "node:assert/strict";
import { test } from "node:test";
import { findSchemaProblem } from "./schema-problem.ts";

const deep = (levels: number): object => (levels === 0 ? { type: "string" } : { type: "object", properties: { a: deep(levels - 1) } });

const CASES: readonly [title: string, schema: unknown, problem: RegExp | null][] = [
  ["no fields", { type: "object" }, null],
  [
    "every key that is checked",
    {
      type: "object",
      title: "T",
      properties: {
        s: { type: "string", enum: ["a"], description: "d", default: "a", examples: ["a"] },
        n: { type: "integer", minimum: 1, maximum: 9 },
        l: { type: "array", minItems: 1, items: { type: "number" } },
        o: { type: "object", additionalProperties: { type: "boolean" } },
      },
      required: ["s"],
      additionalProperties: false,
    },
    null,
  ],
  ["nothing", undefined, /must be a JSON Schema with the type "object"/],
  ["a list", [], /type "object"/],
  ["another type", { type: "string" }, /type "object"/],
  ["no type of a field", { type: "object", properties: { a: {} } }, /^the type of a must be one of object,/],
  ["two types", { type: "object", properties: { a: { type: ["string", "null"] } } }, /^the type of a must be/],
  [
    "a key that is not checked",
    { type: "object", properties: { a: { type: "string", pattern: "^x$" } } },
    /^a has the key "pattern"; a string has/,
  ],
  ["a choice of schemas", { type: "object", anyOf: [] }, /^the schema has the key "anyOf"/],
  [
    "a field inside",
    { type: "object", properties: { a: { type: "object", properties: { b: { type: "x" } } } } },
    /^the type of a\.b must be/,
  ],
  ["an item inside", { type: "object", properties: { a: { type: "array", items: { type: "x" } } } }, /^the type of a\[\] must be/],
  ["further fields", { type: "object", additionalProperties: true }, /<other> must be a schema/],
  ["a limit that is a text", { type: "object", properties: { a: { type: "number", minimum: "1" } } }, /^minimum of a must be a number/],
  ["choices that are numbers", { type: "object", properties: { a: { type: "string", enum: [1] } } }, /^enum of a must be a list of texts/],
  ["a required field that there is not", { type: "object", required: ["a"] }, /^"a" is required, but not in properties/],
  ["properties that are a list", { type: "object", properties: [] }, /^properties of the schema must be an object/],
  ["a field that is a text", { type: "object", properties: { a: "string" } }, /^a must be a schema/],
  ["a schema that is too deep", deep(40), /is deeper than 16/],
];
for (const [title, schema, problem] of CASES)
  test(`a schema with ${title} ${problem === null ? "can be used" : "is refused"}`, () => {
    const found = findSchemaProblem(schema);
    if (problem === null) assert.equal(found, null);
    else assert.match(found ?? "", problem);
  });
