// What people can say to the gateway itself, from a browser and from IRC; what happens to messages that arrive during an answer.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { contextOf, startModelServer, type ModelServer } from "../model-server.ts";
import { descendants, dropHome, modelConfig, newHome, startGateway, until, WARM_AGENTS, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

let model: ModelServer;
let irc: Ngircd | undefined;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
let ann: IrcClient;
const home = newHome();
const events: ServerEvent[] = [];

before(async () => {
  model = await startModelServer();
  if (!noNgircd) irc = await startNgircd();
  const config = modelConfig(model.url) as { models: { providers: { test: { models: Wire[] } } } };
  config.models.providers.test.models.push({ id: "other", name: "Other", contextWindow: 64_000 });
  const account = {
    host: "127.0.0.1",
    port: irc?.port ?? 1,
    tls: false,
    nick: "claw",
    dmPolicy: "open",
    allowFrom: ["*"],
    flood: { burst: 50, intervalMs: 5 },
  };
  gateway = await startGateway({
    home,
    config: { ...config, session: { dmScope: "per-channel-peer" }, channels: { irc: { ...account, enabled: !noNgircd } } },
  });
  operator = await gateway.connect();
  operator.on((event) => events.push(event));
  await operator.request("sessions.subscribe");
  if (!irc) return;
  await until("the bot on IRC", async () => {
    const status = await operator.request<{ channelAccounts: Record<string, Wire[]> }>("channels.status");
    return status.channelAccounts["irc"]?.[0]?.["connected"];
  });
  ann = await IrcClient.join(irc.port, "ann");
});

after(async () => {
  ann?.close();
  await operator.close();
  await gateway.kill();
  await model.close();
  await irc?.close();
  dropHome(home);
});

const ENDS = ["final", "aborted", "error"];
const chatOf = (runId: string): Wire[] =>
  events.filter((each) => each.event === "chat" && (each.payload as Wire)["runId"] === runId).map((each) => each.payload as Wire);
const endOf = (runId: string): Promise<Wire> =>
  until(`the end of ${runId}`, () => chatOf(runId).find((each) => ENDS.includes(String(each["state"]))));
const textOf = (chat: Wire): string =>
  ((chat["message"] as { content: { text: string }[] } | undefined)?.content ?? []).map((part) => part.text).join("");

async function send(sessionKey: string, message: string, more: Wire = {}): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message, idempotencyKey: runId, ...more });
  return runId;
}
const say = async (sessionKey: string, message: string): Promise<string> => textOf(await endOf(await send(sessionKey, message)));
const started = (runId: string): Promise<unknown> =>
  until("its first words", () => chatOf(runId).some((each) => each["state"] === "delta"));

/** Ways to talk to the gateway: one line in, the answer out. `stop` also interrupts. */
type Voice = { name: string; skip: string | false; key: string; ask: (text: string) => Promise<string> };
let asked = 0;
const ircAsk = async (text: string): Promise<string> => {
  const count = ann.said().length;
  ann.say("claw", text);
  await ann.until(() => ann.said().length > count, `an answer to ${text}`);
  // A reply of several lines comes as several messages; it is whole when the command behind it has been answered.
  const marker = `marker-${asked++}.`;
  ann.say("claw", `/model ${marker}`);
  const answers = (): string[] =>
    ann
      .said()
      .slice(count)
      .map((each) => each.text);
  await ann.until(() => answers().some((each) => each.includes(marker)), `the answer to ${marker}`);
  const end = answers().findIndex((each) => each.includes(marker));
  return answers().slice(0, end).join("\n");
};
const VOICES: readonly Voice[] = [
  { name: "in the browser", skip: false, key: "agent:main:voice", ask: (text) => say("agent:main:voice", text) },
  { name: "on IRC", skip: noNgircd, key: "agent:main:irc:direct:ann!~ann@127.0.0.1", ask: ircAsk },
];

for (const { name, skip, key, ask } of VOICES) {
  test(`The commands work ${name}`, { skip }, async () => {
    model.clear();
    assert.equal(await ask("remember plums"), "You said: remember plums");
    const help = await ask("/help");
    for (const word of ["/new", "/reset", "/model", "/stop", "/status", "/help"]) assert.ok(help.includes(word), `${word} in ${help}`);
    const status = await ask("/status");
    assert.ok(status.includes(key) && status.includes("test/echo"), status);
    assert.match(await ask("/model"), /test\/echo[^]*test\/other/);
    assert.match(await ask("/model test/other"), /test\/other/);
    assert.equal(model.requests().length, 1, "no command is answered by a model");
    await ask("with the other one");
    assert.equal(model.requests().at(-1)!.model, "other");
    assert.match(contextOf(model.requests().at(-1)!).join("\n"), /plums/, "the conversation goes on");
    assert.doesNotMatch(contextOf(model.requests().at(-1)!).join("\n"), /\/status|\/help|\/model/, "commands are no part of it");
    assert.match(await ask("/model no/such"), /no model/i);
    assert.match(await ask("/model default"), /again/);

    for (const command of ["/new", "/reset"]) {
      const before = (await operator.request<{ session: Wire }>("sessions.describe", { key })).session["sessionId"];
      assert.match(await ask(command), /new conversation/);
      assert.notEqual((await operator.request<{ session: Wire }>("sessions.describe", { key })).session["sessionId"], before, command);
      await ask(`after ${command}`);
      assert.doesNotMatch(contextOf(model.requests().at(-1)!).join("\n"), /plums/, `${command} starts an empty session`);
    }
    const about = model.requests().length;
    assert.match(await ask("/unknown thing"), /You said: +\/unknown thing/, "an unknown command is text for the agent");
    assert.equal(model.requests().length, about + 1);
  });

  test(`/stop ends the answer that is being written, ${name}`, { skip }, async () => {
    model.clear();
    if (name === "on IRC") {
      ann.say("claw", "hang");
      await model.waitFor(1);
      assert.match(await ask("/stop"), /Stopped/);
    } else {
      const runId = await send(key, "hang");
      await started(runId);
      assert.match(await ask("/stop"), /Stopped/);
      assert.equal((await endOf(runId))["state"], "aborted");
    }
    const { session } = await operator.request<{ session: Wire }>("sessions.describe", { key });
    await until(
      "an idle session",
      async () => (await operator.request<{ session: Wire }>("sessions.describe", { key })).session["hasActiveRun"] === false,
    );
    assert.ok(session);
    const answers = [await ask("and now?")];
    // On IRC, what had been written of the stopped answer can arrive after the reply to /stop.
    if (answers[0] === "partial") answers.push(await ask("and then?"));
    assert.match(answers.join("\n"), /^You said: and now\?$/m, "the session goes on");
  });
}

test("followup: a message that arrives during an answer waits for its turn", async () => {
  model.clear();
  const first = await send("agent:main:followup", "slow:30 one two three four five", { queueMode: "followup" });
  await started(first);
  const second = await send("agent:main:followup", "second", { queueMode: "followup" });
  const third = await send("agent:main:followup", "third", { queueMode: "followup" });
  const { pendingInputs } = await operator.request<{ pendingInputs: { total: number } }>("chat.history", {
    sessionKey: "agent:main:followup",
  });
  assert.equal(pendingInputs.total, 2);
  assert.deepEqual(await Promise.all([first, second, third].map(async (runId) => textOf(await endOf(runId)))), [
    "You said: slow:30 one two three four five",
    "You said: second",
    "You said: third",
  ]);
  assert.equal(model.requests().length, 3);
});

test("collect: what arrives during an answer is answered together", async () => {
  model.clear();
  const first = await send("agent:main:collect", "slow:30 one two three four five", { queueMode: "collect" });
  await started(first);
  const runs = [
    await send("agent:main:collect", "apples", { queueMode: "collect" }),
    await send("agent:main:collect", "pears", { queueMode: "collect" }),
  ];
  const ends = await Promise.all([first, ...runs].map(endOf));
  assert.ok(
    ends.every((each) => each["state"] === "final"),
    JSON.stringify(ends),
  );
  assert.equal(model.requests().length, 2, "one turn for both");
  const last = contextOf(model.requests()[1]!).at(-1)!;
  assert.ok(last.includes("apples") && last.includes("pears"), last);
});

test("steer: a message reaches the turn that is running", async () => {
  model.clear();
  const first = await send("agent:main:steer", "tool:bash:sleep 0.6; echo done", { queueMode: "steer" });
  await until(
    "the tool to run",
    () => model.requests().length === 1 && events.some((each) => each.event === "chat" && (each.payload as Wire)["runId"] === first),
  );
  const second = await send("agent:main:steer", "rather count sheep", { queueMode: "steer" });
  await Promise.all([endOf(first), endOf(second)]);
  const contexts = model.requests().map((request) => contextOf(request).join("\n"));
  assert.ok(
    contexts.some((context) => context.includes("done") && context.includes("rather count sheep")),
    contexts.join("\n---\n"),
  );
  const { messages } = await operator.request<{ messages: Wire[] }>("chat.history", { sessionKey: "agent:main:steer" });
  assert.equal(messages.filter((each) => each["role"] === "user").length, 2, "each is in the history once");
});

test("interrupt: a message ends the answer before it", async () => {
  const first = await send("agent:main:interrupt", "hang", { queueMode: "interrupt" });
  await started(first);
  const second = await send("agent:main:interrupt", "something else", { queueMode: "interrupt" });
  assert.equal((await endOf(first))["state"], "aborted");
  assert.equal(textOf(await endOf(second)), "You said: something else");
});

test("Sessions do not wait for each other", async () => {
  const stuck = await send("agent:main:stuck", "hang");
  await started(stuck);
  assert.equal(await say("agent:main:free", "quick"), "You said: quick");
  await operator.request("chat.abort", { sessionKey: "agent:main:stuck", runId: stuck });
  assert.equal((await endOf(stuck))["state"], "aborted");
});

/** How often the threads of a process gave up the processor by themselves: a thread that wakes up does so each time it is done. */
const wakeUps = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) =>
      sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"))?.[1] ?? 0),
    0,
  );

test("Nothing wakes more than once a second when there is nothing to do", async () => {
  const idleHome = newHome();
  const idle = await startGateway({ home: idleHome, env: WARM_AGENTS });
  try {
    const pids = (): number[] => [idle.pid, ...descendants(idle.pid)];
    await until("the agent's process", () => pids().length > 1);
    // A runtime collects its garbage some seconds after the start; a timer would never end.
    const seconds = 3;
    const quiet = await until(
      "a quiet time",
      async () => {
        const before = new Map(pids().map((pid) => [pid, wakeUps(pid)]));
        await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
        const counts = pids().map((pid) => wakeUps(pid) - (before.get(pid) ?? 0));
        return counts.every((count) => count <= seconds) && counts;
      },
      25_000,
    );
    assert.ok(quiet.length >= 2, "the gateway and the agent were both watched");
  } finally {
    await idle.kill();
    dropHome(idleHome);
  }
});
