import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigIssue } from "../config/issue.ts";
import { silentLog, type Log } from "../core/log.ts";
import { logIssues, newIssues } from "./config-log.ts";

const issue = (over: Partial<ConfigIssue>): ConfigIssue => ({
  severity: "warning",
  path: "gateway.bnd",
  line: 3,
  column: 5,
  message: "gateway.bnd is not a known key",
  ...over,
});

test("a finding is logged at its own level, once with its key, and without fields that repeat the message", () => {
  const lines: unknown[] = [];
  const take =
    (level: string) =>
    (message: string, fields: object = {}): void =>
      void lines.push([level, message, fields]);
  const log: Log = { ...silentLog, info: take("info"), warn: take("warn"), error: take("error") };
  logIssues(log, "/openclaw.json", [
    issue({ fix: 'delete "bnd"' }),
    issue({ severity: "error", path: "gateway.port", message: "must be a number", line: 0 }),
    issue({ severity: "info" }),
  ]);
  assert.deepEqual(lines, [
    ["warn", "/openclaw.json:3: gateway.bnd is not a known key", { fix: 'delete "bnd"' }],
    ["error", "/openclaw.json: gateway.port: must be a number", {}],
    ["info", "/openclaw.json:3: gateway.bnd is not a known key", {}],
  ]);
});

test("after a reload only findings that were not there before are news", () => {
  const fresh = issue({ path: "models.providers.x", message: "lists no models" });
  assert.deepEqual(newIssues([issue({ line: 3 })], [issue({ line: 9 }), fresh]), [fresh]);
  assert.deepEqual(newIssues([issue({})], [issue({ severity: "error" })]), [issue({ severity: "error" })]);
});
