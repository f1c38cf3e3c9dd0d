import { cpSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../crash/seeded-random.ts";
import { stateDir } from "../wire/gateway-process.ts";
import { ScenarioRun } from "./scenario-run.ts";
import { HARNESSES } from "./harness-registry.ts";
import type { PlatformUser, ScenarioPolicy, HarnessModule } from "./platform-harness.ts";

export type CrashSummary = {
  kills: number;
  /** Messages that people have written, and those of them that the gateway has stored. */
  sent: number;
  stored: number;
  /** Answers that are visible once; that are reported as unknown. */
  answered: number;
  unknown: number;
  /** Messages whose turn was interrupted so often that they became dead letters, and whose sender was notified. */
  deadLettered: number;
  violations: string[];
};

type Row = { run_id: string; payload: string; state: string };
type PartRow = { run_id: string | null; state: string };
type SentMessage = { marker: string; at: number; taken: boolean };
type Options = {
  /** Entry file of the gateway; its sources by default. */
  main?: string;
  /** Told after every kill. */
  onKill?: () => void;
  /** Where the home is copied to when something is wrong. */
  keep?: string;
};

const POLICY: ScenarioPolicy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
/** People wait for answers: no more than so many are open at once, each for so long. */
const OPEN_LIMIT = 8;
const PATIENCE_MS = 4_000;

const MARKER = /\bk\d+x\b/g;

/** What holds each marker; everything is looked at once, since a long life has thousands. */
function byMarker<T>(all: readonly T[], textOf: (one: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const one of all) for (const marker of new Set(textOf(one).match(MARKER))) found.set(marker, [...(found.get(marker) ?? []), one]);
  return found;
}

const answeredBy = (run: ScenarioRun): Map<string, unknown[]> => byMarker(run.platform.botMessages(), ({ text }) => text);

/** Kills the gateway at random moments while people write to it, then lets everything come to an end and compares. */
export async function crashChannel(id: string, kills: number, seed: number, options: Options = {}): Promise<CrashSummary> {
  const { main, onKill, keep } = options;
  const module = await HARNESSES[id]!();
  const random = new SeededRandom(seed);
  const platform = await module.open();
  const run = await ScenarioRun.open(id, platform, POLICY, { queueMode: "followup", ...(main && { main }) });
  const said: SentMessage[] = [];
  // What people wrote and the platform has not taken yet: a platform that pushes tries until the gateway is back.
  const pending: Promise<void>[] = [];
  try {
    for (let kill = 0; kill < kills; kill++) {
      // Most lives get as far as a connection, so that turns are hit and not only starts.
      if (kill > 0) await (random.chance(0.75) ? run.start() : run.startProcess());
      pending.push(...(await live(run, random, said, module.rooms)));
      await run.kill();
      onKill?.();
    }
    await run.start();
    await Promise.all(pending);
    await run.settleAndStop();
    const summary = compare(run, said, kills, module);
    if (keep && summary.violations.length > 0) cpSync(run.home, join(keep, `${id}-${seed}`), { recursive: true });
    return summary;
  } finally {
    await run.close();
  }
}

/** One life with traffic, cut off at a random moment. Resolves to the messages that are still being sent. */
async function live(run: ScenarioRun, random: SeededRandom, said: SentMessage[], rooms: boolean): Promise<Promise<void>[]> {
  const saying: Promise<void>[] = [];
  const end = Date.now() + random.int(0, 1_600);
  while (Date.now() < end) {
    const heard = answeredBy(run);
    const open = said.filter(({ marker, at }) => Date.now() - at < PATIENCE_MS && !heard.has(marker)).length;
    if (open < OPEN_LIMIT) saying.push(say(run, random, said, rooms));
    await sleep(random.int(5, 150));
  }
  return saying;
}

async function say(run: ScenarioRun, random: SeededRandom, said: SentMessage[], rooms: boolean): Promise<void> {
  const entry: SentMessage = { marker: `k${said.length}x`, at: Date.now(), taken: false };
  said.push(entry);
  const person: PlatformUser = random.pick(run.platform.users);
  const where = rooms && random.chance(0.4) ? "room" : "direct";
  await run.platform.sendMessage(person, where, `${random.chance(0.4) ? "slow:15 one two three four five " : "hello "}${entry.marker}`, {
    mention: true,
  });
  entry.taken = true;
}

function compare(
  run: ScenarioRun,
  said: readonly SentMessage[],
  kills: number,
  { storesOffline: keeps, inapplicable: without }: HarnessModule,
): CrashSummary {
  // Where nothing is sent, a notice is in the transcript: there must be one for each dead letter.
  let notices = without?.outbox === undefined ? 0 : run.countAnswers(/dead letter for the operator/);
  const db = new DatabaseSync(join(stateDir(run.home), "gateway", "gateway.db"), { readOnly: true });
  const faults: string[] = [];
  let stored = 0;
  let heard = 0;
  let unknown = 0;
  let parked = 0;
  try {
    const rows = byMarker(db.prepare("SELECT run_id, payload, state FROM inbox").all() as Row[], ({ payload }) => payload);
    const parts = Map.groupBy(db.prepare("SELECT run_id, state FROM outbox").all() as PartRow[], (part) => part.run_id);
    const answers = answeredBy(run);
    for (const { marker, taken } of said) {
      const mine = rows.get(marker) ?? [];
      const seen = answers.get(marker)?.length ?? 0;
      if (mine.length === 0 && taken && keeps) faults.push(`${marker}: the platform has it, the gateway never stored it`);
      if (mine.length > 1) faults.push(`${marker}: stored ${mine.length} times`);
      if (seen > 1) faults.push(`${marker}: answered ${seen} times`);
      const [row] = mine;
      if (!row) continue;
      stored++;
      const states = (parts.get(row.run_id) ?? []).map((part) => part.state);
      const isTold = states.some((state) => state === "sent" || state === "unknown");
      if (row.state === "parked" && seen === 0 && (isTold || notices-- > 0)) parked++;
      else if (row.state !== "done") faults.push(`${marker}: ended as ${row.state}`);
      else if (seen === 1) heard++;
      else if (states.includes("unknown")) unknown++;
      else if (seen === 0) faults.push(`${marker}: not answered, and not reported (parts: ${states.join() || "none"})`);
    }
  } finally {
    db.close();
  }
  return { kills, sent: said.length, stored, answered: heard, unknown, deadLettered: parked, violations: faults };
}
