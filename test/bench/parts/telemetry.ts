import { OtlpCollector } from "../../wire/otlp-collector.ts";
import { cpuOf } from "../measure.ts";
import { openTalker, type Part, type Subject } from "../subject.ts";

const TURNS = 150;
const WARM_UP = 20;

/** `dead`: nothing listens there. `silent`: it takes requests and never answers. `failing`: it answers 500. */
const COLLECTORS = ["dead", "silent", "failing"] as const;

export const telemetry: Part = {
  name: "telemetry",
  onRequest: true,
  about: "What a turn takes longer while the collector of telemetry is dead, silent or failing, beyond one without telemetry.",
  discardFirst: true,
  async measure(subject) {
    const off = await turnsWith(subject, null);
    for (const kind of COLLECTORS) {
      const collector = await new OtlpCollector().start();
      collector.answer = kind === "silent" ? "silent" : 500;
      const { url } = collector;
      if (kind === "dead") await collector.close();
      try {
        const on = await turnsWith(subject, url);
        subject.record(`longer with a ${kind} collector, median turn`, "ms", on.p50 - off.p50);
        subject.record(`longer with a ${kind} collector, p99 turn`, "ms", on.p99 - off.p99, 1);
        subject.record(`more CPU for a turn with a ${kind} collector`, "ms CPU", on.cpuMs - off.cpuMs);
      } finally {
        if (kind !== "dead") await collector.close();
      }
    }
  },
};

async function turnsWith(subject: Subject, endpoint: string | null): Promise<{ p50: number; p99: number; cpuMs: number }> {
  const otel = { enabled: true, endpoint, protocol: "http/protobuf", logs: true };
  const config = subject.config(endpoint === null ? {} : { diagnostics: { otel } });
  const times: number[] = [];
  let cpu = 0;
  await subject.withGateway(config, async (gateway) => {
    const talker = await openTalker(gateway);
    for (let index = 0; index < WARM_UP; index++) await talker.turn("agent:main:bench", `warm ${index}`);
    const before = cpuOf(gateway.pid);
    for (let index = 0; index < TURNS; index++) {
      const began = performance.now();
      await talker.turn("agent:main:bench", `turn ${index}`);
      times.push(performance.now() - began);
    }
    cpu = cpuOf(gateway.pid) - before;
    talker.close();
  });
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { p50: at(0.5), p99: at(0.99), cpuMs: (cpu * 1_000) / TURNS };
}
