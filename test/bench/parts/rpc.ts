import { costOf } from "../measure.ts";
import { openTalker, type Part, type Subject, type Talker } from "../subject.ts";

type Call = [method: string, params: Record<string, unknown>, budget: number];

const SMALL: readonly Call[] = [
  ["last-heartbeat", {}, 0.05],
  ["health", {}, 0.03],
  ["config.get", {}, 0.03],
  ["sessions.list", { limit: 10 }, 0.03],
  ["chat.history", { sessionKey: "main", limit: 50 }, 0.042],
];

/** Of 1,000 sessions. */
const LISTS: readonly Call[] = [
  ["sessions.list", { limit: 100 }, 0.3],
  ["sessions.list", { limit: 1_000 }, 3],
];

export const rpc: Part = {
  name: "rpc",
  about: "Requests of a client, 20 at a time; lists of 1,000 sessions.",
  maxRuns: 3,
  measure: (subject) =>
    subject.withGateway(subject.config(), async (gateway) => {
      const talker = await openTalker(gateway);
      for (let n = 0; n < 60; n++) await talker.turn("main", `filling ${n}`);
      await measureCalls(subject, gateway.pid, talker, SMALL, 2_000);
      for (let n = 0; n < 1_000; n += 50)
        await Promise.all(Array.from({ length: 50 }, (_, i) => talker.client.request("sessions.create", { key: `listed-${n + i}` })));
      await measureCalls(subject, gateway.pid, talker, LISTS, 500);
      talker.close();
    }),
};

async function measureCalls(subject: Subject, pid: number, { client }: Talker, calls: readonly Call[], many: number): Promise<void> {
  for (const [method, params, budget] of calls) {
    const what = "limit" in params ? `${method} ${String(params["limit"])}` : method;
    for (let n = 0; n < 300; n++) await client.request(method, params);
    const { own } = await costOf(pid, async () => {
      for (let n = 0; n < many; n += 20) await Promise.all(Array.from({ length: 20 }, () => client.request(method, params)));
    });
    subject.record(what, "ms CPU", own / many, budget);
  }
}
