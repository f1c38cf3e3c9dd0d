import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { Announcements } from "./announcements.ts";

function open(): { announce: Announcements; clock: FakeClock; sent: [string, unknown][]; state: { ok: boolean } } {
  const clock = new FakeClock();
  const sent: [string, unknown][] = [];
  const state = { ok: true };
  let kept: Record<string, unknown> | null = null;
  const announce = new Announcements({
    hub: { publish: (event, payload) => void sent.push([event, payload]) },
    clock,
    health: { snapshot: () => (kept ??= { ...state }), invalidate: () => void (kept = null) },
    stateVersion: { presence: 1, health: 1 },
  });
  return { announce, clock, sent, state };
}

test("changes of health in quick succession are published as one event with the latest state", () => {
  const { announce, clock, sent, state } = open();
  announce.healthChanged();
  announce.healthChanged();
  state.ok = false;
  assert.equal(sent.length, 0);
  clock.advance(10_000);
  assert.deepEqual(sent, [["health", { ok: false }]]);
  announce.healthChanged();
  announce.stop();
  clock.advance(10_000);
  assert.equal(sent.length, 1);
});

test("a changed configuration is announced with its hash, and health follows", () => {
  const { announce, clock, sent } = open();
  announce.configChanged("/x/openclaw.json", "h1");
  clock.advance(10_000);
  assert.deepEqual(
    sent.map(([event]) => event),
    ["config.changed", "chat.metadata.changed", "health"],
  );
  assert.deepEqual(sent[0]![1], { path: "/x/openclaw.json", hash: "h1", ts: 1_000_000 });
});
