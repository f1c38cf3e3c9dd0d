import { costOf, cpuOf, treePss, untilQuiet } from "../measure.ts";
import { openTalker, type Part } from "../subject.ts";

/** Measured turns of one run. */
const TURNS = 25;

export const turn: Part = {
  name: "turn",
  about: "Turns of one session against a model without delay: the first one after the start, and warm ones.",
  measure: (subject) =>
    subject.withGateway(subject.config(), async (gateway) => {
      const talker = await openTalker(gateway);
      await untilQuiet(gateway.pid);
      const ready = treePss(gateway.pid);
      subject.record("gateway before the first turn", "MiB PSS", ready.own);
      subject.record("agent processes before the first turn", "MiB PSS", ready.agents);
      const first = await costOf(gateway.pid, () => talker.turn("main", "hello"));
      subject.record("first turn, gateway and Pi", "ms CPU", first.all);
      subject.record("first turn, Pi", "ms CPU", first.agents);
      subject.record("first turn, duration", "ms", first.elapsedMs);
      for (let warm = 0; warm < 20; warm++) await talker.turn("main", `warm ${warm}`);
      // A new conversation: what Pi sends to the model grows with the conversation.
      for (let warm = 0; warm < 5; warm++) await talker.turn("measured", `warm ${warm}`);
      const others = cpuOf(process.pid);
      const cost = await costOf(gateway.pid, async () => {
        for (let n = 0; n < TURNS; n++) await talker.turn("measured", `message ${n}`);
      });
      subject.record("warm turn, gateway and Pi", "ms CPU", cost.all / TURNS, 8);
      subject.record("warm turn, gateway", "ms CPU", cost.own / TURNS);
      subject.record("warm turn, Pi", "ms CPU", cost.agents / TURNS);
      subject.record("warm turn, model server and client", "ms CPU", ((cpuOf(process.pid) - others) * 1_000) / TURNS);
      talker.close();
    }),
};
