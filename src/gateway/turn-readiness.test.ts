import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { createHealth } from "../observe/health.ts";
import { TurnReadiness } from "./turn-readiness.ts";

test("a step of a turn that fails makes the gateway not ready, with cause and fix, until it works again", async () => {
  const clock = new FakeClock();
  const health = createHealth(clock);
  health.require("turns");
  let failure: Error | null = null;
  let note: string | null = null;
  let runs = 0;
  const preparation = new TurnReadiness({
    clock,
    health,
    checks: {
      "the day": () => {
        runs++;
        if (failure) throw failure;
      },
    },
    warnings: { log: () => note },
  });
  await preparation.check();
  assert.equal(health.readiness().ready, true);
  failure = new GatewayError("UNAVAILABLE", "no such day", { fix: "Set the clock." });
  note = "lines are lost";
  preparation.checkIfStale();
  assert.equal(runs, 1, "a look within the time of the last check costs nothing");
  clock.advance(LIMITS.preparationCheckMs);
  preparation.checkIfStale();
  await preparation.check();
  const { failing, degraded, parts } = health.readiness();
  assert.deepEqual([failing, degraded], [["turns"], ["log"]]);
  assert.equal(parts.find((part) => part.name === "turns")!.cause, "no turn can start: the day fails: no such day. Set the clock.");
  failure = null;
  note = null;
  await preparation.check();
  assert.deepEqual(
    health.readiness().parts.map(({ name, state }) => `${name} ${state}`),
    ["turns ready"],
  );
});
