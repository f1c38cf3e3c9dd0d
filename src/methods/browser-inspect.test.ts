import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { toInspection } from "./browser-inspect.ts";

test("what an operator asks of a browser is read, and values only where they are asked for", () => {
  const cases: readonly [action: string, args: JsonObject, expected: object][] = [
    ["cookies", {}, { what: "cookies", operation: "get", values: false }],
    ["cookies", { values: "true", targetId: "t1" }, { what: "cookies", operation: "get", values: true }],
    ["cookies", { values: "yes" }, { what: "cookies", operation: "get", values: false }],
    ["cookies", { operation: "set", name: "a", value: "" }, { what: "cookies", operation: "set", name: "a", value: "" }],
    ["cookies", { operation: "clear" }, { what: "cookies", operation: "clear" }],
    ["storage", { kind: "local", key: "k" }, { what: "storage", area: "local", operation: "get", values: false, key: "k" }],
    [
      "storage",
      { kind: "session", operation: "set", key: "k", value: "v" },
      { what: "storage", area: "session", operation: "set", key: "k", value: "v" },
    ],
    ["highlight", { ref: "e1" }, { what: "highlight", ref: "e1" }],
    ["trace", { operation: "start", snapshots: false }, { what: "trace", operation: "start", screenshots: true, snapshots: false }],
    ["trace", { operation: "stop" }, { what: "trace", operation: "stop" }],
  ];
  for (const [action, args, expected] of cases) assert.deepEqual(toInspection(action, args), expected, `${action} ${JSON.stringify(args)}`);
});

test("what is missing, and what would have no effect, is refused by its name", () => {
  const cases: readonly [action: string, args: JsonObject, expected: RegExp][] = [
    ["cookies", { operation: "steal" }, /no operation "steal"/],
    ["cookies", { operation: "set", name: "a" }, /cookies set needs value/],
    ["cookies", { operation: "set", name: "a;b", value: "v" }, /not the name of a cookie/],
    ["cookies", { operation: "set", name: "a", value: "v", domain: "x" }, /no parameter "domain"/],
    ["cookies", { operation: "clear", values: true }, /no parameter "values"/],
    ["storage", {}, /storage get needs kind/],
    ["storage", { kind: "indexed" }, /kind of storage is not known/],
    ["highlight", {}, /highlight needs ref/],
    ["trace", {}, /trace has no operation "get"/],
    ["trace", { operation: "stop", path: "/tmp/x" }, /no parameter "path"/],
  ];
  for (const [action, args, expected] of cases)
    assert.throws(() => toInspection(action, args), { message: expected }, `${action} ${JSON.stringify(args)}`);
});
