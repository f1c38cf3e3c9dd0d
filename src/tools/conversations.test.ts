import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../test/crash/seeded-random.ts";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { isInReach, mayMeet, outOfReach, sessionPolicyOf, type SessionPolicy } from "./conversations.ts";

type PolicyCaller = Parameters<typeof isInReach>[1];

const AGENTS = ["main", "ops", "helper", "help-desk"].map((id) => asId<AgentId>(id));
const keyOf = (agentId: string, rest = "main"): SessionKey => asId(`agent:${agentId}:${rest}`);
const sender = (agentId = "main"): PolicyCaller => ({ agentId: asId(agentId), sessionKey: keyOf(agentId), surface: "operator" });

/** The policy once more, written as the documentation says it. */
function mayReach(policy: SessionPolicy, from: PolicyCaller, key: SessionKey, agentId: AgentId, below: readonly string[]): boolean {
  const lists = (id: string): boolean =>
    (policy.agentToAgent.allow ?? []).some((entry) => entry === "*" || entry === id || (entry === "help*" && id.startsWith("help")));
  if (key === from.sessionKey) return true;
  if (from.surface === "channel") return false;
  const isOwn = below.includes(key);
  if (policy.visibility === "self") return false;
  if (policy.visibility === "tree") return isOwn;
  if (policy.visibility === "agent") return isOwn || agentId === from.agentId;
  return isOwn || agentId === from.agentId || (policy.agentToAgent.enabled && lists(from.agentId) && lists(agentId));
}

test("a session is in reach only where the visibility and both sides of the list say so, for any policy", () => {
  const random = new SeededRandom(11);
  const pick = <T>(values: readonly T[]): T => values[random.int(0, values.length - 1)]!;
  let reached = 0;
  for (let round = 0; round < 3_000; round++) {
    const policy: SessionPolicy = {
      visibility: pick(["self", "tree", "agent", "all"] as const),
      agentToAgent: { enabled: random.chance(0.8), allow: ["*", ...AGENTS, "help*"].filter(() => random.chance(0.4)) },
    };
    const from = { ...sender(pick(AGENTS)), surface: pick(["operator", "operator", "channel"] as const) };
    const agentId = pick(AGENTS);
    const key = keyOf(agentId, pick(["main", "subagent:1", "other"]));
    const below = random.chance(0.3) ? [key] : [];
    const parentOf = (each: string): SessionKey | null => (below.includes(asId(each)) && each !== from.sessionKey ? from.sessionKey : null);
    const expected = mayReach(policy, from, key, agentId, below);
    assert.equal(isInReach(policy, from, { key, agentId }, parentOf), expected, JSON.stringify({ policy, from, key, below }));
    if (expected) reached++;
    // Both sides: who may write may be written to, and a shorter list never opens anything.
    assert.equal(mayMeet(from.agentId, agentId, policy.agentToAgent), mayMeet(agentId, from.agentId, policy.agentToAgent));
    const less = { ...policy, agentToAgent: { ...policy.agentToAgent, allow: policy.agentToAgent.allow!.slice(1) } };
    assert.ok(expected || !isInReach(less, from, { key, agentId }, parentOf));
  }
  assert.ok(reached > 300 && reached < 2_700, `${reached}`);
});

test("without a setting an agent reaches the sessions of its own and no other agent", () => {
  const policy = sessionPolicyOf({});
  assert.ok(isInReach(policy, sender(), { key: keyOf("main", "other"), agentId: asId("main") }, () => null));
  assert.ok(!isInReach(policy, sender(), { key: keyOf("ops"), agentId: asId("ops") }, () => null));
  assert.match(outOfReach(policy, sender(), asId("ops")), /tools\.sessions\.visibility is agent/);
  const all = { ...policy, visibility: "all" as const };
  assert.match(outOfReach(all, sender(), asId("ops")), /tools\.agentToAgent\.enabled/);
  assert.match(
    outOfReach({ ...all, agentToAgent: { enabled: true, allow: ["main"] } }, sender(), asId("ops")),
    /tools\.agentToAgent\.allow/,
  );
  assert.match(outOfReach(all, { ...sender(), surface: "channel" }, asId("main")), /people on channels/);
});

const meets = (entry: string, id = "research-team"): boolean =>
  mayMeet(asId(id), asId("other"), { enabled: true, allow: [entry, "other"] });

test("a pattern matches what a person expects, and costs nothing however many stars it has", () => {
  for (const entry of ["*", "**", "research*", "*team", "re*ch*am", "R*M", "research-team*", "r*-*m", "*a*-*a*"])
    assert.ok(meets(entry), entry);
  for (const entry of ["*teams", "xresearch*", "re*am*x", "research-team-*", "*m*m", "research-*search-team", "r*a*a*a*"])
    assert.ok(!meets(entry), entry);
  assert.ok(!meets("a*".repeat(31) + "b", "a".repeat(64)));
});

for (const entry of ["m.in", "mai", "ain", "(.*)", "", "main|ops", "^main$"])
  test(`the entry ${JSON.stringify(entry)} lists no agent by accident`, () => {
    assert.equal(mayMeet(asId("main"), asId("ops"), { enabled: true, allow: [entry, "ops"] }), false);
  });
