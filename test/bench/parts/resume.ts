import { descendants, until } from "../../wire/gateway-process.ts";
import { openTalker, type Part, type Subject } from "../subject.ts";

const SESSIONS = 31;
/** ms. */
const LIMIT_MS = 2_000;

export const resume: Part = {
  name: "resume",
  about:
    "The agent host is killed under 31 running turns: how long until each is asked again (no output yet) or closed visibly (with output).",
  async measure(subject) {
    await measureKill(subject, "without output");
    await measureKill(subject, "with output");
  },
};

const measureKill = (subject: Subject, kind: "without output" | "with output"): Promise<void> =>
  subject.withGateway(subject.config({ agents: { defaults: { maxConcurrent: SESSIONS } } }), async (gateway) => {
    const { model } = subject;
    const talker = await openTalker(gateway);
    await talker.turn("other", "hello");
    const begun = new Set<unknown>();
    talker.client.on(({ event, payload }) => {
      const { runId, state } = payload as { runId?: string; state?: string };
      if (event === "chat" && state === "delta") begun.add(runId);
    });
    const before = model.requests().length;
    const held = Promise.withResolvers<void>();
    const hold = { until: held.promise };
    const asked = (): number => model.requests().length - before;
    model.setBehaviour(() => ({ steps: kind === "with output" ? [{ text: "the beginning" }, hold] : [hold, { text: "late" }] }));
    try {
      const ends = Promise.allSettled(Array.from({ length: SESSIONS }, (_, n) => talker.turn(`s${n}`, "hello")));
      await until("every turn has asked the model", () => asked() === SESSIONS, 60_000);
      if (kind === "with output") await until("every answer has begun", () => begun.size === SESSIONS, 60_000);
      const killedAt = performance.now();
      process.kill(descendants(gateway.pid)[0]!, "SIGKILL");
      if (kind === "with output") await ends;
      else await until("every turn has asked again", () => asked() === SESSIONS * 2, 60_000);
      subject.record(`host killed under ${SESSIONS} turns ${kind}, all resumed or closed`, "ms", performance.now() - killedAt, LIMIT_MS);
    } finally {
      held.resolve();
      model.setBehaviour(undefined);
      talker.close();
    }
  });
