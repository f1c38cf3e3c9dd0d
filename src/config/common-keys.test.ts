import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMON_KEYS, isCommon } from "./common-keys.ts";
import { formSchema, schemaHints, walkSchema } from "./json-schema.ts";

const paths: string[] = [];
walkSchema((path) => void paths.push(path));

test("every common key exists", () => {
  const leaves = new Set(paths);
  for (const key of COMMON_KEYS) {
    const steps = key.split(".");
    const found = [...leaves].some((path) => {
      const there = path.split(".");
      return there.length === steps.length && steps.every((step, index) => step === "*" || step === there[index]);
    });
    assert.ok(found, key);
  }
});

test("forms show common keys and what leads to them, and fold the others", () => {
  for (const path of [
    "channels",
    "channels.telegram",
    "channels.telegram.botToken",
    "models.providers.*",
    "models.providers.*.models[]",
    "session.reset",
  ])
    assert.ok(isCommon(path), path);
  for (const path of ["channels.telegram.apiRoot", "gateway.auth.rateLimit", "gateway.auth.rateLimit.windowMs", "env", "meta"])
    assert.ok(!isCommon(path), path);
  const shown = Object.values(schemaHints()).filter(({ advanced }) => !advanced).length;
  assert.ok(shown > 100 && shown < 300, String(shown));
});

test("sections have an order, and every secret says what it takes without a reference", () => {
  const hints = schemaHints();
  assert.ok(hints["gateway"]!.order! < hints["logging"]!.order!);
  assert.equal(hints["gateway"]!.group, "Gateway");
  const text = JSON.stringify(formSchema());
  assert.ok(!text.includes("$ref"));
  assert.ok(!text.includes(":{},") && !text.includes(":{}}"), "no key without a type");
});
