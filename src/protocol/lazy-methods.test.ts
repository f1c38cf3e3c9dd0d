import assert from "node:assert/strict";
import { test } from "node:test";
import { lazyMethods, loadMethod } from "./lazy-methods.ts";

const FAMILY = {
  "tokens.create": { scope: "operator.admin", run: () => "created" },
  "tokens.list": { scope: "operator.read", run: () => "listed" },
  "tokens.revoke": { scope: "operator.admin", run: () => "revoked" },
} as const;
const refuse = (): Promise<never> => Promise.reject(new Error("not asked for"));
const loadLarge = async () => ({ ...FAMILY, "tokens.list": { ...FAMILY["tokens.list"], maxBytes: 7 } });

test("a family has all served names of its prefix, and is loaded once, with the first request", async () => {
  let loads = 0;
  const methods = lazyMethods(["tokens"], async () => {
    loads += 1;
    return FAMILY;
  });
  assert.deepEqual(Object.keys(methods), ["tokens.create", "tokens.list", "tokens.revoke"]);
  assert.equal(loads, 0);
  const [list, create] = await Promise.all([loadMethod(methods, "tokens.list"), loadMethod(methods, "tokens.create")]);
  assert.equal(list, FAMILY["tokens.list"]);
  assert.equal(create, FAMILY["tokens.create"]);
  assert.equal(loads, 1);
});

test("a name without a dot is a family of its own; names that only begin alike are none of it", () => {
  assert.deepEqual(Object.keys(lazyMethods(["status"], refuse)), ["status"]);
  assert.deepEqual(Object.keys(lazyMethods(["node.pair"], refuse)), [
    "node.pair.approve",
    "node.pair.list",
    "node.pair.reject",
    "node.pair.remove",
  ]);
});

test("a load that fails fails its request, and the next request loads again", async () => {
  let loads = 0;
  const methods = lazyMethods(["tokens"], async () => {
    loads += 1;
    if (loads === 1) throw new Error("the file is gone");
    return FAMILY;
  });
  await assert.rejects(loadMethod(methods, "tokens.list"), /the file is gone/);
  assert.equal((await loadMethod(methods, "tokens.list")).scope, "operator.read");
});

test("the size of a request is known before its method is loaded, and is the method's", async () => {
  const declared = lazyMethods(["tokens"], loadLarge, { "tokens.list": 7 });
  assert.equal(declared["tokens.list"].maxBytes, 7);
  assert.equal((await loadMethod(declared, "tokens.list")).maxBytes, 7);
  const undeclared = lazyMethods(["tokens"], loadLarge);
  await assert.rejects(loadMethod(undeclared, "tokens.list"), /tokens\.list takes 7 bytes/);
});
