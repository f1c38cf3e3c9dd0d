import assert from "node:assert/strict";
import { test } from "node:test";
import type { Overview, OverviewEdge } from "../../src/core/overview.ts";
import { activityOf, toAttention, toFlow, toStanding } from "./overview.ts";
import type { ChannelAccountRow } from "./channel-setup.ts";

const account = (more: Partial<ChannelAccountRow>): ChannelAccountRow => ({
  channel: "irc",
  label: "IRC",
  accountId: "default",
  state: "ready",
  ...more,
});
const figures = { messages: 10, failed: 0, p50Ms: 100, p95Ms: 200 };
const edge = (more: Partial<OverviewEdge>): OverviewEdge => ({ channel: "irc", account: "default", agentId: "main", ...figures, ...more });
const quiet = { queue: { running: 0, waiting: 0, outgoing: 0, oldestAt: null }, problems: [] } as unknown as Overview;

test("what needs a person is listed by urgency, and what is switched off needs no one", () => {
  const needed = toAttention({
    questions: [],
    pairings: [],
    accounts: [account({}), account({ state: "terminal", accountId: "b" }), account({ state: "terminal", enabled: false, accountId: "c" })],
    deadLetters: [{ id: "in:r1", kind: "inbound", state: "waiting", channel: "irc", account: "", at: 1, cause: null, text: "" }],
    overview: { problems: [{ part: "store", cause: "full", since: 1, vital: true }], configErrors: ["unknown key"] },
    doctor: {
      findings: [
        { check: "disk", severity: "problem", title: "the disk is full", why: "w", fix: "f" },
        { check: "channel:irc/b", severity: "problem", title: "said above", why: "w", fix: "f" },
        { check: "dns", severity: "warning", title: "a warning waits on its page", why: "w", fix: "f" },
      ],
    },
  });
  assert.deepEqual(
    needed.map(({ kind, id }) => `${kind} ${id}`),
    ["problem store", "channel irc/b", "config unknown key", "finding disk the disk is full", "dead-letter in:r1"],
  );
});

test("one sentence says how things are, the worst first", () => {
  const accounts = [account({}), account({ accountId: "b" })];
  assert.deepEqual(toStanding([], accounts, quiet), {
    tone: "good",
    text: "Everything works, 2 channels are connected; nothing is running.",
  });
  const busy = { ...quiet, queue: { ...quiet.queue, running: 2, waiting: 1 } };
  assert.equal(toStanding([], [], busy).text, "Everything works; 2 turns are running, 1 message is waiting.");
  const needed = toAttention({
    questions: [],
    pairings: [],
    accounts: [account({ state: "terminal" })],
    deadLetters: [],
    overview: null,
    doctor: null,
  });
  assert.deepEqual(toStanding(needed, accounts, quiet), { tone: "warn", text: "1 thing needs your attention; nothing is running." });
  const broken = { ...quiet, problems: [{ part: "turns", cause: "no process can run", since: 1, vital: true }] };
  assert.deepEqual(toStanding(needed, accounts, broken), { tone: "bad", text: "Agents: no process can run." });
});

test("sources with one name are one node of the map, and its lines add up", () => {
  const flow = toFlow(
    [
      edge({ channel: "rpc", account: "" }),
      edge({ channel: "webchat", account: "", messages: 5, failed: 1, p95Ms: 900 }),
      edge({ agentId: "ops" }),
    ],
    [{ id: "main", name: "Main" }],
  );
  assert.deepEqual(
    flow.edges.map(({ from, to, messages, failed, p95Ms }) => [from.name, to.name, messages, failed, p95Ms]),
    [
      ["Page and clients", "Main", 15, 1, 900],
      ["IRC", "ops", 10, 0, 200],
    ],
  );
  assert.deepEqual([flow.rows, flow.edges[0]!.width], [2, 6]);
  const row = {
    runId: "r",
    channel: "webchat",
    account: "",
    agentId: "main",
    sessionKey: "s",
    state: "done",
    receivedAt: 1,
    endedAt: 2,
    text: "",
  };
  assert.equal(activityOf([row], flow.edges[0]!.id).length, 1);
  assert.equal(activityOf([row], flow.edges[1]!.id).length, 0);
});
