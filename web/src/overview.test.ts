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

test("ways with one name are one path of the map, over which the lines of its columns go", () => {
  const flow = toFlow({
    edges: [
      edge({ channel: "rpc", account: "" }),
      edge({ channel: "webchat", account: "", messages: 5, failed: 1, p95Ms: 900 }),
      edge({ agentId: "ops", rule: "peer", binding: 1 }),
      edge({ rule: "default" }),
    ],
    agents: [{ id: "main", name: "Main" }],
    tools: [
      { agentId: "ops", tool: "exec", calls: 7 },
      { agentId: "gone", tool: "read", calls: 1 },
    ],
  });
  assert.deepEqual(
    flow.paths.map(({ source, route, agent, messages, failed, p95Ms, tools }) => [
      source,
      route,
      agent,
      messages,
      failed,
      p95Ms,
      tools.length,
    ]),
    [
      ["Page and clients", "Agent of the conversation", "Main", 15, 1, 900, 0],
      ["IRC", "Route 2: its chat", "ops", 10, 0, 200, 1],
      ["IRC", "Default agent", "Main", 10, 0, 200, 0],
    ],
  );
  assert.deepEqual(
    flow.columns.map((nodes) => nodes.map(({ name }) => name)),
    [["Page and clients", "IRC"], ["Agent of the conversation", "Route 2: its chat", "Default agent"], ["Main", "ops"], ["exec"]],
  );
  assert.deepEqual(
    flow.lines.map((lines) => lines.map(({ from, to, failed, paths }) => [from.name, to.name, failed, paths.length])),
    [
      [
        ["Page and clients", "Agent of the conversation", true, 1],
        ["IRC", "Route 2: its chat", false, 1],
        ["IRC", "Default agent", false, 1],
      ],
      [
        ["Agent of the conversation", "Main", true, 1],
        ["Route 2: its chat", "ops", false, 1],
        ["Default agent", "Main", false, 1],
      ],
      [["ops", "exec", false, 1]],
    ],
  );
  assert.deepEqual([flow.rows, flow.lines[0]![0]!.width], [3, 6]);
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
  assert.equal(activityOf([row], flow.paths[0]!.id).length, 1);
  assert.equal(activityOf([row], flow.paths[1]!.id).length, 0);
});

test("the tools that are called most are nodes of the map, and the others are one", () => {
  const { columns } = toFlow({
    edges: [edge({})],
    agents: [],
    tools: Array.from({ length: 9 }, (_, index) => ({ agentId: "main", tool: `t${index}`, calls: 9 - index })),
  });
  assert.deepEqual(
    columns[3]!.map(({ name }) => name),
    ["t0", "t1", "t2", "t3", "t4", "t5", "other tools"],
  );
});
