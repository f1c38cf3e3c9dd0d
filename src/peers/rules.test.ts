import assert from "node:assert/strict";
import { test } from "node:test";
import { PEER_METHODS } from "../core/peer-address.ts";
import { PEER_LIMITS } from "./limits.ts";
import { refuseCall, refusePath, refuseTimes, type AllowList } from "./rules.ts";

const LIST: AllowList = { agents: ["main"], methods: ["agent"], channels: ["*"] };
const CALL = { method: "agent" as const, agent: "main", channel: "webchat" };

test("an empty list allows nothing", () => {
  assert.match(refuseCall({ ...LIST, agents: [] }, CALL)!, /agent main is not allowed/);
  assert.match(refuseCall({ ...LIST, methods: [] }, CALL)!, /method agent is not allowed/);
  assert.match(refuseCall({ ...LIST, channels: [] }, CALL)!, /messages from webchat are not allowed/);
  assert.equal(refuseCall(LIST, CALL), null);
});

test("a star allows the agents of one gateway, not those behind its other links", () => {
  assert.equal(refuseCall({ ...LIST, agents: ["*"] }, { ...CALL, agent: "work" }), null);
  assert.match(refuseCall({ ...LIST, agents: ["*"] }, { ...CALL, agent: "work@third" })!, /not allowed/);
  assert.equal(refuseCall({ ...LIST, agents: ["work@third"] }, { ...CALL, agent: "work@third" }), null);
});

const subsets = <T>(items: readonly T[]): T[][] =>
  items.reduce<T[][]>((all, item) => [...all, ...all.map((each) => [...each, item])], [[]]);

const allows = (list: AllowList, agent: string, channel: string): boolean =>
  list.methods.includes("agent") &&
  (list.agents.includes(agent) || (list.agents.includes("*") && agent !== "main@third")) &&
  (list.channels.includes(channel) || list.channels.includes("*"));

test("a call passes exactly when the lists of both gateways allow it", () => {
  const agents = ["main", "work", "*", "main@third"];
  const channels = ["webchat", "telegram", "*"];
  const lists = subsets(agents).flatMap((some) =>
    subsets(channels).flatMap((from) => subsets(PEER_METHODS).map((methods): AllowList => ({ agents: some, channels: from, methods }))),
  );
  // Every list of one side with a part of those of the other.
  for (const [index, send] of lists.entries())
    for (const accept of lists.filter((_, other) => (other + index) % 17 === 0))
      for (const agent of ["main", "work", "main@third", "gone"])
        for (const channel of ["webchat", "telegram", "irc"]) {
          const call = { method: "agent" as const, agent, channel };
          const passes = refuseCall(send, call) === null && refuseCall(accept, call) === null;
          assert.equal(passes, allows(send, agent, channel) && allows(accept, agent, channel));
        }
});

test("a message that was here before, or has gone over too many links, goes no further", () => {
  assert.equal(refusePath(["a"], 1, "b"), null);
  assert.match(refusePath(["a", "b"], 8, "b")!, /circle/);
  assert.match(refusePath(["a", "b", "c"], 2, "d")!, /3 links; at most 2/);
});

test("a message whose time is over, or whose times cannot be right, is not taken", () => {
  const now = 1_000_000_000;
  assert.equal(refuseTimes({ sentAt: now, expiresAt: now + 1 }, now), null);
  assert.match(refuseTimes({ sentAt: now - 10, expiresAt: now }, now)!, /time is over/);
  assert.match(refuseTimes({ sentAt: now, expiresAt: now + PEER_LIMITS.maxLifeMs + 1 }, now)!, /too long/);
  assert.match(refuseTimes({ sentAt: now + PEER_LIMITS.clockSkewMs + 1, expiresAt: now + PEER_LIMITS.clockSkewMs + 2 }, now)!, /future/);
});
