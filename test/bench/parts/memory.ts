import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stateDir } from "../../wire/gateway-process.ts";
import { openTalker, type Part, type Talker } from "../subject.ts";

const NOTES = 10_000;
const WORDS = 4_000;
/** Words of one note. */
const LENGTH = 250;
const DAY_MS = 86_400_000;

export const memory: Part = {
  name: "memory",
  about: "A workspace of 10,000 notes: the first indexing, how long it holds up other requests, and searches of the index.",
  maxRuns: 3,
  measure: (subject) =>
    subject.withGateway(
      subject.config(),
      async (gateway) => {
        const talker = await openTalker(gateway);
        const other = await openTalker(gateway);
        const begun = performance.now();
        const indexed = talker.client.request("memory.index", {}, { timeoutMs: 120_000 });
        const longest = await longestAnswer(other, indexed);
        subject.record("first indexing of 10,000 notes", "ms", performance.now() - begun, 20_000);
        subject.record("longest answer to another client meanwhile", "ms", longest, 50);
        for (const [what, query] of [
          ["a common word", "common"],
          ["two words", "word7s common"],
          ["some of three words", "word7s word11s nothing"],
          ["two characters of Chinese", "东京"],
        ] as const)
          subject.record(`search for ${what}`, "ms", await searchMs(talker, query), 20);
        talker.close();
        other.close();
      },
      fillNotes,
    ),
};

async function longestAnswer({ client }: Talker, end: Promise<unknown>): Promise<number> {
  const state = { isOver: false, longest: 0 };
  void end.finally(() => (state.isOver = true));
  while (!state.isOver) {
    const begun = performance.now();
    await client.request("last-heartbeat");
    state.longest = Math.max(state.longest, performance.now() - begun);
  }
  await end;
  return state.longest;
}

/** The fastest of several: what a full look at all notes costs is not part of it. */
async function searchMs({ client }: Talker, query: string): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 10; run++) {
    const begun = performance.now();
    await client.request("memory.search", { query });
    times.push(performance.now() - begun);
  }
  return Math.min(...times);
}

/** One note for each day, with common words, rare ones and Chinese; the same in every run. */
function fillNotes(home: string): Promise<void> {
  const directory = join(stateDir(home), "workspace", "memory");
  mkdirSync(directory, { recursive: true });
  let seed = 1;
  const next = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  for (let note = 0; note < NOTES; note++) {
    const day = new Date(Date.UTC(2_000, 0, 1) + note * DAY_MS).toISOString().slice(0, 10);
    const words = Array.from({ length: LENGTH }, () => `word${Math.floor(next() ** 2 * WORDS)}s`);
    const lines = Array.from({ length: LENGTH / 10 }, (_, at) => words.slice(at * 10, at * 10 + 10).join(" "));
    writeFileSync(join(directory, `${day}.md`), `# ${day}\n${lines.join("\n")}\ncommon 东京的天气\n`);
  }
  return Promise.resolve();
}
