import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { schemaOfMigrations } from "../scripts/gen-store-schema.ts";

test("schema.sql is what the migrations come to (else run scripts/gen-store-schema.ts)", () => {
  assert.equal(readFileSync(new URL("../src/store/migrations/schema.sql", import.meta.url), "utf8"), schemaOfMigrations());
});
