import assert from "node:assert/strict";
import { test } from "node:test";
import { covers, intersectScopes, OPERATOR_SCOPES, satisfies } from "./scopes.ts";

const NAMES = [...OPERATOR_SCOPES, "operator.root", "", "__proto__", "OPERATOR.ADMIN"];

/** Every set of up to three names. */
function* sets(): Generator<string[]> {
  yield [];
  for (const a of NAMES) for (const b of NAMES) for (const c of NAMES) yield [...new Set([a, b, c])];
}

test("granted scopes were requested, are known, and are held", () => {
  for (const held of sets()) {
    for (const asked of [[], ...NAMES.map((name) => [name]), NAMES]) {
      const granted = intersectScopes(asked, held);
      for (const scope of granted) {
        assert.ok(asked.includes(scope));
        assert.ok((OPERATOR_SCOPES as readonly string[]).includes(scope));
        assert.ok(satisfies(held, scope));
      }
      assert.ok(covers(held, granted), "a grant gives nothing that its source does not have");
      assert.deepEqual(intersectScopes(granted, held), granted);
    }
  }
});

test("admin includes everything, write includes read and talk, and nothing else includes anything", () => {
  for (const holder of OPERATOR_SCOPES) {
    for (const needed of OPERATOR_SCOPES) {
      const included =
        holder === needed ||
        holder === "operator.admin" ||
        (holder === "operator.write" && (needed === "operator.read" || needed === "operator.talk"));
      assert.equal(satisfies([holder], needed), included, `${holder} for ${needed}`);
    }
    assert.equal(satisfies([holder], "operator.unknown"), false);
  }
});

test("intersection never widens: two steps grant no more than one", () => {
  for (const held of [["operator.admin"], ["operator.write"], ["operator.read", "operator.pairing"]]) {
    for (const middle of sets()) {
      for (const scope of intersectScopes(OPERATOR_SCOPES, intersectScopes(middle, held))) assert.ok(satisfies(held, scope));
    }
  }
});
