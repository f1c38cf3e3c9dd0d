import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { TurnSlots, type SlotRequest } from "./slots.ts";

const use = (provider: string, kind: SlotRequest["kind"] = "direct"): SlotRequest => ({ provider, kind });
const none = (): SlotRequest[] => [];

function filled(total: number, count: number, each: SlotRequest): TurnSlots {
  const slots = new TurnSlots(() => total);
  for (let i = 0; i < count; i++) slots.acquire(`k${i}`, each);
  return slots;
}

test("one provider may hold all slots while no other waits, and no more", () => {
  const slots = new TurnSlots(() => 8);
  for (let i = 0; i < 8; i++) {
    assert.equal(slots.canStart(use("a"), none), true);
    slots.acquire(`k${i}`, use("a"));
  }
  assert.equal(slots.canStart(use("a"), none), false);
});

test("a provider that hangs in all slots does not delay the first turn of another one, and the reserve has an end", () => {
  const slots = filled(8, 8, use("hangs"));
  for (let i = 0; i < LIMITS.reserveSlots; i++) {
    assert.equal(slots.canStart(use(`p${i}`), none), true);
    slots.acquire(`r${i}`, use(`p${i}`));
  }
  assert.equal(slots.canStart(use("one-more"), none), false);
  slots.release("r0");
  assert.equal(slots.canStart(use("p0"), none), true);
});

test("while others wait a provider holds at most half, and a kind of conversation too", () => {
  const slots = filled(8, 4, use("a", "room"));
  assert.equal(
    slots.canStart(use("a", "room"), () => [use("b", "room")]),
    false,
  );
  assert.equal(
    slots.canStart(use("b", "room"), () => [use("b", "direct")]),
    false,
  );
  assert.equal(
    slots.canStart(use("b", "direct"), () => [use("a", "room")]),
    true,
  );
  assert.equal(
    slots.canStart(use("a", "room"), () => [use("a", "room")]),
    true,
  );
});

test("with one slot nothing is shared but the reserve", () => {
  const slots = filled(1, 1, use("a"));
  assert.equal(slots.canStart(use("a"), none), false);
  assert.equal(slots.canStart(use("b"), none), true);
});
