// Fails when a test waits for a time instead of a condition, makes a fake clock of its own, or has a function that is too long.
import { functionLengths, isTest, readSources, type SourceFile } from "./source-graph.ts";

const MAX_FUNCTION_LINES = 120;

type Rule = {
  readonly name: string;
  /** The lines that break the rule. */
  readonly find: (file: SourceFile) => readonly number[];
  readonly applies: (path: string) => boolean;
  /** Files that still do so, with the number of places; nothing may be added. */
  readonly known: Readonly<Record<string, number>>;
};

/** Campaigns, fuzzing and benchmarks pace their traffic by time; what is called by a test file may as well, to play a slow platform. */
const isTestCode = (path: string): boolean => isTest(path) || path.startsWith("test/") || path.startsWith("web/test/");

const linesMatching =
  (pattern: RegExp) =>
  ({ text }: SourceFile): number[] =>
    text.split("\n").flatMap((line, index) => (pattern.test(line) ? [index + 1] : []));

const RULES: readonly Rule[] = [
  {
    name: "wait for a condition (`until` of test/until.ts), not for a time",
    find: linesMatching(/setTimeout\(\s*(resolve|done)\b|\bawait (sleep|delay)\((?!clock\b)|\b(const|let) \w+ = sleep\((?!clock\b)/),
    applies: isTest,
    known: {
      // Messages are spread over the time in which the main thread is blocked.
      "test/channel-kit/channel-worker.test.ts": 1,
      // A gateway that takes its time to answer.
      "test/channel-kit/webchat-connection.test.ts": 1,
      // The rate of wake-ups: what is measured is what happens within a time.
      "test/wire/commands.test.ts": 1,
    },
  },
  {
    name: "act when a condition holds (`until` of test/until.ts), not after a time",
    // A timer that does nothing keeps a process alive; one that throws is a fault that a test makes.
    find: linesMatching(/\bsetTimeout\(\(\) => (?!\{\}|\{ throw\b)/),
    applies: isTest,
    known: {
      // Nothing shows that the host has a message that was handed in and that its model has not read.
      "src/agents/pi/conformance.test.ts": 2,
      "src/agents/pi/runtime.test.ts": 1,
      // The page ignores clicks for so long.
      "web/test/gateway.test.ts": 1,
    },
  },
  {
    name: "use FakeClock of test/fakes/fake-clock.ts",
    find: linesMatching(/^\s+monotonic: \(\) => (?!1\b|0\b)/),
    applies: isTest,
    // These run on the machine's timers, faster or checked.
    known: {
      "src/channels/containment.test.ts": 1,
      "src/channels/telegram/index.test.ts": 1,
      "src/gateway/channel-worker-host.test.ts": 1,
    },
  },
  {
    name: `a function has at most ${MAX_FUNCTION_LINES} lines`,
    find: (file) => functionLengths(file).flatMap(({ line, lines }) => (lines > MAX_FUNCTION_LINES ? [line] : [])),
    applies: isTestCode,
    known: {},
  },
];

let failed = false;
for (const file of readSources().values()) {
  for (const { name, find, applies, known } of RULES) {
    if (!applies(file.path)) continue;
    const lines = find(file);
    if (lines.length <= (known[file.path] ?? 0)) continue;
    failed = true;
    for (const line of lines) console.error(`${file.path}:${line}: ${name}`);
  }
}
process.exitCode = failed ? 1 : 0;
