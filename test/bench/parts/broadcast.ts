import { costOf, sleep } from "../measure.ts";
import { openTalker, openWatchers, type Part } from "../subject.ts";

export const broadcast: Part = {
  name: "broadcast",
  about: "The events of a turn to 1,000 clients: the cost of each delivery, with the turn itself.",
  maxRuns: 3,
  measure: (subject) =>
    subject.withGateway(subject.config(), async (gateway) => {
      const talker = await openTalker(gateway);
      await talker.turn("main", "hello");
      const watchers = await openWatchers(gateway, 1_000);
      await talker.turn("main", "long:100 warm");
      await sleep(1_500);
      const before = await watchers.received();
      const { own } = await costOf(gateway.pid, async () => {
        await talker.turn("main", "long:100 broadcast");
        await sleep(1_500);
      });
      const deliveries = (await watchers.received()) - before;
      subject.record("event to 1,000 clients, each delivery", "us CPU", (own * 1_000) / Math.max(1, deliveries), 16);
      watchers.close();
      talker.close();
    }),
};
