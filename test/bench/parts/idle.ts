import { descendants, until, type GatewayUnderTest } from "../../wire/gateway-process.ts";
import { costOf, pssOf, sleep, wakesOf } from "../measure.ts";
import { openTalker, openWatchers, type Part, type Subject } from "../subject.ts";

/** After work V8 collects garbage for about 25 s. */
const SETTLE_MS = 27_000;
/** Long enough for the events that every client gets at an interval. */
const WINDOW_MS = 31_000;

export const idle: Part = {
  name: "idle",
  about: "A gateway without work for 31 s: with one client, after its agent host has ended, and with 1,000 clients.",
  maxRuns: 3,
  measure: (subject) =>
    subject.withGateway(subject.config(), async (gateway) => {
      const talker = await openTalker(gateway);
      await talker.turn("main", "hello");
      await measureIdle(subject, gateway, "one client", 0.05);
      if (await endAgents(gateway)) await measureIdle(subject, gateway, "one client, agent host ended");
      const watchers = await openWatchers(gateway, 1_000);
      await measureIdle(subject, gateway, "1,000 clients", 0.05);
      subject.record("gateway with 1,000 clients", "MiB PSS", pssOf(gateway.pid));
      watchers.close();
      talker.close();
    }),
};

async function measureIdle(subject: Subject, gateway: GatewayUnderTest, who: string, budget?: number): Promise<void> {
  await sleep(SETTLE_MS);
  const before = wakesOf(gateway.pid);
  const { all, elapsedMs } = await costOf(gateway.pid, () => sleep(WINDOW_MS));
  subject.record(`idle, ${who}`, "% of a core", (all / elapsedMs) * 100, budget);
  subject.record(`idle, ${who}, main threads`, "wakes/s", ((wakesOf(gateway.pid) - before) * 1_000) / elapsedMs);
}

/** Ends the agent processes, as `idleMinutes` does; resolves to whether the build starts no other one without a message. */
async function endAgents(gateway: GatewayUnderTest): Promise<boolean> {
  const agents = descendants(gateway.pid);
  for (const pid of agents) process.kill(pid, "SIGTERM");
  await until("the end of the agent processes", () => descendants(gateway.pid).every((pid) => !agents.includes(pid)));
  await sleep(2_000);
  return descendants(gateway.pid).length === 0;
}
