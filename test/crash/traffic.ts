import { type ProtocolClient, type ServerEvent } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import type { LedgerEntry, MessageLedger, MessageStatus } from "./message-ledger.ts";
import type { GatewayRun } from "./gateway-run.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { BOT, PERSON, ROOM, type CrashBench } from "./crash-bench.ts";

/** No new messages while so many wait for each turn that may run: every one of them costs a turn. */
const OPEN_PER_TURN = 2;
const LEAST_OPEN = 10;

/** Kinds of messages, and how often each is sent. */
const MIX = {
  plain: 4,
  slow: 4,
  tool: 3,
  steer: 3,
  "steer-tool": 2,
  collect: 2,
  interrupt: 1,
  deliver: 4,
  http: 2,
  command: 1,
  stop: 0.7,
  "irc-direct": 2,
  "irc-room": 2,
  retry: 3,
} as const;
type Kind = keyof typeof MIX;
/** The same where each kill is to hit a tool. */
const TOOL_MIX = { tool: 6, "steer-tool": 2, plain: 1, stop: 0.5, retry: 2 } as const satisfies Partial<Record<Kind, number>>;

/** What clients and people do during one life of the gateway. Everything that is heard goes into the ledger. */
export class TrafficGenerator {
  readonly #world: CrashBench;
  readonly #ledger: MessageLedger;
  readonly #random: SeededRandom;
  readonly #life: GatewayRun;
  readonly #client: ProtocolClient;
  readonly #pending = new Set<Promise<void>>();
  readonly #stopListening: () => void;
  readonly #toolActive = Promise.withResolvers<void>();

  constructor(world: CrashBench, ledger: MessageLedger, random: SeededRandom, life: GatewayRun, client: ProtocolClient) {
    this.#world = world;
    this.#ledger = ledger;
    this.#random = random;
    this.#life = life;
    this.#client = client;
    this.#stopListening = client.on((event) => this.#onEvent(event));
    if (world.asks) this.#track(this.#agreeToWaiting());
  }

  /** Resolves when a person is asked about a tool, or when one runs. */
  get toolActive(): Promise<void> {
    return this.#toolActive.promise;
  }

  /** One of everything that leads to a marked point. */
  begin(): void {
    this.act("irc-direct");
    this.act("deliver");
    this.act("tool");
    this.act("plain");
  }

  /** Sends at random moments until `until` resolves. */
  async run(until: Promise<unknown>): Promise<void> {
    const limit = Math.max(LEAST_OPEN, OPEN_PER_TURN * this.#world.maxConcurrent);
    const state = { over: false };
    void until.then(() => (state.over = true));
    while (!state.over) {
      if (this.#ledger.open().length < limit) this.act(this.#world.asks ? this.#random.weighted(TOOL_MIX) : this.#random.weighted(MIX));
      await Promise.race([until, new Promise((resolve) => setTimeout(resolve, this.#random.int(2, 120)))]);
    }
  }

  /** Resolves when every request has been answered or its connection has ended. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.#stopListening();
  }

  act(kind: Kind): void {
    if (kind === "retry") return this.#retry();
    if (kind === "irc-direct" || kind === "irc-room") return this.#sendOnIrc(kind);
    this.send(this.#ledger.add(this.#entry(kind)));
  }

  /** A message with an unknown result is sent again with its key, and so is one that arrived. */
  #retry(): void {
    const known = [...this.#ledger.entries.values()].filter((entry) => entry.state !== "refused");
    const lost = known.filter((entry) => entry.state === "sent");
    if (known.length > 0) this.send(this.#random.pick(lost.length > 0 && this.#random.chance(0.7) ? lost : known));
  }

  #entry(kind: Exclude<Kind, "retry" | "irc-direct" | "irc-room">): LedgerEntry {
    const marker = this.#ledger.nextMarker();
    const session = this.#random.pick(this.#world.sessions);
    // Long enough to be hit, with a process that would go on by itself.
    const lasting = this.#world.asks ? "; (sleep 60 &) ; sleep 0.4" : "";
    const tool = `tool:bash:echo ${marker} | tee -a ${this.#world.toolLog}${lasting}`;
    const common = { marker, key: `key-${marker}`, session, state: "sent", outcome: null } as const;
    switch (kind) {
      case "plain":
        return { ...common, via: "chat", text: `hello ${marker}` };
      case "slow":
        return { ...common, via: "chat", text: `slow:${this.#random.int(10, 60)} one two three four ${marker}` };
      case "tool":
        return { ...common, via: "chat", text: tool };
      case "steer":
        return { ...common, via: "chat", text: `and ${marker}`, queueMode: "steer" };
      case "steer-tool":
        return { ...common, via: "chat", text: tool, queueMode: "steer" };
      case "collect":
        return { ...common, via: "chat", text: `part ${marker}`, queueMode: "collect" };
      case "interrupt":
        return { ...common, via: "chat", text: `instead ${marker}`, queueMode: "interrupt" };
      case "command":
        return { ...common, via: "chat", text: `/model ${marker}` };
      case "stop":
        return { ...common, via: "chat", text: "/stop" };
      case "deliver":
        return { ...common, via: "agent", text: `tell them ${marker}`, to: this.#random.chance(0.6) ? PERSON : ROOM };
      case "http":
        return { ...common, via: "http", session: this.#random.chance(0.5) ? session : "", text: `over http ${marker}` };
    }
  }

  #sendOnIrc(kind: "irc-direct" | "irc-room"): void {
    const marker = this.#ledger.nextMarker();
    if (kind === "irc-direct") this.#world.irc?.peer.say(BOT, `from irc ${marker}`);
    else this.#world.irc?.peer.say(ROOM, `${BOT}: from the room ${marker}`);
  }

  /** Sends a message, for the first time or again. */
  send(entry: LedgerEntry): void {
    const sending = this.#send(entry).catch((err: unknown) => this.#failed(entry, err));
    this.#pending.add(sending);
    void sending.finally(() => this.#pending.delete(sending));
  }

  #send(entry: LedgerEntry): Promise<void> {
    if (entry.via === "chat") return this.#sendChat(entry);
    return entry.via === "agent" ? this.#sendAgent(entry) : this.#sendHttp(entry);
  }

  async #sendChat(entry: LedgerEntry): Promise<void> {
    const answer = await this.#client.request<{ runId: string; status: string }>("chat.send", {
      sessionKey: entry.session,
      message: entry.text,
      idempotencyKey: entry.key,
      ...(entry.queueMode ? { queueMode: entry.queueMode } : {}),
    });
    if (answer.runId !== entry.key) this.#ledger.reportViolation(`${entry.key}: became the run ${answer.runId}`);
    const before = entry.state;
    entry.state = "acked";
    if (answer.status === "ok" || answer.status === "error" || answer.status === "aborted")
      this.#ledger.ended(entry.key, answer.status, null);
    else if (entry.outcome && before === "acked" && answer.status === "started")
      this.#ledger.reportViolation(`${entry.key}: had ended ${entry.outcome.status} and was started again`);
  }

  async #sendAgent(entry: LedgerEntry): Promise<void> {
    type Result = { runId: string; status: "ok" | "error"; summary: string; result: { payloads: { text: string }[] } };
    const irc = entry.to && this.#world.irc ? { deliver: true, channel: "irc", to: entry.to } : {};
    const params = { sessionKey: entry.session, message: entry.text, idempotencyKey: entry.key, ...irc };
    const answer = await this.#client.request<Result>("agent", params, { timeoutMs: 0, onAccepted: () => (entry.state = "acked") });
    entry.state = "acked";
    if (answer.runId !== entry.key) this.#ledger.reportViolation(`${entry.key}: became the run ${answer.runId}`);
    const status: MessageStatus = answer.status === "error" ? "error" : answer.summary === "aborted" ? "aborted" : "ok";
    this.#ledger.ended(entry.key, status, status === "ok" ? answer.result.payloads.map((part) => part.text).join("\n\n") : null);
  }

  async #sendHttp(entry: LedgerEntry): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.#world.port}/v1/chat/completions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#world.token()}`,
        "content-type": "application/json",
        "idempotency-key": entry.key,
        ...(entry.session ? { "x-openclaw-session-key": `http-${entry.session}` } : {}),
      },
      body: JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: entry.text }] }),
    });
    const body = (await response.json()) as { choices?: { message: { content: string } }[]; error?: { message: string; code: string } };
    if (response.status === 200 && body.choices) {
      entry.state = "acked";
      this.#ledger.ended(entry.key, "ok", body.choices[0]!.message.content);
    } else if (body.error?.code === "invalid_request") {
      this.#ledger.reportViolation(`${entry.key}: refused over HTTP: ${body.error.message}`);
    }
  }

  #failed(entry: LedgerEntry, err: unknown): void {
    if (this.#life.over || (err instanceof ClientError && err.kind === "closed")) return;
    if (err instanceof ClientError && err.kind === "request") {
      // A full lane is a clear refusal; of everything else the client only knows that it has to ask again.
      if (err.code !== "UNAVAILABLE") this.#ledger.reportViolation(`${entry.key}: refused: ${err.message}`);
      return;
    }
    // The other end died while it was being asked: fetch says so in many words.
    if (err instanceof TypeError || err instanceof SyntaxError) return;
    this.#ledger.reportViolation(`${entry.key}: ${String(err)}`);
  }

  /** Questions that were asked before this client heard of them. */
  async #agreeToWaiting(): Promise<void> {
    try {
      for (const { id } of await this.#client.request<{ id: string }[]>("exec.approval.list", {})) this.#agree(id);
    } catch (err) {
      if (!(err instanceof ClientError)) throw err;
    }
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  /** A client that agrees to every command, at once or a little later. */
  #agree(id: string): void {
    this.#toolActive.resolve();
    const answering = new Promise((resolve) => setTimeout(resolve, this.#random.int(0, 60)))
      .then(() => this.#client.request("approval.resolve", { id, kind: "exec", decision: "allow-once" }))
      // The gateway may be killed, or the turn stopped, before.
      .catch((err: unknown) => {
        if (!(err instanceof ClientError)) throw err;
      })
      .then(() => {});
    this.#track(answering);
  }

  #onEvent({ event, payload }: ServerEvent): void {
    if (event === "exec.approval.requested" && this.#world.asks) this.#agree((payload as { id: string }).id);
    if (event !== "chat") return;
    const { runId, state, message } = payload as { runId: string; state: string; message?: { content: { text?: string }[] } };
    const text = message?.content.map((block) => block.text ?? "").join("") ?? null;
    if (state === "final") this.#ledger.ended(runId, "ok", text);
    if (state === "error") this.#ledger.ended(runId, "error", null);
    if (state === "aborted") this.#ledger.ended(runId, "aborted", null);
  }
}
