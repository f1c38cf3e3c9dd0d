import { costOf, median, treePss } from "../measure.ts";
import { openTalker, type Part, type Subject } from "../subject.ts";

const ROUNDS = 5;

export const parallel: Part = {
  name: "parallel",
  about: "10 and 31 sessions that turn at the same time against a model without delay; memory with 31 active sessions.",
  async measure(subject) {
    for (const sessions of [10, 31]) await measureSessions(subject, sessions);
  },
};

const measureSessions = (subject: Subject, sessions: number): Promise<void> =>
  subject.withGateway(subject.config({ agents: { defaults: { maxConcurrent: 64 } } }), async (gateway) => {
    const talker = await openTalker(gateway);
    await talker.turn("other", "hello");
    const durations: number[] = [];
    const timed = async (key: string, text: string): Promise<void> => {
      const startedAt = performance.now();
      await talker.turn(key, text);
      durations.push(performance.now() - startedAt);
    };
    const round = (text: string): Promise<unknown> => Promise.all(Array.from({ length: sessions }, (_, n) => timed(`s${n}`, text)));
    const first = await costOf(gateway.pid, () => round("hello"));
    subject.record(`${sessions} at once, first burst, gateway`, "ms CPU per turn", first.own / sessions);
    subject.record(`${sessions} at once, first burst, Pi`, "ms CPU per turn", first.agents / sessions);
    subject.record(`${sessions} at once, first burst`, "turns/s", (sessions / first.elapsedMs) * 1_000);
    durations.length = 0;
    const warm = await costOf(gateway.pid, async () => {
      for (let n = 0; n < ROUNDS; n++) await round(`round ${n}`);
    });
    const turns = sessions * ROUNDS;
    const isBudgeted = sessions === 10;
    subject.record(`${sessions} at once, warm, gateway and Pi`, "ms CPU per turn", warm.all / turns, isBudgeted ? 10 : undefined);
    subject.record(`${sessions} at once, warm, gateway`, "ms CPU per turn", warm.own / turns);
    subject.record(`${sessions} at once, warm, Pi`, "ms CPU per turn", warm.agents / turns);
    const rate = (turns / warm.elapsedMs) * 1_000;
    subject.record(`${sessions} at once, warm`, "turns/s", rate, isBudgeted ? { limit: 100, atLeast: true } : undefined);
    subject.record(`${sessions} at once, warm, median duration`, "ms", median(durations));
    subject.record(`${sessions} at once, warm, longest duration`, "ms", Math.max(...durations));
    if (sessions === 31) {
      const memory = treePss(gateway.pid);
      subject.record("gateway and Pi with 31 active sessions", "MiB PSS", memory.own + memory.agents, 170);
      subject.record("gateway with 31 active sessions", "MiB PSS", memory.own);
    }
    talker.close();
  });
