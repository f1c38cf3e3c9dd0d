import assert from "node:assert/strict";
import { test } from "node:test";
import { MCP_LIMITS } from "./limits.ts";
import { ToolPins } from "./pins.ts";

const KEY = "mcp.tools.one";

function openPins(stored: unknown = null, isDamaged = false): { pins: ToolPins; value: () => unknown } {
  let kept = stored;
  let damaged = isDamaged;
  const keyValue = {
    get: (name: string) => (name === KEY && !damaged ? kept : null),
    isDamaged: (name: string) => name === KEY && damaged,
    set: (name: string, value: unknown) => {
      assert.equal(name, KEY);
      [kept, damaged] = [value, false];
    },
  };
  return { pins: new ToolPins({ keyValue, write: async (change) => change(), now: () => 1 }), value: () => kept };
}

const A = { name: "a", hash: "1", readsOnly: false };
const B = { name: "b", hash: "2", readsOnly: false };

test("first contact pins all tools; later ones are new or changed, and nothing is pinned by looking", async () => {
  const { pins, value } = openPins();
  assert.deepEqual(await pins.compare("one", []), new Map());
  assert.equal(value(), null, "a server without a tool has shown nothing");
  assert.deepEqual(await pins.compare("one", [A]), new Map());
  for (let round = 0; round < 2; round += 1)
    assert.deepEqual(
      await pins.compare("one", [{ ...A, hash: "x" }, B]),
      new Map([
        ["a", "changed"],
        ["b", "new"],
      ]),
    );
  assert.deepEqual(value(), { a: "1" });
  await pins.accept("one", [A, B]);
  assert.deepEqual(await pins.compare("one", [A, B]), new Map());
});

for (const [what, stored, isDamaged] of [
  ["a row that is not JSON", { a: "1" }, true],
  ["a list", ["a"], false],
  ["a text", "a", false],
  ["a hash that is a number", { a: 1 }, false],
] as const)
  test(`a damaged record withholds every tool until it is accepted: ${what}`, async () => {
    const { pins, value } = openPins(stored, isDamaged);
    for (let round = 0; round < 2; round += 1) assert.deepEqual(await pins.compare("one", [A]), new Map([["a", "unknown"]]));
    assert.deepEqual(value(), stored, "what is damaged is not replaced by looking");
    await pins.accept("one", [A]);
    assert.deepEqual(await pins.compare("one", [A]), new Map());
  });

test("the hashes of so many tools are kept, the first of them", async () => {
  const tools = Array.from({ length: MCP_LIMITS.pins + 1 }, (_, at) => ({ name: `t${at}`, hash: "h", readsOnly: false }));
  const { pins } = openPins();
  await pins.compare("one", tools);
  assert.deepEqual(await pins.compare("one", tools), new Map([[`t${MCP_LIMITS.pins}`, "new"]]));
});

test("a tool only reads where its server said so when it was accepted, and still does", async () => {
  const { pins, value } = openPins();
  const reads = { ...A, readsOnly: true };
  assert.deepEqual(pins.reading("one", [reads]), new Set(), "nothing is accepted");
  await pins.compare("one", [reads, B]);
  assert.deepEqual(value(), { a: "1 reads", b: "2" });
  assert.deepEqual(pins.reading("one", [reads, { ...B, readsOnly: true }]), new Set(["a"]), "the server says it of b only now");
  assert.deepEqual(pins.reading("one", [A, B]), new Set(), "the server does not say it of a any more");
  assert.deepEqual(await pins.compare("one", [A, { ...B, readsOnly: true }]), new Map(), "that alone withholds no tool");
  await pins.accept("one", [reads, { ...B, readsOnly: true }]);
  assert.deepEqual(pins.reading("one", [reads, { ...B, readsOnly: true }]), new Set(["a", "b"]));
  assert.deepEqual(openPins({ a: "1 reads" }, true).pins.reading("one", [reads]), new Set(), "a damaged record says nothing");
});
