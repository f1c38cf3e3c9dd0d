import { join } from "node:path";
import { dropHome, newHome, stateDir } from "../../wire/gateway-process.ts";
import { fillHistory, fillSessions } from "../fill.ts";
import { costOf, cpuOf, pssOf, treePss, untilQuiet } from "../measure.ts";
import { openTalker, type Config, type Part, type Subject } from "../subject.ts";

const TURNS = 10;
const START_BUDGET = 0.2;

export const growth: Part = {
  name: "growth",
  about: "Warm turns as the conversation grows; starts as sessions, agents and channel accounts grow; memory of sessions without a turn.",
  maxRuns: 3,
  async measure(subject) {
    for (const messages of [10, 100, 1_000, 5_000]) await measureHistory(subject, messages);
    for (const sessions of [10, 1_000, 100_000])
      await measureStart(subject, `${sessions.toLocaleString("en")} sessions`, {}, (home) => fillSessions(home, "stored", sessions));
    for (const agents of [1, 500]) await measureStart(subject, `${agents} agents`, toAgents(agents));
    for (const accounts of [1, 200]) await measureStart(subject, `${accounts} webhook accounts`, toAccounts(accounts));
    await measureInactive(subject);
  },
};

const toAgents = (count: number): Config => ({ agents: { list: Array.from({ length: count }, (_, n) => ({ id: `agent${n}` })) } });

/** Accounts that connect to nothing. */
const toAccounts = (count: number): Config => ({
  channels: {
    webhook: {
      accounts: Object.fromEntries(
        Array.from({ length: count }, (_, n) => [
          `account${n}`,
          { secret: `secret-of-account-${n}`.padEnd(40, "x"), outboundUrl: `http://127.0.0.1:9/${n}`, dmPolicy: "open", allowFrom: ["*"] },
        ]),
      ),
    },
  },
});

/** A first start creates the home; the next one finds what `fill` has added. */
async function withFilledHome(
  subject: Subject,
  config: Config,
  fill: ((home: string) => Promise<void>) | undefined,
  work: (home: string) => Promise<void>,
): Promise<void> {
  const home = newHome();
  try {
    await (await subject.start(home, config)).kill();
    await fill?.(home);
    await work(home);
  } finally {
    dropHome(home);
  }
}

const measureHistory = (subject: Subject, count: number): Promise<void> => {
  const fill = (home: string): Promise<void> => fillHistory(home, "long", count, join(stateDir(home), "workspace"));
  return withFilledHome(subject, subject.config(), fill, async (home) => {
    const gateway = await subject.start(home, subject.config());
    try {
      const talker = await openTalker(gateway);
      await untilQuiet(gateway.pid);
      for (let n = 0; n < 10; n++) await talker.turn("other", `warm ${n}`);
      const what = `${count.toLocaleString("en")} messages before it`;
      const first = await costOf(gateway.pid, () => talker.turn("long", "first"));
      subject.record(`turn that opens the session, ${what}`, "ms CPU", first.all);
      for (let n = 0; n < 3; n++) await talker.turn("long", `warm ${n}`);
      const asked = subject.model.requests().at(-1)!.messages.length;
      subject.model.clear();
      const cost = await costOf(gateway.pid, async () => {
        for (let n = 0; n < TURNS; n++) await talker.turn("long", `message ${n}`);
      });
      subject.record(`warm turn, ${what}, gateway`, "ms CPU", cost.own / TURNS);
      subject.record(`warm turn, ${what}, Pi`, "ms CPU", cost.agents / TURNS);
      subject.record(`warm turn, ${what}, sent to the model`, "messages", asked);
      talker.close();
    } finally {
      await gateway.kill();
    }
  });
};

const measureStart = (subject: Subject, what: string, more: Config, fill?: (home: string) => Promise<void>): Promise<void> => {
  const config = subject.config(more);
  return withFilledHome(subject, config, fill, async (home) => {
    const startedAt = performance.now();
    const gateway = await subject.start(home, config);
    try {
      const client = await gateway.connect({ scopes: ["operator.read"] });
      await client.request("health");
      subject.record(`start to the first health, ${what}`, "s CPU", cpuOf(gateway.pid), START_BUDGET);
      subject.record(`start to the first health, ${what}, duration`, "s", (performance.now() - startedAt) / 1_000);
      subject.record(`gateway when ready, ${what}`, "MiB PSS", pssOf(gateway.pid));
      client.close();
    } finally {
      await gateway.kill();
    }
  });
};

/** What 1,000 sessions leave in memory after one turn each. */
const measureInactive = (subject: Subject): Promise<void> =>
  subject.withGateway(subject.config({ agents: { defaults: { maxConcurrent: 64 } } }), async (gateway) => {
    const talker = await openTalker(gateway);
    for (let n = 0; n < 20; n++) await talker.turn("main", `warm ${n}`);
    await untilQuiet(gateway.pid);
    const before = treePss(gateway.pid);
    for (let from = 0; from < 1_000; from += 20)
      await Promise.all(Array.from({ length: 20 }, (_, n) => talker.turn(`inactive${from + n}`, "hello")));
    await untilQuiet(gateway.pid);
    const after = treePss(gateway.pid);
    subject.record("added by 1,000 sessions after one turn each, gateway", "MiB PSS", after.own - before.own);
    subject.record("added by 1,000 sessions after one turn each, Pi", "MiB PSS", after.agents - before.agents);
    talker.close();
  });
