import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultText, fieldKind, hintPath, keysOf, schemaFor, valueAt } from "./config-schema.ts";
import type { Schema } from "./config-schema.ts";

const ROOT: Schema = {
  type: "object",
  properties: {
    gateway: { type: "object", properties: { port: { type: "integer" } } },
    bindings: { type: "array", items: { type: "object", properties: { agentId: { type: "string" } } } },
    models: {
      type: "object",
      properties: { providers: { type: "object", additionalProperties: { type: "object", properties: { apiKey: {} } } } },
    },
  },
};

test("each kind of value has its field", () => {
  const kinds = [
    [{ type: "boolean" }, "switch"],
    [{ type: "string", enum: ["a"] }, "choice"],
    [{ type: ["string", "number"] }, "words"],
    [{ type: "integer" }, "number"],
    [{ type: "array", items: { type: "string" } }, "lines"],
    [ROOT.properties!["bindings"]!, "items"],
    [ROOT.properties!["models"]!.properties!["providers"]!, "entries"],
    [ROOT, "group"],
    [{}, "text"],
  ] as const;
  for (const [schema, kind] of kinds) assert.equal(fieldKind(schema as Schema, undefined), kind);
  assert.equal(fieldKind({ anyOf: [{ type: "string" }] }, { label: "", help: "", sensitive: true, advanced: false }), "secret");
});

test("a value with a short form is a text until it is an object", () => {
  const model: Schema = { description: "d", anyOf: [{ type: "string" }, { type: "object", properties: { primary: {} } }] };
  assert.equal(fieldKind(schemaFor(model, "a/b"), undefined), "words");
  assert.equal(fieldKind(schemaFor(model, { primary: "a/b" }), undefined), "group");
  assert.equal(schemaFor(model, {}).description, "d");
});

test("hints are found for names that people choose and for items of lists", () => {
  assert.equal(hintPath(ROOT, ["gateway", "port"]), "gateway.port");
  assert.equal(hintPath(ROOT, ["models", "providers", "local", "apiKey"]), "models.providers.*.apiKey");
  assert.equal(hintPath(ROOT, ["bindings", 2, "agentId"]), "bindings[].agentId");
});

test("values are read by their path, and a missing one is undefined", () => {
  assert.equal(valueAt({ a: [{ b: 1 }] }, ["a", 0, "b"]), 1);
  assert.equal(valueAt({ a: null }, ["a", "b"]), undefined);
  assert.equal(valueAt({}, ["toString"]), undefined);
});

test("a default is shown when it is short", () => {
  assert.equal(defaultText({ default: 18789 }), "18789");
  assert.equal(defaultText({ default: {} }), "");
  assert.equal(defaultText({}), "");
});

const hint = (advanced: boolean) => ({ label: "", help: "", advanced });

test("the keys that most people need come first", () => {
  const schema: Schema = { properties: { a: {}, b: {} } };
  assert.deepEqual(keysOf(schema, "x", { "x.a": hint(true), "x.b": hint(false) }), { common: ["b"], advanced: ["a"] });
  assert.deepEqual(keysOf(schema, "x", {}), { common: ["a", "b"], advanced: [] });
});
