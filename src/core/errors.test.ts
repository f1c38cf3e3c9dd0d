import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError, withDescriptorCause } from "./errors.ts";

const systemError = (code: string): Error => Object.assign(new Error(`${code}: open dist/gen/validators/health.cjs`), { code });

test("a lack of file descriptors is a failure that passes, wherever it is in the chain of causes", () => {
  for (const code of ["EMFILE", "ENFILE"]) {
    for (const err of [systemError(code), new Error("could not load", { cause: systemError(code) })]) {
      const named = withDescriptorCause(err) as GatewayError;
      assert.ok(named instanceof GatewayError);
      assert.deepEqual([named.code, named.retryable, named.cause], ["UNAVAILABLE", true, err]);
    }
  }
  const other = systemError("ENOENT");
  assert.equal(withDescriptorCause(other), other);
  assert.equal(withDescriptorCause("text"), "text");
});
