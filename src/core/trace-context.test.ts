import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTraceparent, newSpanId, parseTraceparent, spanIdOf, traceIdOf } from "./trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a traceparent is read as W3C Trace Context says", () => {
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), { traceId: TRACE, spanId: SPAN, sampled: true });
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-02`)?.sampled, false, "bit 1 says that the id is random");
  assert.equal(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes-later`)?.traceId, TRACE, "a later version is read by its first parts");
  const invalid = [
    "",
    "00",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE}-${SPAN}`,
    ` 00-${TRACE}-${SPAN}-01`,
  ];
  for (const value of invalid) assert.equal(parseTraceparent(value), null, value);
  assert.equal(parseTraceparent(null), null);
});

test("what is formatted is read again", () => {
  const context = { traceId: TRACE, spanId: newSpanId(), sampled: false };
  assert.deepEqual(parseTraceparent(formatTraceparent(context)), context);
});

test("the ids of a run are always the same, valid, and different for each kind", () => {
  assert.equal(traceIdOf("run-1"), traceIdOf("run-1"));
  assert.match(traceIdOf("run-1"), /^[0-9a-f]{32}$/);
  assert.notEqual(traceIdOf("run-1"), traceIdOf("run-2"));
  assert.equal(traceIdOf("run-1", `00-${TRACE}-${SPAN}-01`), TRACE);
  assert.equal(traceIdOf("run-1", "nonsense"), traceIdOf("run-1"));
  assert.equal(new Set(["message", "run", "part"].map((kind) => spanIdOf(kind as "run", "run-1"))).size, 3);
});
