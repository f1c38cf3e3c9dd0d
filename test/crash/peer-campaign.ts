// Two linked gateways that write to each other while each of them is killed again and again.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { freePort } from "../channel-kit/ngircd.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { MAIN, modelConfig, stateDir } from "../wire/gateway-process.ts";
import { COMPILE_CACHE, seedPiCache } from "../wire/warm-start.ts";
import { SeededRandom } from "./seeded-random.ts";

const SCOPES = ["operator.admin", "operator.read", "operator.write"];
/** For everything that waits to be answered once no one is killed any more. */
const SETTLE_MS = 180_000;
/** For a gateway to come to a marked point while letters go in both directions. */
const POINT_MS = 30_000;

export type PeerCampaignOptions = {
  /** Kills of each side. */
  kills: number;
  seed: number;
  /** Marked points of the source; a side dies at each of them once. */
  points?: readonly string[];
  /** Letters that each side writes at most; it writes as long as there are kills. */
  letters?: number;
  main?: string;
  say?: (line: string) => void;
};

export type PeerCampaignSummary = {
  kills: Record<SideName, number>;
  /** Points at which neither side died in time. */
  missed: string[];
  /** Letters that were acknowledged, by the side that wrote them. */
  letters: Record<SideName, number>;
  /** Letters that did not arrive, arrived more than once, or whose end their writer does not know. */
  lost: string[];
  doubled: string[];
  unanswered: string[];
  /** Letters that ended with an error, which their writer reads: those that were killed too often while they were answered. */
  failed: string[];
};

type SideName = "home" | "office";
const SIDES: readonly SideName[] = ["home", "office"];
const otherOf = (name: SideName): SideName => (name === "home" ? "office" : "home");

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const letterOf = (side: string, index: number): string => `letter ${side} ${index}.`;

class Side {
  readonly name: SideName;
  readonly home = mkdtempSync(join(tmpdir(), "peers-"));
  readonly #main: string;
  port = 0;
  kills = 0;
  written = 0;
  #child: ChildProcess | null = null;

  constructor(name: SideName, main: string) {
    this.name = name;
    this.#main = main;
  }

  async prepare(modelUrl: string): Promise<void> {
    this.port = await freePort();
    mkdirSync(stateDir(this.home), { recursive: true });
    seedPiCache(stateDir(this.home));
    writeFileSync(join(stateDir(this.home), "openclaw.json"), JSON.stringify(modelConfig(modelUrl)));
  }

  start(crashAt?: string): void {
    this.#child = spawn(process.execPath, [this.#main, "gateway", "--port", String(this.port), "--json"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.home,
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
        ...(crashAt && { OPENCLAW_GATEWAY_CRASH_AT: crashAt }),
      },
      stdio: "ignore",
    });
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Whether the process ends by itself within the time. */
  async diesWithin(ms: number): Promise<boolean> {
    const end = Date.now() + ms;
    while (this.#child?.signalCode === null && this.#child.exitCode === null) {
      if (Date.now() > end) return false;
      await sleep(20);
    }
    return true;
  }

  /** A client as soon as one is let in. */
  async connect(): Promise<ProtocolClient> {
    for (;;) {
      const client = await this.tryConnect();
      if (client !== null) return client;
      await sleep(20);
    }
  }

  async tryConnect(): Promise<ProtocolClient | null> {
    try {
      const token = readFileSync(join(stateDir(this.home), "gateway", "token"), "utf8").trim();
      return await openClient({ url: `ws://127.0.0.1:${this.port}`, credentials: { token: new Secret(token) }, scopes: SCOPES });
    } catch (err) {
      const isAbsent = (err as NodeJS.ErrnoException).code === "ENOENT";
      if (!isAbsent && !(err instanceof ClientError)) throw err;
      return null;
    }
  }

  async call<T>(method: string, params: unknown): Promise<T> {
    const client = await this.connect();
    try {
      return await client.request<T>(method, params);
    } finally {
      await client.close();
    }
  }

  /** Rows of a table; the gateway has ended. */
  rows<R>(sql: string): R[] {
    const db = new DatabaseSync(join(stateDir(this.home), "gateway", "gateway.db"), { readOnly: true });
    try {
      return db.prepare(sql).all() as R[];
    } finally {
      db.close();
    }
  }
}

/** Kills both gateways, and counts what became of what they wrote. */
export class PeerCampaign {
  readonly #options: PeerCampaignOptions;
  readonly #sides: Record<SideName, Side>;
  readonly #random: SeededRandom;
  readonly #missed: string[] = [];
  #isKilling = true;

  constructor(options: PeerCampaignOptions) {
    this.#options = options;
    const main = options.main ?? MAIN;
    this.#sides = { home: new Side("home", main), office: new Side("office", main) };
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<PeerCampaignSummary> {
    const model = await startModelServer();
    const { home, office } = this.#sides;
    try {
      await this.#pair(model);
      await Promise.all([this.#kill(), ...SIDES.map((name) => this.#write(this.#sides[name]))]);
      await this.#settle();
      await Promise.all(SIDES.map((name) => this.#sides[name].end("SIGTERM")));
      return this.#judge();
    } finally {
      await Promise.all([home.end("SIGKILL"), office.end("SIGKILL")]);
      await model.close();
      for (const { home: directory } of [home, office]) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  async #pair(model: ModelServer): Promise<void> {
    const { home, office } = this.#sides;
    for (const name of SIDES) {
      await this.#sides[name].prepare(model.url);
      this.#sides[name].start();
    }
    const agents = { accept: ["main"], send: ["main"] };
    await office.call("peers.add", { name: "home", ...agents });
    await home.call("peers.add", { name: "office", url: `ws://127.0.0.1:${office.port}`, ...agents });
    const { code } = await office.call<{ code: string }>("peers.pair", { name: "home" });
    await home.call("peers.pair", { name: "office", code });
  }

  /** One side after the other, at any moment of what it does. */
  async #kill(): Promise<void> {
    const { kills, say, points = [] } = this.#options;
    for (const [index, point] of points.entries()) {
      const side = this.#sides[SIDES[index % SIDES.length]!];
      await side.end("SIGKILL");
      side.start(point);
      if (await side.diesWithin(POINT_MS)) say?.(`${side.name} died at ${point}`);
      else this.#missed.push(point);
      await side.end("SIGKILL");
      side.start();
    }
    while (SIDES.some((name) => this.#sides[name].kills < kills)) {
      const left = SIDES.filter((name) => this.#sides[name].kills < kills);
      const side = this.#sides[left[Math.floor(this.#random.next() * left.length)]!];
      await sleep(100 + this.#random.next() * 900);
      await side.end("SIGKILL");
      side.kills++;
      say?.(`killed ${side.name} (${side.kills})`);
      side.start();
      // Mostly it serves before the next kill; sometimes that comes while it starts.
      if (this.#random.next() < 0.8) await (await side.connect()).close();
    }
    this.#isKilling = false;
  }

  /** Writes letters to the other side, each until it is acknowledged. */
  async #write(side: Side): Promise<void> {
    const { letters = Number.MAX_SAFE_INTEGER } = this.#options;
    while (this.#isKilling && side.written < letters) {
      const index = side.written;
      const params = {
        sessionKey: `agent:main@${otherOf(side.name)}:main`,
        message: letterOf(side.name, index),
        idempotencyKey: `${side.name}-${index}`,
      };
      while (!(await this.#send(side, params))) await sleep(50);
      side.written++;
      await sleep(50 + this.#random.next() * 150);
    }
  }

  async #send(side: Side, params: unknown): Promise<boolean> {
    const client = await side.tryConnect();
    try {
      await client?.request("chat.send", params);
      return client !== null;
    } catch (err) {
      if (err instanceof ClientError) return false;
      throw err;
    } finally {
      await client?.close();
    }
  }

  async #settle(): Promise<void> {
    const end = Date.now() + SETTLE_MS;
    while (Date.now() < end) {
      const open = await Promise.all(SIDES.map((name) => this.#openAt(this.#sides[name])));
      if (open.every((count) => count === 0)) return;
      await sleep(300);
    }
  }

  async #openAt(side: Side): Promise<number> {
    const { queue } = await side.call<{ queue: { running: number; waiting: number } }>("gateway.overview", {});
    const { links } = await side.call<{ links: { queued: number; unanswered: number }[] }>("peers.list", {});
    return links.reduce((sum, { queued, unanswered }) => sum + queued + unanswered, queue.running + queue.waiting);
  }

  #judge(): PeerCampaignSummary {
    const { home, office } = this.#sides;
    const summary: PeerCampaignSummary = {
      kills: { home: home.kills, office: office.kills },
      missed: this.#missed,
      letters: { home: home.written, office: office.written },
      lost: [],
      doubled: [],
      unanswered: [],
      failed: [],
    };
    for (const name of SIDES) {
      const arrived = this.#sides[otherOf(name)].rows<{ payload: string }>("SELECT payload FROM inbox WHERE channel = 'peer'");
      const texts = arrived.map(({ payload }) => (JSON.parse(payload) as { text: string }).text);
      const own = this.#sides[name].rows<{ run_id: string; outcome: string | null }>("SELECT run_id, outcome FROM inbox");
      const outcomes = new Map(own.map(({ run_id: runId, outcome }) => [runId, outcome]));
      for (let index = 0; index < this.#sides[name].written; index++) {
        const letter = letterOf(name, index);
        const count = texts.reduce((sum, text) => sum + text.split(letter).length - 1, 0);
        if (count === 0) summary.lost.push(letter);
        if (count > 1) summary.doubled.push(letter);
        const outcome = outcomes.get(`${name}-${index}`);
        const { status, text, error } = (outcome ? JSON.parse(outcome) : {}) as {
          status?: string;
          text?: string;
          error?: { message: string };
        };
        if (status === "error" && error) summary.failed.push(`${letter} ${error.message}`);
        else if (status !== "ok" || !text?.includes(letter)) summary.unanswered.push(letter);
      }
    }
    return summary;
  }
}
