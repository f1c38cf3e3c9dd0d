import type { GatewayUnderTest } from "../../wire/gateway-process.ts";
import { treePss, sleep } from "../measure.ts";
import { openTalker, type Part, type Subject } from "../subject.ts";

const SESSIONS = 500;
const AT_ONCE = 50;
const SAMPLE_MS = 10_000;
/** Growth while caches fill does not count. */
const WARM_UP_MS = 60_000;

type Sample = { hours: number; gateway: number; host: number };

export const soak: Part = {
  name: "soak",
  about:
    "500 sessions, 50 of them turning at once, for `--minutes N` (default 10): memory every 10 s and its slope after the first minute.",
  maxRuns: 1,
  onRequest: true,
  measure: (subject, { minutes }) =>
    subject.withGateway(subject.config({ agents: { defaults: { maxConcurrent: 64 } } }), async (gateway) => {
      const talker = await openTalker(gateway);
      const startedAt = performance.now();
      const endsAt = startedAt + minutes * 60_000;
      let turns = 0;
      const run = async (first: number): Promise<void> => {
        for (let n = first; performance.now() < endsAt; n = (n + AT_ONCE) % SESSIONS) {
          // A bounded conversation: otherwise what is measured is the growing transcript.
          if (turns % 10 === 9) await talker.turn(`soak${n}`, "/new");
          await talker.turn(`soak${n}`, `message ${turns++}`);
        }
      };
      const samples: Sample[] = [];
      const watch = async (): Promise<void> => {
        while (performance.now() < endsAt) {
          await sleep(Math.min(SAMPLE_MS, Math.max(0, endsAt - performance.now())));
          subject.model.clear();
          const { own, agents } = treePss(gateway.pid);
          samples.push({ hours: (performance.now() - startedAt) / 3_600_000, gateway: own, host: agents });
        }
      };
      await Promise.all([watch(), ...Array.from({ length: AT_ONCE }, (_, n) => run(n))]);
      subject.record("turns", "turns/s", turns / (minutes * 60));
      subject.record("evictions", "closed sessions", await evictionsOf(gateway));
      report(subject, samples);
      talker.close();
    }),
};

/** Idle sessions that the host has closed, as its metric says. */
async function evictionsOf(gateway: GatewayUnderTest): Promise<number> {
  const response = await fetch(`${gateway.http}/metrics`, { headers: { authorization: `Bearer ${gateway.token()}` } });
  return Number(/^gateway_agents_evictions_total (\d+)/m.exec(await response.text())?.[1] ?? 0);
}

function report(subject: Subject, samples: readonly Sample[]): void {
  for (const each of ["gateway", "host"] as const) {
    for (const sample of samples) subject.record(`${each}, all samples`, "MiB PSS", sample[each]);
    const steady = samples.filter(({ hours }) => hours * 3_600_000 >= WARM_UP_MS);
    if (steady.length < 3) continue;
    const { slope, error } = fitLine(steady.map(({ hours, [each]: mib }) => [hours, mib]));
    subject.record(`${each}, slope after the first minute`, "MiB PSS/h", slope, 1);
    subject.record(`${each}, standard error of the slope`, "MiB PSS/h", error);
    subject.record(`${each}, largest`, "MiB PSS", Math.max(...samples.map(({ [each]: mib }) => mib)), each === "host" ? 200 : undefined);
  }
}

/** The straight line through the points with the least squares, and the standard error of its slope. */
function fitLine(points: readonly (readonly [x: number, y: number])[]): { slope: number; error: number } {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const squares = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / squares;
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(residual / (n - 2) / squares) };
}
