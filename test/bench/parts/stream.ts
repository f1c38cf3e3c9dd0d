import type { ReplyStep } from "../../model-server.ts";
import { costOf, sleep } from "../measure.ts";
import { openTalker, openWatchers, type Part, type Subject } from "../subject.ts";

const TOKENS = 2_000;
/** Tokens of the paced answer between two pauses of PAUSE_MS: 250 tokens a second at most. */
const BETWEEN_PAUSES = 5;
const PAUSE_MS = 20;

export const stream: Part = {
  name: "stream",
  about: "An answer of 2,000 tokens, sent at once or in 8 s or more, to 1 and to 20 clients that watch it.",
  async measure(subject) {
    for (const watchers of [1, 20]) await measureWatchers(subject, watchers);
  },
};

const measureWatchers = (subject: Subject, count: number): Promise<void> =>
  subject.withGateway(subject.config(), async (gateway) => {
    const talker = await openTalker(gateway);
    for (let n = 0; n < 5; n++) await talker.turn("main", `warm ${n}`);
    await talker.turn("warm", "long:2000 warm");
    // The client that sends watches too.
    const watchers = count > 1 ? await openWatchers(gateway, count - 1) : null;
    let events = 0;
    talker.client.on(() => void events++);
    const measure = async (what: string, text: string, budget?: number): Promise<void> => {
      events = 0;
      const cost = await costOf(gateway.pid, async () => {
        await talker.turn("stream", text);
        await sleep(200);
      });
      const who = `${what}, ${count} watching`;
      subject.record(`${who}, gateway and Pi`, "s CPU", cost.all / 1_000, budget);
      subject.record(`${who}, gateway`, "s CPU", cost.own / 1_000);
      subject.record(`${who}, Pi`, "s CPU", cost.agents / 1_000);
      subject.record(`${who}, events for one of them`, "", events);
    };
    await measure("2,000 tokens at once", `long:${TOKENS} answer`, count === 20 ? 0.1 : undefined);
    subject.model.setBehaviour(() => ({ steps: pacedSteps() }));
    await measure("2,000 tokens in 8 s", "paced");
    subject.model.setBehaviour(undefined);
    watchers?.close();
    talker.close();
  });

function pacedSteps(): ReplyStep[] {
  return Array.from({ length: TOKENS }, (_, n) =>
    n % BETWEEN_PAUSES === 0 ? [{ waitMs: PAUSE_MS }, { text: `word${n} ` }] : [{ text: `word${n} ` }],
  ).flat();
}
