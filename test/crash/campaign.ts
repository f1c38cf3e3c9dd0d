import { cpSync } from "node:fs";
import { checkFinalState, checkHistory, type FinalState } from "./invariants.ts";
import { MessageLedger } from "./message-ledger.ts";
import { GatewayRun } from "./gateway-run.ts";
import { SeededRandom } from "./seeded-random.ts";
import { TrafficGenerator } from "./traffic.ts";
import type { ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { CrashBench } from "./crash-bench.ts";
import { describeUnanswered } from "./unanswered.ts";

/** How long the end of a process may be seen after the end of its sockets. */
const EXIT_SEEN_MS = 5_000;

export type CampaignOptions = {
  seed: number;
  /** Random kills; the marked ones come on top. */
  kills: number;
  /** Share of the random kills that hit the agent host and not the gateway. */
  hosts?: number;
  /** All kills are of the gateway while a tool runs, or while a person is asked about one. */
  duringTools?: boolean;
  /** Points to die at, each once. */
  points: readonly string[];
  /** No further life is begun after so long. */
  limitMs?: number;
  /** Entry file of the gateway; its sources by default. */
  main?: string;
  /** A home at whose end something is wrong is copied here. */
  keepDir?: string;
  say?: (line: string) => void;
};

export type Summary = {
  seed: number;
  kills: number;
  /** Those of them that hit an agent host. */
  hostKills: number;
  /** Points at which the process died. */
  points: string[];
  missed: string[];
  acked: number;
  retried: number;
  runs: Record<string, number>;
  parts: Record<string, number>;
  toolRuns: number;
  /** Milliseconds from the start of a life to the end of each run that an earlier one had left open, sorted. */
  resumeMs: number[];
  /** Milliseconds from the kill of an agent host to the end of each run that it hit, sorted. */
  hostWaitMs: number[];
  faults: string[];
};

/** Lives on one home; then everything is let come to an end and compared. */
const LIVES_PER_HOME = 20;
/** A marked point that has not been reached by then is not on the way of the traffic. */
const POINT_MS = 30_000;
/** How long the last life of a home may take to end what all the others left. */
const DRAIN_MS = 60_000;
/** The gateway is left alone for so long at the start of a life without a client. */
const ALONE_MS = 2_500;
/** Turns that may run at once, chosen for each home. */
const CONCURRENT = [2, 4, 8, 16] as const;
/** Kills of the agent host in one life. More of them would only test that a host which keeps failing is not started. */
const HOST_KILLS = 3;
/** A life in which no host has started by then has no turns. */
const HOST_MS = 10_000;

/** How long after the question about a tool, or after its start, the gateway may be killed. */
const TOOL_MS = 600;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Plan =
  | { at: "start"; afterMs: number }
  | { at: "traffic"; afterMs: number }
  | { at: "warm"; afterMs: number }
  | { at: "tool"; afterMs: number }
  | { at: "host"; afterMs: readonly number[]; finishes: boolean }
  | { at: "point"; point: string; nth: number };

/** Kills the gateway again and again while it is used, and looks after what it has promised. */
export class CrashCampaign {
  readonly #options: CampaignOptions;
  readonly #random: SeededRandom;
  readonly #ledger = new MessageLedger();
  readonly #summary: Summary;
  readonly #report: (line: string) => void;
  #world!: CrashBench;
  #starts: number[] = [];
  #hostKills: number[] = [];

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#report = options.say ?? (() => {});
    this.#summary = {
      seed: options.seed,
      kills: 0,
      hostKills: 0,
      points: [],
      missed: [],
      acked: 0,
      retried: 0,
      runs: {},
      parts: {},
      toolRuns: 0,
      resumeMs: [],
      hostWaitMs: [],
      faults: this.#ledger.violations,
    };
  }

  async run(): Promise<Summary> {
    this.#world = await CrashBench.open({ asks: this.#options.duringTools === true });
    if (this.#options.hosts) this.#world.reset(this.#random.pick(CONCURRENT));
    const deadline = Date.now() + (this.#options.limitMs ?? Number.MAX_SAFE_INTEGER);
    try {
      let onThisHome = 0;
      for (const plan of this.#plans()) {
        if (Date.now() > deadline) break;
        await this.#runOnce(plan);
        if (++onThisHome < LIVES_PER_HOME) continue;
        await this.#close();
        onThisHome = 0;
      }
      if (onThisHome > 0) await this.#close();
    } catch (err) {
      this.#keepHome();
      throw err;
    } finally {
      await this.#world.close();
    }
    this.#summary.resumeMs.sort((a, b) => a - b);
    this.#summary.hostWaitMs.sort((a, b) => a - b);
    return this.#summary;
  }

  *#plans(): Generator<Plan> {
    for (const point of this.#options.points) {
      const often = point.endsWith("-commit") ? 20 : 2;
      yield { at: "point", point, nth: this.#random.int(1, often) };
    }
    for (let kill = 0; kill < this.#options.kills; kill++) {
      if (this.#options.duringTools) {
        yield { at: "tool", afterMs: this.#random.int(0, TOOL_MS) };
        continue;
      }
      if (this.#random.chance(this.#options.hosts ?? 0)) {
        const afterMs = Array.from({ length: this.#random.int(1, HOST_KILLS) }, () => this.#random.int(0, 900));
        kill += afterMs.length - 1;
        yield { at: "host", afterMs, finishes: this.#random.chance(0.7) };
        continue;
      }
      const at = this.#random.weighted({ start: 3, traffic: 4, warm: 3 });
      const most = { start: 700, traffic: 1_200, warm: 500 }[at];
      yield { at, afterMs: this.#random.int(0, most) };
    }
  }

  async #runOnce(plan: Plan): Promise<void> {
    const { main } = this.#options;
    const faults = this.#ledger.violations.length;
    const life = new GatewayRun(this.#world, {
      ...(plan.at === "point" ? { crashAt: `${plan.point}:${plan.nth}` } : {}),
      ...(main ? { main } : {}),
    });
    this.#starts.push(life.startedAt);
    try {
      if (plan.at === "start") await Promise.race([sleep(plan.afterMs), life.ended]);
      else await this.#use(life, plan);
      if (life.over && !life.signal)
        this.#ledger.reportViolation(`the gateway ended by itself (${life.exitCode}):\n${life.output.slice(-2_000)}`);
    } finally {
      const orphans = await life.end("SIGKILL");
      if (orphans.length > 0)
        this.#ledger.reportViolation(`${orphans.length} children outlived the gateway by more than a second: ${orphans.join("; ")}`);
    }
    if (plan.at !== "host") this.#summary.kills++;
    for (const fault of this.#ledger.violations.slice(faults))
      this.#report(`  life ${this.#summary.kills} (${JSON.stringify(plan)}): ${fault}`);
    if (this.#summary.kills % 10 === 0 || plan.at === "host")
      this.#report(`${this.#summary.kills} kills, ${this.#ledger.violations.length} faults`);
  }

  async #use(life: GatewayRun, plan: Exclude<Plan, { at: "start" }>): Promise<void> {
    const client = await this.#firstClient(life);
    if (client) {
      const traffic = new TrafficGenerator(this.#world, this.#ledger, this.#random, life, client);
      // With what earlier lives left out of the way, the kill hits fresh turns on a warm agent.
      if (plan.at === "warm") await this.#untilIdle(client, life, 10_000);
      if (plan.at !== "tool") traffic.begin();
      if (plan.at === "tool") await traffic.run(Promise.race([life.ended, this.#duringTool(traffic, plan.afterMs)]));
      else if (plan.at === "host") await this.#killHosts(life, client, traffic, plan);
      else await traffic.run(Promise.race([life.ended, sleep(plan.at === "point" ? POINT_MS : plan.afterMs)]));
      const alive = !life.over;
      // The requests that wait are answered or cut off by the kill; nothing is left to be answered after it.
      if (alive) void life.end("SIGKILL");
      await life.ended;
      await traffic.settle();
      if (plan.at === "point") this.#summary[alive ? "missed" : "points"].push(plan.point);
    } else if (plan.at === "point") this.#summary.points.push(plan.point);
  }

  async #duringTool(traffic: TrafficGenerator, afterMs: number): Promise<void> {
    await Promise.race([traffic.toolActive, sleep(HOST_MS)]);
    await sleep(afterMs);
  }

  /** Kills the agent host under the traffic, then lets the turns end or leaves them to the end of the gateway. */
  async #killHosts(
    life: GatewayRun,
    client: ProtocolClient,
    traffic: TrafficGenerator,
    plan: Extract<Plan, { at: "host" }>,
  ): Promise<void> {
    for (const ms of plan.afterMs) await traffic.run(Promise.race([life.ended, this.#killHost(life, ms)]));
    await traffic.run(sleep(200));
    if (plan.finishes && !(await this.#untilIdle(client, life, DRAIN_MS)) && !life.over)
      this.#ledger.reportViolation(`turns were left ${DRAIN_MS} ms after the agent host was killed`);
  }

  async #killHost(life: GatewayRun, afterMs: number): Promise<void> {
    await sleep(afterMs);
    const end = Date.now() + HOST_MS;
    while (!life.over && Date.now() < end) {
      const [host] = life.hosts();
      if (host !== undefined) {
        this.#hostKills.push(Date.now());
        process.kill(host, "SIGKILL");
        this.#summary.hostKills++;
        this.#summary.kills++;
        return;
      }
      await sleep(5);
    }
  }

  async #firstClient(life: GatewayRun): Promise<ProtocolClient | null> {
    const client = await life.connect();
    if (!client) return null;
    try {
      await checkHistory(client, this.#ledger);
    } catch (err) {
      // The socket may tell of the kill before the process does.
      if (err instanceof ClientError && err.kind === "closed") await Promise.race([life.ended, sleep(EXIT_SEEN_MS)]);
      if (!life.over) throw err;
    }
    return life.over ? null : client;
  }

  async #explained(err: unknown, life: GatewayRun, client: ProtocolClient): Promise<unknown> {
    if (!(err instanceof ClientError) || err.kind !== "timeout") return err;
    return new Error(`${err.message}\n${await describeUnanswered(life, client)}`, { cause: err });
  }

  /** Resolves when nothing runs and nothing waits, or after `limitMs`, or with the end of the life. */
  async #untilIdle(client: ProtocolClient, life: GatewayRun, limitMs: number): Promise<boolean> {
    const end = Date.now() + limitMs;
    // Between waiting and running a message is in neither list for a moment.
    for (let idle = 0; !life.over && Date.now() < end;) {
      try {
        const { sessions } = await client.request<{ sessions: { hasActiveRun: boolean; queuedInputs: number }[] }>("sessions.list", {
          limit: 1_000,
        });
        idle = sessions.every((row) => !row.hasActiveRun && row.queuedInputs === 0) ? idle + 1 : 0;
        if (idle > 3) return true;
      } catch (err) {
        if (!life.over) throw await this.#explained(err, life, client);
      }
      await sleep(25);
    }
    return false;
  }

  /** The last run on a home: first no client connects, then lost answers are requested again, then everything ends and is compared. */
  async #close(): Promise<void> {
    const faults = this.#ledger.violations.length;
    const { main } = this.#options;
    const life = new GatewayRun(this.#world, main ? { main } : {});
    this.#starts.push(life.startedAt);
    const reported = new Set<string>();
    try {
      await life.serving;
      await sleep(ALONE_MS);
      const client = await this.#firstClient(life);
      if (!client) throw new Error(`the gateway ended by itself:\n${life.output.slice(-2_000)}`);
      await this.#finish(life, client, reported);
    } finally {
      const began = Date.now();
      await life.end("SIGTERM");
      if (Date.now() - began > 5_000) this.#ledger.reportViolation(`SIGTERM took ${Date.now() - began} ms`);
    }
    this.#add(checkFinalState(this.#world, this.#ledger, this.#starts, reported, this.#hostKills));
    for (const fault of this.#ledger.violations.slice(faults)) this.#report(`  at the end of a home: ${fault}`);
    if (this.#ledger.violations.length > faults) this.#keepHome();
    this.#summary.acked += this.#ledger.all("acked").length;
    this.#ledger.clear();
    this.#starts = [];
    this.#hostKills = [];
    this.#world.reset(this.#options.hosts ? this.#random.pick(CONCURRENT) : undefined);
  }

  #keepHome(): void {
    if (this.#options.keepDir) cpSync(this.#world.home, this.#options.keepDir, { recursive: true });
  }

  async #finish(life: GatewayRun, client: ProtocolClient, reported: Set<string>): Promise<void> {
    const traffic = new TrafficGenerator(this.#world, this.#ledger, this.#random, life, client);
    const lost = this.#ledger.all("sent");
    this.#summary.retried += lost.length;
    for (const entry of lost) traffic.send(entry);
    // What is sent again may be admitted after everything else has ended.
    for (const wait of [() => traffic.settle(), () => Promise.resolve()]) {
      if (!(await this.#untilIdle(client, life, DRAIN_MS))) this.#ledger.reportViolation(`work was left after ${DRAIN_MS} ms`);
      await wait();
    }
    // Deliveries come after the ends of their runs.
    for (let seen = -1; seen !== (this.#world.irc?.peer.lines.length ?? 0); await sleep(300))
      seen = this.#world.irc?.peer.lines.length ?? 0;
    const { items } = await client.request<{ items: { id: string }[] }>("deadletters.list");
    for (const item of items) reported.add(item.id);
    await client.close();
  }

  #add(closing: FinalState): void {
    add(this.#summary.runs, closing.runs);
    add(this.#summary.parts, closing.parts);
    this.#summary.toolRuns += closing.toolRuns;
    this.#summary.resumeMs.push(...closing.resumeMs);
    this.#summary.hostWaitMs.push(...closing.hostWaitMs);
  }
}

function add(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}
