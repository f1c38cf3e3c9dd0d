import assert from "node:assert/strict";
import { test } from "node:test";
import { checkToolArguments } from "./mcp-serve-arguments.ts";

const TOOL = {
  fields: {
    key: { type: "string", minLength: 1 },
    kind: { type: "string", enum: ["exec", "plugin"] },
    limit: { type: "integer", minimum: 1, maximum: 200 },
    all: { type: "boolean" },
  },
  required: ["key"],
} as const;
const check = (args: object): string | null =>
  checkToolArguments({ ...TOOL, fields: { ...TOOL.fields, kind: { type: "string", enum: ["exec", "plugin"] } } }, args);

for (const [args, problem] of [
  [{}, "key is missing"],
  [{ key: "" }, "key must not be empty"],
  [{ key: 7 }, "key must be a text"],
  [{ key: "a", kind: "x" }, "kind must be one of exec, plugin"],
  [{ key: "a", limit: 0 }, "limit must be a whole number from 1 to 200"],
  [{ key: "a", limit: 1.5 }, "limit must be a whole number from 1 to 200"],
  [{ key: "a", limit: "5" }, "limit must be a whole number from 1 to 200"],
  [{ key: "a", all: 1 }, "all must be true or false"],
  [JSON.parse('{"key":"a","__proto__":1,"other":2}'), null],
  [{ key: "a", kind: "exec", limit: 200, all: false }, null],
] as const)
  test(`arguments ${JSON.stringify(args)}: ${problem ?? "accepted"}`, () => assert.equal(check(args as object), problem));
