import type { RemoteInfo } from "node:dgram";
import { networkInterfaces } from "node:os";
import type { Packet } from "dns-packet";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { reasonOf } from "../../core/errors.ts";
import type { HealthReporter } from "../../core/health.ts";
import type { Log } from "../../core/log.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { MDNS_PORT, MulticastGroup, localNetworks, networkLinks, type NetworkLink } from "./multicast.ts";
import {
  answersTo,
  conflictsIn,
  encodeAnnouncement,
  encodeLegacyAnswer,
  encodeProbe,
  parsePacket,
  recordsOf,
  type ServiceRecords,
} from "./packets.ts";
import { hostLabel, instanceName, txtOf, type DiscoveryMode, type ServiceFacts } from "./service.ts";

export type AdvertiserOptions = {
  mode: DiscoveryMode;
  facts: () => ServiceFacts;
  clock: Clock;
  random: () => number;
  log: Log;
  health: HealthReporter;
};

const PART = "discovery";
type TimerName = "step" | "answer" | "check";

/**
 * Announces the gateway with multicast DNS on every interface: probes for its names, takes others when someone has them, answers, and says
 * goodbye. A failure of the network is reported as the state of this part, and tried again when the interfaces are looked at.
 */
export class Advertiser {
  readonly #options: AdvertiserOptions;
  readonly #group: MulticastGroup;
  #phase: "probing" | "announced" | "stopped" = "probing";
  #attempt = { instance: 1, host: 1 };
  #renames = 0;
  #ownAddresses: ReadonlySet<string> = new Set();
  #isNear = localNetworks();
  #links = "";
  #nextLog = 0;
  #lastAnswer = Number.NEGATIVE_INFINITY;
  #failure: string | null = null;
  #hasAnswerPending = false;
  /** The next step of probing or announcing, the next answer and the next look at the interfaces. */
  readonly #timers: Record<TimerName, () => void> = { step: () => {}, answer: () => {}, check: () => {} };

  constructor(options: AdvertiserOptions) {
    this.#options = options;
    this.#group = new MulticastGroup(MDNS_PORT, {
      onMessage: contain(
        (err) => this.#report(err),
        (packet, from) => this.#onMessage(packet, from),
      ),
      onError: (link, err) => this.#report(new Error(`${link.name} (${link.address}): ${err.message}`)),
    });
  }

  async start(): Promise<void> {
    this.#options.health.report(PART, "starting", "probing for the name");
    await this.#followInterfaces();
  }

  /** What is announced has changed, e.g. the certificate. */
  update(): void {
    if (this.#phase === "announced") this.#announce(1);
  }

  async stop(): Promise<void> {
    const wasAnnounced = this.#phase === "announced";
    this.#phase = "stopped";
    for (const cancel of Object.values(this.#timers)) cancel();
    if (wasAnnounced) this.#group.send(({ addresses }) => encodeAnnouncement(recordsOf(this.#records(), addresses, 0)));
    await this.#group.close();
    this.#options.health.forget(PART);
  }

  #records(): ServiceRecords {
    const facts = this.#options.facts();
    const label = hostLabel(facts.hostLabel, this.#attempt.host);
    return {
      instance: `${instanceName(facts.displayName, this.#attempt.instance).replaceAll(".", " ")}._openclaw-gw._tcp.local`,
      host: `${label}.local`,
      port: facts.port,
      txt: txtOf({ ...facts, hostLabel: label }, this.#options.mode),
    };
  }

  #after(timer: TimerName, delayMs: number, work: () => unknown): void {
    this.#timers[timer]();
    const run = contain(
      (err) => this.#report(err),
      () => (this.#phase === "stopped" ? undefined : work()),
    );
    this.#timers[timer] = this.#options.clock.after(delayMs, run);
  }

  /** Joins the interfaces that there are now; when they are others, the names are probed for again. */
  async #followInterfaces(): Promise<void> {
    const links = networkLinks();
    const key = JSON.stringify(links);
    if (key !== this.#links || this.#group.links.length < links.length) {
      await this.#group.use(links);
      if (this.#phase === "stopped") return this.#group.close();
      this.#isNear = localNetworks();
      this.#ownAddresses = new Set(Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address)));
      if (key !== this.#links && this.#group.links.length > 0) this.#probe(REMOTE_LIMITS.mdnsProbes);
      this.#links = key;
    }
    this.#reportState(links);
    this.#after("check", REMOTE_LIMITS.mdnsInterfaceCheckMs, () => this.#followInterfaces());
  }

  #reportState(links: readonly NetworkLink[]): void {
    const { health } = this.#options;
    const isOn = this.#group.links.length > 0;
    if (!isOn) {
      const cause = this.#failure ?? (links.length === 0 ? "a network interface was not found" : "no interface can be used");
      health.report(
        PART,
        "degraded",
        `the gateway is not announced: ${cause}. It is tried again every ${REMOTE_LIMITS.mdnsInterfaceCheckMs / 1_000} s`,
      );
    } else if (this.#phase === "announced") health.report(PART, "ready");
    this.#failure = null;
  }

  #probe(left: number): void {
    this.#phase = "probing";
    if (left === 0) {
      this.#phase = "announced";
      const { instance } = this.#records();
      this.#options.log.info("announced on the local network", { instance, interfaces: this.#group.links.map(({ name }) => name) });
      this.#options.health.report(PART, "ready");
      return this.#announce(REMOTE_LIMITS.mdnsAnnouncements);
    }
    const delay = left === REMOTE_LIMITS.mdnsProbes ? this.#options.random() * REMOTE_LIMITS.mdnsProbeMs : 0;
    this.#after("step", delay, () => {
      const records = this.#records();
      this.#group.send(() => encodeProbe(records));
      this.#after("step", REMOTE_LIMITS.mdnsProbeMs, () => this.#probe(left - 1));
    });
  }

  #announce(left: number): void {
    const records = this.#records();
    this.#group.send(({ addresses }) => encodeAnnouncement(recordsOf(records, addresses)));
    if (left > 1) this.#after("step", REMOTE_LIMITS.mdnsAnnounceMs, () => this.#announce(left - 1));
    else this.#renames = 0;
  }

  #onMessage(bytes: Buffer, from: RemoteInfo): void {
    // Port 5353 also gets packets from far away (RFC 6762, section 11): one could have answers sent elsewhere, or take the name.
    if (!this.#isNear(from.address)) return;
    const packet = parsePacket(bytes);
    if (packet === null || this.#phase === "stopped") return;
    if (packet.type === "response") return this.#onResponse(packet, from);
    if (this.#phase === "announced") this.#onQuery(packet, from);
  }

  /** Names are left to another machine that has them already; a responder only speaks from port 5353. */
  #onResponse(packet: Packet, from: RemoteInfo): void {
    if (from.port !== MDNS_PORT) return;
    const { instance, host } = conflictsIn(packet, this.#records(), this.#ownAddresses);
    if (!instance && !host) return;
    this.#attempt = { instance: this.#attempt.instance + (instance ? 1 : 0), host: this.#attempt.host + (host ? 1 : 0) };
    this.#logOnceAMinute("another machine has the name; taking another one", {
      instance: this.#records().instance,
      host: this.#records().host,
    });
    this.#phase = "probing";
    const mustWait = ++this.#renames >= REMOTE_LIMITS.mdnsRenames;
    if (mustWait) this.#options.health.report(PART, "degraded", "other machines keep taking the name of this gateway");
    this.#after("step", mustWait ? REMOTE_LIMITS.mdnsRenamePauseMs : 0, () => this.#probe(REMOTE_LIMITS.mdnsProbes));
  }

  #onQuery(query: Packet, from: RemoteInfo): void {
    const all = recordsOf(
      this.#records(),
      [...this.#ownAddresses].filter((address) => !isLoopback(address)),
    );
    const answers = answersTo(query, all);
    if (answers === null) return;
    if (from.port !== MDNS_PORT) return this.#group.sendTo(encodeLegacyAnswer(query, answers), from);
    // Someone probes for our name: it is taken from us unless we answer at once.
    if ((query.authorities ?? []).length > 0) return this.#answer();
    if (this.#hasAnswerPending) return;
    this.#hasAnswerPending = true;
    const pause = this.#lastAnswer + REMOTE_LIMITS.mdnsAnswerPauseMs - this.#options.clock.monotonic();
    this.#after("answer", Math.max(pause, REMOTE_LIMITS.mdnsAnswerDelayMs), () => this.#answer());
  }

  #answer(): void {
    this.#hasAnswerPending = false;
    this.#lastAnswer = this.#options.clock.monotonic();
    const records = this.#records();
    this.#group.send(({ addresses }) => encodeAnnouncement(recordsOf(records, addresses)));
  }

  #report(err: unknown): void {
    this.#failure = reasonOf(err);
    this.#logOnceAMinute("multicast DNS failed on an interface", { cause: this.#failure });
  }

  #logOnceAMinute(message: string, fields: Record<string, unknown>): void {
    const now = this.#options.clock.monotonic();
    if (now < this.#nextLog) return;
    this.#nextLog = now + REMOTE_LIMITS.mdnsLogMs;
    this.#options.log.warn(message, fields);
  }
}

const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.");
