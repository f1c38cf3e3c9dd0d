import assert from "node:assert/strict";
import { test } from "node:test";
import { Silence } from "./silence.ts";

test("a silence goes on when the wall clock is set back, and ends with the sleep of the machine", () => {
  const clock = { wall: 1_000_000, running: 5 };
  const silence = new Silence([() => clock.wall, () => clock.running]);
  clock.wall -= 3_600_000;
  clock.running += 60_000;
  assert.equal(silence.ms, 60_000);
  silence.end();
  assert.equal(silence.ms, 0);
  // A machine that sleeps has a wall clock only.
  clock.wall += 90_000;
  assert.equal(silence.ms, 90_000);
});
