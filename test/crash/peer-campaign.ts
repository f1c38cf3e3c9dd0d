// Two linked gateways that write to each other while each of them is killed again and again.
import { ClientError } from "../../src/client/errors.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { modelConfig } from "../wire/gateway-process.ts";
import { KillableGateway, sleep } from "./killable-gateway.ts";
import { SeededRandom } from "./seeded-random.ts";

/** For everything that waits to be answered once no one is killed any more. */
const SETTLE_MS = 180_000;
/** For a gateway to come to a marked point while letters go in both directions. */
const POINT_MS = 30_000;
/** Letters between two changes of the key of a side. */
const ROTATE_EVERY = 5;

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

const letterOf = (side: string, index: number): string => `letter ${side} ${index}.`;

class Side extends KillableGateway {
  readonly name: SideName;
  written = 0;

  constructor(name: SideName, main?: string) {
    super({ main });
    this.name = name;
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
    this.#sides = { home: new Side("home", options.main), office: new Side("office", options.main) };
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
      for (const side of [home, office]) side.remove();
    }
  }

  async #pair(model: ModelServer): Promise<void> {
    const { home, office } = this.#sides;
    for (const name of SIDES) {
      await this.#sides[name].prepare(modelConfig(model.url));
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
      while (!(await this.#send(side, "chat.send", params))) await sleep(50);
      side.written++;
      // The key of the link changes as well; that may fail, as long as the link works afterwards.
      if (side.written % ROTATE_EVERY === 0) await this.#send(side, "peers.rotate", { name: otherOf(side.name) });
      await sleep(50 + this.#random.next() * 150);
    }
  }

  async #send(side: Side, method: string, params: unknown): Promise<boolean> {
    const client = await side.tryConnect();
    try {
      await client?.request(method, params);
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
