import { assertValidFrame } from "../protocol-oracle.ts";
import { SeededRandom } from "../crash/seeded-random.ts";
import { connectParams, generateFirstMessage, LARGE_ATTACHMENT, generateMessage, type Message } from "./frames.ts";
import { exchange, nextAttack } from "./http.ts";
import { RawSocket, toBytes, type ReceivedFrame } from "./raw-socket.ts";
import { FuzzTarget } from "./target.ts";
import { generateViolation } from "./protocol-violations.ts";

export type FuzzOptions = { seed: number; limitMs: number; main?: string; say?: (line: string) => void };
export type FuzzSummary = {
  seed: number;
  messages: number;
  handshakes: number;
  violations: number;
  requests: number;
  faults: string[];
  /** The longest turns of the loop, milliseconds of CPU, that came again when the same was sent again. */
  stalls: { what: string; ms: number }[];
  /** The longest turn of the event loop, for any cause. */
  longestMs: number;
  residentMib: { before: number; most: number };
};

/** A frame is answered within this, or its connection ends. Generous: the machine may be busy. */
const ANSWER_MS = 30_000;
/** A turn of the loop beyond this is held against what was sent just before it. */
const STALL_MS = 50;
/** Methods that are meant to take their time. */
const SLOW =
  /"method":"(agent|agent\.wait|send|message\.action|sessions\.compact|channels\.start|channels\.stop|models\.list|(exec|plugin)\.approval\.request)"/;
const MESSAGES_PER_CONNECTION = 60;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
type Frame = { type?: string; id?: string; ok?: boolean; error?: { code?: string; message?: string } };

/** Throws everything at one gateway and watches that it answers, stays quick and stays alive. */
export class FuzzCampaign {
  readonly #options: FuzzOptions;
  readonly #random: SeededRandom;
  readonly #summary: FuzzSummary;
  #target!: FuzzTarget;
  #count = 0;
  #stallsSeen = 0;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#summary = {
      seed: options.seed,
      messages: 0,
      handshakes: 0,
      violations: 0,
      requests: 0,
      faults: [],
      stalls: [],
      longestMs: 0,
      residentMib: { before: 0, most: 0 },
    };
  }

  async run(): Promise<FuzzSummary> {
    this.#target = await FuzzTarget.start(this.#options.main);
    try {
      await this.#warmUp();
      const end = Date.now() + this.#options.limitMs;
      let said = Date.now();
      while (Date.now() < end && !this.#target.over) {
        await this.#round();
        this.#measure();
        if (Date.now() - said < 30_000) continue;
        said = Date.now();
        const { messages, handshakes, violations, requests, faults } = this.#summary;
        this.#options.say?.(
          `${messages} messages, ${handshakes} handshakes, ${violations} violations, ${requests} requests, ${faults.length} faults`,
        );
      }
      if (this.#target.over) this.#fault("the gateway", `it ended:\n${this.#target.output.slice(-3_000)}`);
      else await this.#checkGoodClient();
    } finally {
      await this.#target.stop();
    }
    return this.#summary;
  }

  async #round(): Promise<void> {
    switch (this.#random.weighted({ connection: 3, handshake: 3, violation: 3, http: 6 })) {
      case "connection":
        return this.#connection();
      case "handshake":
        return this.#handshake();
      case "violation":
        return this.#violation();
      case "http":
        return this.#http();
    }
  }

  #fault(what: string, problem: string): void {
    if (this.#summary.faults.length < 200) this.#summary.faults.push(`${what}: ${problem}`);
    this.#options.say?.(`FAULT ${what}: ${problem}`);
  }

  /** What is slow once, because it is compiled, is not what is looked for. */
  async #warmUp(): Promise<void> {
    for (let times = 0; times < 3; times++) {
      const socket = await this.#connected();
      if (!socket) continue;
      const random = new SeededRandom(times);
      for (let n = 0; n < 40; n++) {
        socket.text(generateMessage(`warm-${times}-${n}`, random, 0.2).bytes);
        await sleep(2);
      }
      socket.drop();
    }
    await sleep(200);
    this.#summary.residentMib.before = this.#target.residentMib();
    this.#stallsSeen = this.#target.stalls.length;
  }

  #measure(): void {
    const { residentMib } = this.#summary;
    residentMib.most = Math.max(residentMib.most, this.#target.residentMib());
    for (const { ms } of this.#target.stalls.slice(this.#stallsSeen)) this.#summary.longestMs = Math.max(this.#summary.longestMs, ms);
    this.#stallsSeen = this.#target.stalls.length;
  }

  async #connected(): Promise<RawSocket | null> {
    const socket = await RawSocket.open(this.#target.port);
    if (socket.ended || !(await socket.until(() => socket.received.length > 0, ANSWER_MS))) {
      if (!this.#target.over) this.#fault("a good client", `was not let in: ${socket.head.split("\r\n")[0]}`);
      return null;
    }
    socket.text(JSON.stringify({ type: "req", id: "hello", method: "connect", params: connectParams(this.#target.token()) }));
    const greeted = (): boolean => socket.received.some((each) => "text" in each && each.text.includes('"hello-ok"'));
    await socket.until(() => greeted() || socket.ended, ANSWER_MS);
    if (greeted()) return socket;
    if (!this.#target.over)
      this.#fault("a good client", `was refused: ${JSON.stringify(socket.ending)} ${JSON.stringify(socket.received).slice(0, 500)}`);
    socket.drop();
    return null;
  }

  /** A client that is connected, and then sends one odd message after the other. */
  async #connection(): Promise<void> {
    const socket = await this.#connected();
    if (!socket) return;
    for (let n = 0; n < MESSAGES_PER_CONNECTION && !socket.ended; n++) {
      const message = generateMessage(`m${++this.#count}`, this.#random, 0.08);
      await this.#sendAndWatch(socket, message);
    }
    socket.drop();
  }

  async #sendAndWatch(socket: RawSocket, message: Message): Promise<void> {
    this.#summary.messages++;
    const from = socket.received.length;
    const stalls = this.#target.stalls.length;
    socket.text(message.bytes);
    if (SLOW.test(message.bytes.toString("latin1", 0, 4_096))) return this.#checkHeard(socket, from, message.what);
    const answered = await socket.until(() => socket.ended || answerIn(socket.received.slice(from), message.bytes), ANSWER_MS);
    this.#checkHeard(socket, from, message.what);
    if (!answered && !this.#target.over) this.#fault(message.what, `no answer and no end: ${preview(message.bytes)}`);
    if (socket.ended) this.#checkEnding(socket, message.what);
    await this.#checkStall(message, stalls);
  }

  /** A long turn of the loop is held against a message only when it comes again each time the message does. */
  async #checkStall(message: Message, from: number): Promise<void> {
    const longest = (since: number): number => Math.max(0, ...this.#target.stalls.slice(since).map((stall) => stall.ms));
    await sleep(message.bytes.length > 100_000 ? 15 : 0);
    const allowedMs = allowanceMs(message);
    let ms = longest(from);
    for (let again = 0; again < 4 && ms > allowedMs; again++) {
      const socket = await this.#connected();
      if (!socket) return;
      await sleep(50);
      const since = this.#target.stalls.length;
      const heard = socket.received.length;
      const bytes = withFreshId(message.bytes, `r${++this.#count}`);
      socket.text(bytes);
      await socket.until(() => socket.ended || answerIn(socket.received.slice(heard), bytes), ANSWER_MS);
      await sleep(50);
      ms = Math.min(ms, longest(since));
      socket.drop();
    }
    if (ms <= allowedMs) return;
    this.#summary.stalls.push({ what: message.what, ms });
    this.#fault(message.what, `held the loop for ${ms} ms of CPU: ${preview(message.bytes)}`);
  }

  /** Every frame that comes is as the published schema says. */
  #checkHeard(socket: RawSocket, from: number, what: string): void {
    for (const each of socket.received.slice(from)) {
      if (!("text" in each)) continue;
      try {
        assertValidFrame(JSON.parse(each.text) as Record<string, unknown>);
      } catch (err) {
        this.#fault(what, `led to a frame that is not valid: ${String(err).slice(0, 600)}`);
      }
      const frame = JSON.parse(each.text) as Frame;
      if (frame.error && /internal error|TypeError|RangeError|Cannot read/.test(frame.error.message ?? ""))
        this.#fault(what, `was answered with ${frame.error.message}`);
    }
  }

  #checkEnding(socket: RawSocket, what: string): void {
    const { code, reason } = socket.ending;
    if (this.#target.over) return;
    if (code === 1006) this.#fault(what, "the connection ended without a close frame");
    else if (code === 1011) this.#fault(what, `internal error: ${reason}`);
    else if (code !== 1000 && code !== 1005 && reason === "") this.#fault(what, `ended with ${code} and no reason`);
  }

  /** A first message that is wrong: answered or closed, and never let in with the wrong credential. */
  async #handshake(): Promise<void> {
    this.#summary.handshakes++;
    const socket = await RawSocket.open(this.#target.port);
    await socket.until(() => socket.received.length > 0, ANSWER_MS);
    const from = socket.received.length;
    const message = generateFirstMessage(this.#target.token(), this.#random);
    const stalls = this.#target.stalls.length;
    socket.text(message.bytes);
    const answered = await socket.until(() => socket.ended || socket.received.length > from, ANSWER_MS);
    if (!answered && !this.#target.over) this.#fault(message.what, `before connect: no answer and no end: ${preview(message.bytes)}`);
    this.#checkHeard(socket, from, message.what);
    const inside = socket.received.some((each) => "text" in each && each.text.includes('"hello-ok"'));
    if (inside && !message.bytes.includes(this.#target.token()))
      this.#fault(message.what, `was let in without a credential: ${preview(message.bytes)}`);
    if (!inside) {
      await socket.until(() => socket.ended, ANSWER_MS);
      if (!socket.ended) this.#fault(message.what, "a refused client is not cut off");
      this.#checkEnding(socket, message.what);
    }
    socket.drop();
    if (this.#target.stalls.slice(stalls).some((stall) => stall.ms > STALL_MS))
      this.#summary.longestMs = Math.max(this.#summary.longestMs, ...this.#target.stalls.slice(stalls).map((stall) => stall.ms));
  }

  /** A breach of the framing, before or after connect. */
  async #violation(): Promise<void> {
    this.#summary.violations++;
    const inside = this.#random.chance(0.5);
    const socket = inside ? await this.#connected() : await RawSocket.open(this.#target.port);
    if (!socket) return;
    const violation = generateViolation(this.#random);
    const what = `${violation.what} ${inside ? "after" : "before"} connect`;
    await socket.until(() => socket.received.length > 0, ANSWER_MS);
    socket.write(violation.bytes);
    if (violation.outcome === "end") {
      await socket.until(() => socket.ended, ANSWER_MS);
      // A valid frame with a text that is not a request is answered within a connection, and ends it before.
      if (socket.ended) this.#checkEnding(socket, what);
      else if (!this.#target.over) this.#fault(what, "the connection goes on");
    } else if (violation.outcome === "serve") {
      const payload = Buffer.from(`p${this.#summary.violations}`);
      socket.write(toBytes({ opcode: 9, payload }));
      const served = await socket.until(
        () => socket.ended || socket.received.some((each) => "pong" in each && each.pong.equals(payload)),
        ANSWER_MS,
      );
      if (!served || socket.ended) this.#fault(what, `no pong; ${JSON.stringify(socket.ending)}`);
    }
    socket.drop();
  }

  async #http(): Promise<void> {
    this.#summary.requests++;
    const attack = nextAttack(this.#target.port, this.#target.token(), this.#random);
    const answer = await exchange(this.#target.port, attack.bytes, attack.open ? 300 : ANSWER_MS);
    if (this.#target.over) return;
    if (answer === null) {
      if (!attack.open) this.#fault(attack.what, "no answer");
      return;
    }
    // An end without any answer is right only for text that is not a request.
    if (answer.status === 0 && !attack.open)
      this.#fault(attack.what, `ended without an answer: ${JSON.stringify(answer.head.slice(0, 100))}`);
    if (answer.status === 500) this.#fault(attack.what, `500: ${answer.body.slice(0, 300)}`);
    if (/\bat (async )?[\w#.]+ \(|node:internal|\.ts:\d+/.test(answer.body.slice(0, 20_000)))
      this.#fault(attack.what, `shows its inside: ${answer.body.slice(0, 300)}`);
    if (/root:x:0/.test(answer.body)) this.#fault(attack.what, "gives away a file");
  }

  async #checkGoodClient(): Promise<void> {
    const socket = await this.#connected();
    if (!socket) return;
    const from = socket.received.length;
    socket.text(JSON.stringify({ type: "req", id: "good", method: "sessions.list", params: {} }));
    const served = await socket.until(
      () => socket.received.slice(from).some((each) => "text" in each && each.text.includes('"good"')),
      ANSWER_MS,
    );
    if (!served) this.#fault("a good client", "is not served at the end");
    socket.drop();
  }
}

/** Whether one of the frames answers the message: by an id in it, or by any refusal if it has no readable id. */
function answerIn(heard: readonly ReceivedFrame[], message: Buffer): boolean {
  const ids = idsOf(message);
  return heard.some((each) => {
    if (!("text" in each)) return false;
    const frame = JSON.parse(each.text) as Frame;
    if (frame.type !== "res") return false;
    return ids.has(frame.id ?? "") || (frame.ok === false && (ids.size === 0 || !OURS.test(frame.id ?? "")));
  });
}

/** Ids of unchanged messages. */
const OURS = /^[mr]\d+$/;

/** The same message as another request: its id is also its idempotency key, and a repeated one would cost nothing. */
function withFreshId(message: Buffer, id: string): Buffer {
  const old = /"id":"(m\d+)"/.exec(message.toString("latin1", 0, 200))?.[1];
  return old === undefined ? message : Buffer.from(message.toString("latin1").replaceAll(`"${old}"`, `"${id}"`), "latin1");
}

/** A large attachment is parsed and decoded in one piece each, which takes time in proportion to it. */
const DECODED_MS_PER_MB = 3;
/** V8 lists every compiled function when a CPU profile starts, and resolves them when it ends, each in one piece (docs/operations.md). */
const PROFILER_MS = 150;
const PROFILED = /"method":"diagnostics\.cpuProfile"/;

function allowanceMs({ what, bytes }: Message): number {
  if (what === LARGE_ATTACHMENT) return STALL_MS + (bytes.length / 1_000_000) * DECODED_MS_PER_MB;
  return PROFILED.test(bytes.toString("latin1", 0, 4_096)) ? PROFILER_MS : STALL_MS;
}

/** Possible ids of a message, at any position. */
function idsOf(message: Buffer): ReadonlySet<string> {
  const text =
    message.length > 8_192
      ? message.toString("utf8", 0, 4_096) + message.toString("utf8", message.length - 4_096)
      : message.toString("utf8");
  return new Set([...text.matchAll(/"id"\s*:\s*"([^"\\]{1,256})"/g)].map((match) => match[1]!));
}

const preview = (bytes: Buffer): string => JSON.stringify(bytes.toString("utf8", 0, 300));
