import assert from "node:assert/strict";
import { test } from "node:test";
import { sandboxMethods } from "./sandbox.ts";

test("the sandbox is described, or why there is none", async () => {
  const sandbox = { name: "bubblewrap 1.0", guarantees: ["one"], wrap: () => assert.fail("nothing is run") };
  const found = sandboxMethods({ sandbox: () => Promise.resolve({ sandbox }) })["sandbox.explain"];
  assert.deepEqual(await found.run(), { available: true, name: "bubblewrap 1.0", guarantees: ["one"] });
  const missing = sandboxMethods({
    sandbox: () => Promise.resolve({ sandbox: null, reason: "bwrap is not installed", fix: "Install it." }),
  });
  assert.deepEqual(await missing["sandbox.explain"].run(), { available: false, reason: "bwrap is not installed", fix: "Install it." });
});
