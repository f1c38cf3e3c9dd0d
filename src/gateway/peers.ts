import { randomUUID } from "node:crypto";
import type { AgentEvent, AgentRuntime, Turn } from "../agents/runtime.ts";
import type { PeerGate } from "../auth/peer-gate.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import type { LinkRows, PeerOutcome, StoredEnvelope } from "../peers/context.ts";
import type { LinkReport, PeerService, PeerServiceDeps } from "../peers/peer-service.ts";
import { DISCONNECTS } from "../protocol/disconnects.ts";
import type { Hub, Peer } from "../protocol/hub.ts";
import { createPeerRows } from "../store/peers.ts";
import type { Payload } from "../turns/submission.ts";
import type { GatewayBase } from "./base.ts";
import type { Messaging } from "./messaging.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type GatewayPeersInput = GatewayBase & Pick<Storage, "store" | "inbox"> & { running: RunningConfig; hub: Hub };

/** The links to other gateways, which are loaded with the first one that is configured. Built before the turns, which `bind` adds. */
export class GatewayPeers implements PeerGate {
  readonly rows: LinkRows;
  readonly #input: GatewayPeersInput;
  #messaging: Messaging | null = null;
  #loading: Promise<PeerService> | null = null;
  #service: PeerService | null = null;
  #isStarted = false;
  #isStopped = false;

  constructor(input: GatewayPeersInput) {
    this.#input = input;
    this.rows = createPeerRows<StoredEnvelope, PeerOutcome>(input.store);
  }

  bind(messaging: Messaging): void {
    this.#messaging = messaging;
  }

  get(): Promise<PeerService> {
    const messaging = this.#messaging;
    if (messaging === null || this.#isStopped) throw new GatewayError("UNAVAILABLE", "the gateway is starting or stopping");
    this.#loading ??= this.#load(messaging);
    return this.#loading;
  }

  /** Whether there is a link, or something that one has left. */
  isInUse = (): boolean => this.#service !== null || this.#names().length > 0 || this.rows.hasOpen();

  /** The links as they are now; loads nothing without one. */
  async reports(): Promise<readonly LinkReport[]> {
    return this.isInUse() && !this.#isStopped ? (await this.get()).reports() : [];
  }

  /** Takes up what an earlier process left, and connects; loads nothing without a link. */
  async start(): Promise<void> {
    this.#isStarted = true;
    if (this.isInUse()) await (await this.get()).start();
  }

  /** The configuration has changed. */
  configure(): void {
    if (!this.#isStarted || this.#isStopped) return;
    if (this.#service !== null) return this.#service.configure();
    if (this.#names().length === 0) return;
    this.start().catch((err: unknown) => this.#input.log.error("the links to other gateways did not start", { error: err }));
  }

  /** Before the turns end: what they wait for stays open for the next start. */
  stop(): void {
    this.#isStopped = true;
    this.#service?.stop();
  }

  async admit(claim: Parameters<PeerGate["admit"]>[0]): ReturnType<PeerGate["admit"]> {
    if (this.#names().length === 0 || this.#isStopped) return { refused: { kind: "unknown", fingerprint: "" } };
    return await (await this.get()).admit(claim);
  }

  isLinked(name: string, keyId: string): boolean {
    return this.#service?.isLinked(name, keyId) === true;
  }

  connected({ role, conn, device }: Peer): void {
    const { hub } = this.#input;
    if (role !== "peer" || device === null) return;
    const end = (): void => void hub.close((each) => each.conn === conn, DISCONNECTS.credentialRevoked);
    this.#service?.connected(conn, device, (event, payload) => hub.send(asId(conn), event, payload), end);
  }

  disconnected({ role, conn }: Peer): void {
    if (role === "peer") this.#service?.disconnected(conn);
  }

  /** The runtime of all agents: those of other gateways are asked over their links. */
  withRemoteAgents(runtime: AgentRuntime): AgentRuntime {
    return {
      start: () => runtime.start(),
      prompt: (turn, signal) => (parseRemoteAgent(turn.agentId) ? this.#prompt(turn, signal) : runtime.prompt(turn, signal)),
      steer: (sessionKey, message) => runtime.steer(sessionKey, message),
      compact: async (turn, instructions) => {
        if (!parseRemoteAgent(turn.agentId)) return await runtime.compact(turn, instructions);
        throw new GatewayError("INVALID_REQUEST", `the context of a conversation with ${turn.agentId} is kept by the other gateway`);
      },
      forget: async (agentId, sessionId) => {
        if (!parseRemoteAgent(agentId)) await runtime.forget(agentId, sessionId);
      },
      status: () => runtime.status(),
      stop: () => runtime.stop(),
    };
  }

  async *#prompt(turn: Turn, signal: AbortSignal): AsyncIterable<AgentEvent> {
    try {
      const [service, { runRemoteTurn }] = await Promise.all([this.get(), import("../peers/remote-turn.ts")]);
      yield* runRemoteTurn(service, turn, signal);
    } catch (err) {
      this.#input.log.error("a message for another gateway failed here", { runId: turn.runId, error: err });
      const error = { kind: "crashed" as const, message: "The gateway failed while it asked the other one; its log says why." };
      yield { type: "end", reason: "error", checkpoint: null, error };
    }
  }

  #names(): readonly string[] {
    return Object.keys(this.#input.running.config.peers);
  }

  async #load(messaging: Messaging): Promise<PeerService> {
    const [{ PeerService: Service }, { openPeerKey, keyFilesIn }] = await Promise.all([
      import("../peers/peer-service.ts"),
      import("../peers/keys.ts"),
    ]);
    const service = new Service({
      ...this.#deps(messaging),
      identity: openPeerKey(this.#input.paths.gateway),
      keyFiles: keyFilesIn(this.#input.paths.gateway),
    });
    this.#service = service;
    this.#input.bus.on("turn.ended", ({ runId }) => service.onTurnEnded(runId));
    this.#sampleLinks(service);
    return service;
  }

  #sampleLinks(service: PeerService): void {
    const { metrics } = this.#input;
    const rows = (value: (link: ReturnType<PeerService["reports"]>[number]) => number) => () =>
      service.reports().map((link) => ({ labels: { peer: link.name }, value: value(link) }));
    metrics.sample(
      "gateway_peers_link_up",
      rows(({ state }) => (state === "up" ? 1 : 0)),
    );
    metrics.sample(
      "gateway_peers_queued",
      rows(({ queued }) => queued),
    );
    metrics.sample(
      "gateway_peers_unanswered",
      rows(({ unanswered }) => unanswered),
    );
  }

  #deps(messaging: Messaging): Omit<PeerServiceDeps, "identity" | "keyFiles"> {
    const { running, log, bus, inbox, health } = this.#input;
    return {
      ...this.#input,
      rows: this.rows,
      log: log.child({ subsystem: "peers" }),
      names: () => this.#names(),
      settings: (name) => {
        const link = Object.hasOwn(running.config.peers, name) ? running.config.peers[name] : undefined;
        return link?.enabled === true ? link : null;
      },
      agentIds: () => running.agents.ids(),
      toolsOf: (agentId) => running.agents.channelTools(agentId, null),
      runOf: (runId) => inbox.byRun(runId),
      defaultAgent: () => running.agents.defaultAgent(),
      isA2aServed: () => running.config.gateway.http.endpoints.a2a.enabled,
      prepare: (submission) => messaging.turns.admission.prepare(submission),
      channelOf: (runId) => {
        const payload = inbox.byRun<Payload>(runId)?.payload;
        return payload?.target?.channel ?? payload?.provenance.channel ?? "unknown";
      },
      onRevoked: (name) => bus.emit("credential.revoked", { credential: `peer:${name}` }),
      onState: (name, state) => {
        const part = `link:${name}`;
        if (state === null) health.forget(part);
        else health.report(part, state.isUp ? "ready" : "degraded", state.cause ?? undefined);
      },
      newId: randomUUID,
      random: Math.random,
    };
  }
}
