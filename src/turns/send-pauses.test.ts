import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { chatTarget } from "../../test/fakes/chat-bench.ts";
import { conversationOf } from "./outbound.ts";
import { SendPauses } from "./send-pauses.ts";

const alice = chatTarget();
const bob = chatTarget({ chat: { kind: "direct", id: asId("bob") } });
const second = chatTarget({ account: asId("second") });
const refused = (retryAfterMs?: number, pauses?: "account") =>
  ({
    state: "refused",
    retryable: true,
    reason: "busy",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(pauses && { pauses }),
  }) as const;

test("a rate limit pauses its conversation or its account, never shortens a pause, and ends by itself", () => {
  const clock = new FakeClock();
  const pauses = new SendPauses(clock);
  const paused = (): boolean[] => [alice, bob, second].map((target) => pauses.isPaused(target));
  pauses.applyRateLimit(alice, { state: "sent", ids: [] });
  pauses.applyRateLimit(alice, refused());
  assert.deepEqual(paused(), [false, false, false]);
  pauses.applyRateLimit(alice, refused(1_000));
  pauses.pauseFor(conversationOf(alice), 10);
  assert.deepEqual(paused(), [true, false, false]);
  pauses.applyRateLimit(alice, refused(500, "account"));
  assert.deepEqual(paused(), [true, true, false]);
  assert.equal(pauses.endOf(alice), clock.monotonic() + 1_000);
  clock.advance(500);
  assert.deepEqual(paused(), [true, false, false]);
  clock.advance(500);
  assert.deepEqual(paused(), [false, false, false]);
  pauses.applyRateLimit(bob, refused(Number.MAX_SAFE_INTEGER));
  assert.equal(pauses.endOf(bob), clock.monotonic() + LIMITS.rateLimitPauseMaxMs);
});
