import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { Slots, type SlotUse } from "./slots.ts";

const use = (provider: string, kind: SlotUse["kind"] = "direct"): SlotUse => ({ provider, kind });
const none = (): SlotUse[] => [];

function filled(total: number, count: number, each: SlotUse): Slots {
  const slots = new Slots(() => total);
  for (let i = 0; i < count; i++) slots.take(`k${i}`, each);
  return slots;
}

test("one provider may hold all slots while nobody else waits, and no more", () => {
  const slots = new Slots(() => 8);
  for (let i = 0; i < 8; i++) {
    assert.equal(slots.mayStart(use("a"), none), true);
    slots.take(`k${i}`, use("a"));
  }
  assert.equal(slots.mayStart(use("a"), none), false);
});

test("a provider that hangs in all slots does not delay the first turn of another one, and the reserve has an end", () => {
  const slots = filled(8, 8, use("hangs"));
  for (let i = 0; i < LIMITS.reserveSlots; i++) {
    assert.equal(slots.mayStart(use(`p${i}`), none), true);
    slots.take(`r${i}`, use(`p${i}`));
  }
  assert.equal(slots.mayStart(use("one-more"), none), false);
  slots.free("r0");
  assert.equal(slots.mayStart(use("p0"), none), true);
});

test("while others wait a provider holds at most half, and a kind of conversation too", () => {
  const slots = filled(8, 4, use("a", "room"));
  assert.equal(
    slots.mayStart(use("a", "room"), () => [use("b", "room")]),
    false,
  );
  assert.equal(
    slots.mayStart(use("b", "room"), () => [use("b", "direct")]),
    false,
  );
  assert.equal(
    slots.mayStart(use("b", "direct"), () => [use("a", "room")]),
    true,
  );
  assert.equal(
    slots.mayStart(use("a", "room"), () => [use("a", "room")]),
    true,
  );
});

test("with one slot nothing is shared but the reserve", () => {
  const slots = filled(1, 1, use("a"));
  assert.equal(slots.mayStart(use("a"), none), false);
  assert.equal(slots.mayStart(use("b"), none), true);
});
