import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../core/log.ts";
import { toErrorPayload } from "./errors.ts";

test("the answer asks to repeat the request when descriptors are free, and does not name the file", () => {
  const err = Object.assign(new Error("EMFILE: open dist/gen/validators/health.cjs"), { code: "EMFILE" });
  const payload = toErrorPayload(err, silentLog, "health");
  assert.equal(payload.retryable, true);
  assert.match(payload.message, /no free file descriptors/);
  assert.doesNotMatch(JSON.stringify(payload), /validators/);
});
