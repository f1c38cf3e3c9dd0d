import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "./fake-clock.ts";

test("timers run in order while time passes, and a jump of the wall clock runs none", () => {
  const clock = new FakeClock(5_000);
  const ran: string[] = [];
  clock.after(20, () => ran.push("late"));
  clock.after(10, () => ran.push("early"));
  const cancel = clock.after(15, () => ran.push("cancelled"));
  cancel();
  clock.jump(-3_600_000);
  assert.deepEqual(ran, []);
  assert.equal(clock.monotonic(), 0);
  assert.equal(clock.now(), 5_000 - 3_600_000);
  clock.advance(20);
  assert.deepEqual(ran, ["early", "late"]);
  assert.equal(clock.monotonic(), 20);
});
