// WebChat as a connection: the gateway's own page and clients of its protocol come, break off, misbehave and come back.
import { SOURCE_ENTRY } from "../wire/warm-start.ts";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProtocolClient, Credentials } from "../../src/client/client.ts";
import { createDevice } from "../../src/client/device.ts";
import { ClientError } from "../../src/client/errors.ts";
import { keepConnected } from "../../src/client/reconnect.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { Secret } from "../../src/core/secret.ts";
import { markdownToHtml } from "../../web/src/markdown-html.ts";
import { SeededRandom } from "../crash/seeded-random.ts";
import { connectParams, generateMessage } from "../fuzz/frames.ts";
import { RawSocket } from "../fuzz/raw-socket.ts";
import { generateViolation } from "../fuzz/protocol-violations.ts";
import { contextOf, textOf } from "../model-server.ts";
import { connect as connectRaw, type Frame } from "../server-bench.ts";
import { descendants, until } from "../wire/gateway-process.ts";
import {
  untilAnswered,
  CHAT,
  endOf,
  finalEvents,
  subscribeEvents,
  history,
  logged,
  WebchatBench,
  rejectionOf,
  userMessages,
  send,
  SESSION,
  type Wire,
} from "./webchat-bench.ts";

const FOLLOWUP = { messages: { queue: { mode: "followup" } } };
const authOf = (settings: Wire, more: Wire = {}): Wire => ({ gateway: { auth: settings }, ...more });

/** Ticks and pings of the gateway so often, instead of twice a minute. */
const dawdling = (ms: number): Record<string, string> => {
  const limits = JSON.stringify(new URL("../../src/core/limits.ts", import.meta.url).href);
  const script = `import { LIMITS } from ${limits}; LIMITS.tickMs = LIMITS.pingMs = ${ms};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
};

const OPTIONS = { concurrency: 2, timeout: 240_000 };

describe("webchat: first messages and slow connections", OPTIONS, () => {
  test("scenario 2: a first start with nothing but a model is ready, and the first message is answered", () =>
    WebchatBench.with(async (place) => {
      assert.equal((await fetch(`${place.gateway.http}/readyz`)).status, 200);
      const client = await place.client();
      assert.deepEqual(client.hello.auth.scopes.toSorted(), CHAT);
      assert.deepEqual((await history(client)).messages, []);
      assert.equal((await send(client, "hello")).status, "started");
      await untilAnswered(client, "You said: hello");
      assert.deepEqual(await userMessages(client, "user"), ["hello"]);
      assert.equal(place.model.requests().length, 1);
    }));

  test("scenario 10: ten quick messages keep their order, and each is answered once", () =>
    WebchatBench.with(
      async (place) => {
        const client = await place.client();
        const texts = Array.from({ length: 10 }, (_, at) => `number ${at}`);
        const sent = await Promise.all(texts.map((text) => send(client, text)));
        assert.ok(sent.every(({ status }) => status === "started"));
        await untilAnswered(client, "You said: number 9");
        assert.deepEqual(await userMessages(client, "user"), texts);
        assert.deepEqual(
          await userMessages(client, "assistant"),
          texts.map((text) => `You said: ${text}`),
        );
        assert.deepEqual(
          place.model.requests().map((request) => contextOf(request).at(-1)),
          texts.map((text) => `user: ${text}`),
        );
      },
      { config: FOLLOWUP },
    ));

  test("scenario 17: a connection that is lost in the middle of an answer comes back to the same answer", () =>
    WebchatBench.with(async (place) => {
      const rest = Promise.withResolvers<void>();
      place.model.setBehaviour(() => ({ steps: [{ text: "the first half" }, { until: rest.promise }, { text: " and the second" }] }));
      const pipe = await place.pipe();
      const before = await place.client({ url: pipe.url });
      const events = subscribeEvents(before);
      const key = randomUUID();
      await send(before, "tell me", key);
      await until("the first half", () => JSON.stringify(events).includes("the first half"));
      pipe.disconnect();
      assert.equal((await endOf(before)).code, 1006);
      const after = await place.client({ url: pipe.url });
      const later = subscribeEvents(after);
      assert.equal((await send(after, "tell me", key)).status, "in_flight");
      assert.equal((await history(after)).inFlightRun?.text, "the first half");
      rest.resolve();
      await until("the end of the answer", () => finalEvents(later).length > 0);
      assert.deepEqual(finalEvents(later), ["the first half and the second"]);
      assert.equal((await send(after, "tell me", key)).status, "ok");
      assert.deepEqual(await userMessages(after, "user"), ["tell me"]);
      assert.deepEqual(await userMessages(after, "assistant"), ["the first half and the second"]);
      assert.equal(place.model.requests().length, 1);
    }));

  test("scenarios 19 and 21: a half-open connection is noticed at both ends, a quiet one is kept", () =>
    WebchatBench.with(
      async (place) => {
        const elsewhere = { from: "127.0.0.2" };
        const pipes = await Promise.all([place.pipe(elsewhere), place.pipe({ forwardedFor: "203.0.113.7" })]);
        const halfOpen = await Promise.all(pipes.map(({ url }) => place.client({ url })));
        const quiet = [await place.client(), await place.client({ url: (await place.pipe(elsewhere)).url })];
        const ticks = quiet.map(subscribeEvents);
        const clients = (): Promise<number> => place.metric(/^gateway_server_clients /);
        assert.equal(await clients(), 4);
        for (const pipe of pipes) pipe.dropMessages("requests", "answers");
        await until("the gateway to notice", async () => (await clients()) === 2, 60_000);
        for (const client of halfOpen) assert.equal((await endOf(client)).code, 1006);
        await until("some more ticks", () => ticks.every((each) => each.filter(({ event }) => event === "tick").length >= 4), 60_000);
        for (const client of quiet) await client.request("health");
        assert.equal(await clients(), 2);
      },
      { config: { gateway: { trustedProxies: ["127.0.0.1"] } }, env: dawdling(2_000), main: SOURCE_ENTRY },
    ));

  test("scenario 20: a gateway that is slow to answer is waited for, on one connection", () =>
    WebchatBench.with(async (place) => {
      const hold = sleep(2_000);
      const pipe = await place.pipe({ hold });
      const abort = new AbortController();
      const opened = Promise.withResolvers<ProtocolClient>();
      const kept = keepConnected(
        { url: pipe.url, credentials: place.shared(), scopes: CHAT },
        { onConnected: (client) => opened.resolve(client), onDisconnected: (err) => opened.reject(err) },
        abort.signal,
      );
      await (await opened.promise).request("health");
      assert.equal(pipe.connections, 1);
      abort.abort();
      await kept;
    }));
});

describe("webchat: clients that end, meet or break off", OPTIONS, () => {
  test("scenario 22: a revoked device is disconnected at once with the reason, and does not reconnect", () =>
    WebchatBench.with(async (place) => {
      const operator = await place.operator();
      const device = createDevice();
      const first = await place.client({ device });
      const token = new Secret(first.hello.auth.deviceToken!);
      await first.close();
      const pipe = await place.pipe();
      const opened = Promise.withResolvers<ProtocolClient>();
      const down: ClientError[] = [];
      const kept = keepConnected(
        { url: pipe.url, device, credentials: { token }, scopes: CHAT },
        { onConnected: (client) => opened.resolve(client), onDisconnected: (err) => void down.push(err) },
        AbortSignal.timeout(60_000),
      );
      const ending = rejectionOf(kept);
      await send(await opened.promise, "still welcome");
      await operator.request("device.token.revoke", { deviceId: device.id, role: "operator" });
      const refused = await ending;
      assert.deepEqual([refused.kind, refused.reason], ["auth", "AUTH_DEVICE_TOKEN_MISMATCH"]);
      assert.deepEqual(
        down.map(({ closeCode }) => closeCode),
        [4001],
      );
      assert.equal(pipe.connections, 2, "it tried once more, and then never again");
      assert.ok((await logged(operator)).some(({ message }) => message === "a client was refused"));
      await operator.request("health");
    }));

  test("scenario 23: two clients with one credential are both served, and what both send counts once", () =>
    WebchatBench.with(
      async (place) => {
        const device = createDevice();
        const first = await place.client({ device });
        const credentials = { token: new Secret(first.hello.auth.deviceToken!) };
        const second = await place.client({ device, credentials });
        const third = await place.client({ device, credentials });
        const heard = [second, third].map(subscribeEvents);
        const key = randomUUID();
        const both = await Promise.all([second, third].map((client) => send(client, "from both", key)));
        assert.equal(both.filter(({ status }) => status === "started").length, 1);
        await Promise.all([send(second, "from the second"), send(third, "from the third")]);
        await until("three answers at both", () => heard.every((events) => finalEvents(events).length === 3));
        assert.deepEqual(finalEvents(heard[0]!), finalEvents(heard[1]!));
        const expected = ["You said: from both", "You said: from the second", "You said: from the third"];
        assert.deepEqual((await userMessages(first, "assistant")).toSorted(), expected);
        assert.equal(place.model.requests().length, 3);
      },
      { config: FOLLOWUP },
    ));

  test("scenario 24: a client that takes its answers slowly gets each of them, in order", () =>
    WebchatBench.with(async (place) => {
      // More than the system takes for someone who does not read.
      const padding = "x".repeat(300_000);
      place.model.setBehaviour((request) => ({ steps: [{ text: `${contextOf(request).at(-1)} ${padding}` }] }));
      const pipe = await place.pipe();
      const slow = await place.client({ url: pipe.url });
      const events = subscribeEvents(slow);
      const texts = Array.from({ length: 6 }, (_, at) => `number ${at}`);
      for (const text of texts) await history(slow, text);
      const resume = pipe.stall();
      const writer = await place.client();
      for (const text of texts) {
        await send(writer, text, randomUUID(), text);
        await place.settled();
      }
      assert.deepEqual(finalEvents(events), []);
      resume();
      await until("all answers", () => finalEvents(events).length === texts.length);
      assert.deepEqual(
        finalEvents(events).map((text) => text.replace(` ${padding}`, "")),
        texts.map((text) => `user: ${text}`),
      );
      const numbers = events.flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => numbers[0]! + at),
        "without a gap",
      );
    }));

  test("scenario 25: a message with an unknown outcome is sent again with its key, and counts once", () =>
    WebchatBench.with(async (place) => {
      const pipe = await place.pipe();
      const watcher = await place.client();
      for (const [way, repeated] of [
        ["requests", ["started"]],
        ["answers", ["in_flight", "ok"]],
      ] as const) {
        const key = randomUUID();
        const text = `without ${way}`;
        const cutOff = await place.client({ url: pipe.url });
        pipe.dropMessages(way);
        const fate = rejectionOf(send(cutOff, text, key));
        if (way === "answers") await untilAnswered(watcher, `You said: ${text}`);
        else await until("the lost request", () => pipe.dropped > 0);
        pipe.disconnect();
        const { kind, retryable } = await fate;
        assert.deepEqual([kind, retryable], ["closed", true]);
        const again = await place.client({ url: pipe.url });
        const { status } = await send(again, text, key);
        assert.ok(
          repeated.some((each) => each === status),
          `${text}: ${status}`,
        );
        await untilAnswered(again, `You said: ${text}`);
      }
      const texts = ["without requests", "without answers"];
      assert.deepEqual(await userMessages(watcher, "user"), texts);
      assert.equal(place.model.requests().length, texts.length);
      await place.gateway.kill("SIGKILL");
      const gone = await rejectionOf(place.client());
      assert.deepEqual([gone.kind, gone.retryable], ["unreachable", true], "for certain, nothing was sent");
    }));
});

describe("webchat: texts and configuration", OPTIONS, () => {
  test("scenario 26: an answer with bad markup is kept as it was written, and the page shows all its words", () =>
    WebchatBench.with(async (place) => {
      const words = ["half", "bold", "open", "link", "cell", "code"];
      const bad = "# half\n**bold <b>_open [link](http://\n| cell\n|-\n> - ```js\ncode\n<script>";
      place.model.setBehaviour(() => ({ steps: [{ text: bad }] }));
      const client = await place.client();
      const events = subscribeEvents(client);
      await send(client, "write it badly");
      await until("the answer", () => finalEvents(events).length > 0);
      assert.deepEqual([finalEvents(events), await userMessages(client, "assistant")], [[bad], [bad]]);
      const html = markdownToHtml(bad);
      for (const word of words) assert.ok(html.includes(word), `${word} in ${html}`);
      assert.doesNotMatch(html, /<script|<b>/);
    }));

  test("scenario 27: texts of every script are kept complete up to the limit; beyond it nothing is kept", () =>
    WebchatBench.with(
      async (place) => {
        place.model.setBehaviour(() => ({ steps: [{ text: "read" }] }));
        const client = await place.client();
        const scripts =
          'Straße e\u0301 Ωμέγα Привет שלום مرحبا नमस्ते สวัสดี 你好𠮷 こんにちは 안녕 👩🏽‍🚀🏳️‍🌈 \u202eback\u202c \0 \ud800 "quoted" \\ \t\r\n<&>';
        const whole = (length: number): string =>
          scripts
            .repeat(Math.ceil(length / scripts.length))
            .slice(0, length - 1)
            .concat(".");
        const texts = [scripts, whole(LIMITS.messageChars - 1), whole(LIMITS.messageChars)];
        for (const [at, text] of texts.entries()) {
          const session = `agent:main:length-${at}`;
          const key = randomUUID();
          await send(client, text, key, session);
          await untilAnswered(client, "read", session);
          assert.ok((await userMessages(client, "user", session))[0] === text, `text ${at} in the transcript`);
          // A lone surrogate is not a character, and is left out for the model.
          const shown = textOf(place.model.requests().at(-1)!.messages.at(-1));
          assert.ok(shown === text.replaceAll(/\p{Surrogate}/gu, ""), `text ${at} as the model was shown it`);
          assert.equal((await send(client, text, key, session)).status, "ok", "the same text under the same key is the same message");
        }
        const session = "agent:main:too-long";
        const refused = await rejectionOf(send(client, whole(LIMITS.messageChars + 1), randomUUID(), session));
        assert.equal(refused.code, "INVALID_REQUEST");
        assert.match(refused.message, /the message has 400001 characters; at most 400000 are accepted/);
        assert.deepEqual((await history(client, session)).messages, []);
        assert.equal(place.model.requests().length, texts.length);
      },
      { config: FOLLOWUP },
    ));

  test("scenario 32: messages of the agent, or injected in its name, start no turn and run no command", () =>
    WebchatBench.with(async (place) => {
      const operator = await place.operator();
      const client = await place.client();
      place.model.setBehaviour(() => ({ steps: [{ text: "/new" }] }));
      await send(client, "say it");
      await untilAnswered(client, "/new");
      for (const message of ["/stop", "/new", "a note, You said: nothing"])
        await operator.request("chat.inject", { sessionKey: SESSION, message });
      await place.settled();
      assert.deepEqual(await userMessages(client, "user"), ["say it"]);
      assert.deepEqual(await userMessages(client, "assistant"), ["/new", "/stop", "/new", "a note, You said: nothing"]);
      assert.equal(place.model.requests().length, 1);
    }));

  test("scenario 36: a reload of something else keeps the connections; of the credential it ends those that came with it", async () => {
    const [old, fresh, password] = ["old", "fresh", "password"].map((name) => `${name}-${randomUUID()}`) as [string, string, string];
    await WebchatBench.with(
      async (place) => {
        const enter = (credentials: Credentials, scopes = CHAT): Promise<ProtocolClient> => place.client({ credentials, scopes });
        const operator = await enter({ token: new Secret(old) }, ["operator.admin"]);
        const named = await operator.request<{ token: string }>("tokens.create", { name: "program", scopes: ["operator.read"] });
        const program = await enter({ token: new Secret(named.token) });
        const before = await enter({ token: new Secret(old) });

        place.write(authOf({ mode: "token", token: old }, { messages: { responsePrefix: "[claw]" } }));
        await until("the reload", async () => (await logged(before)).some(({ message }) => message === "configuration reloaded"));
        await send(before, "after the reload");
        await untilAnswered(before, "You said: after the reload");

        place.write(authOf({ mode: "token", token: fresh }));
        assert.deepEqual(await endOf(before), { code: 4001, reason: "credential ended" });
        assert.equal((await rejectionOf(enter({ token: new Secret(old) }))).reason, "AUTH_TOKEN_MISMATCH");
        const after = await enter({ token: new Secret(fresh) });
        assert.deepEqual(await userMessages(after, "user"), ["after the reload"]);

        place.write(authOf({ mode: "password", password }));
        assert.equal((await endOf(after)).code, 4001);
        assert.equal((await rejectionOf(enter({ token: new Secret(fresh) }))).kind, "auth");
        await (await enter({ password: new Secret(password) })).request("health");
        await program.request("health");
      },
      { config: authOf({ mode: "token", token: old }) },
    );
  });
});

describe("webchat: stops, bursts and malformed frames", OPTIONS, () => {
  test("scenarios 37 and 40: a stop tells the clients, ends everything within two seconds, and nothing is written after it", async () => {
    const stops: number[] = [];
    // The machine may be busy with something else; a stop that waits for something takes its time at each try.
    while (stops.length < 3 && !stops.some((ms) => ms < 2_000))
      await WebchatBench.with(async (place) => void stops.push(await stopUnderWay(place)));
    assert.ok(
      stops.some((ms) => ms < 2_000),
      `${stops.join(", ")} ms`,
    );
  });

  test("scenario 38: of a burst of 5,000 messages each is taken once, now or when it is sent again", { timeout: 120_000 }, () =>
    WebchatBench.with(
      async (place) => {
        place.model.setBehaviour(() => ({ steps: [{ text: "read" }] }));
        const before = residentMib(place);
        const burst = await Burst.open(place, { messages: 5_000, sessions: 16 });
        await burst.send();
        assert.ok(burst.refused > 0 && burst.refused < 5_000, `${burst.refused} were refused at first`);
        while (burst.left > 0) await burst.send();
        const grown = mostResidentMib(place) - before;
        await place.settled();
        await burst.repeat(500);
        const client = await place.client();
        for (const [session, texts] of burst.sessions) {
          assert.deepEqual((await userMessages(client, "user", session)).toSorted(), texts.toSorted(), session);
          const last = place.model.requests().findLast((request) => contextOf(request).join("\n").includes(`<${session} `))!;
          const shown = contextOf(last).flatMap((line) => line.match(/<[^>]+>/g) ?? []);
          assert.deepEqual(shown.toSorted(), texts.toSorted(), `${session}, as the model was shown it`);
        }
        assert.ok(grown < 300, `memory grew by ${Math.round(grown)} MiB`);
      },
      { config: { messages: { queue: { mode: "collect" } } } },
    ),
  );

  test(
    "scenario 39: malformed frames end at most their own connection, and are not logged as errors of the gateway",
    { timeout: 120_000 },
    () =>
      WebchatBench.with(async (place) => {
        const operator = await place.operator();
        const witness = await place.client();
        const random = new SeededRandom(39);
        for (const { what, text, expected } of NONSENSE) {
          const raw = await enterRaw(place);
          raw.text(text);
          assert.match(await fateOf(raw), expected, what);
          await witness.request("health");
          raw.drop();
        }
        for (let at = 0; at < 60; at++) {
          const { what, bytes, outcome } = generateViolation(random);
          const raw = await enterRaw(place);
          raw.write(bytes);
          if (outcome === "end") assert.ok(await raw.until(() => raw.ended, 10_000), what);
          raw.drop();
        }
        await witness.request("health");
        let raw = await enterRaw(place);
        for (let at = 0; at < 300; at++) {
          if (raw.ended) raw = await enterRaw(place);
          raw.text(generateMessage(`fuzz-${at}`, random, 0.02).bytes);
        }
        raw.drop();
        await send(witness, "still here?", randomUUID(), "agent:main:witness");
        await untilAnswered(witness, "You said: still here?", "agent:main:witness");
        const faults = (await logged(operator)).filter(({ level }) => level === "error");
        assert.deepEqual(faults, []);
        assert.doesNotMatch(place.gateway.output(), /uncaught|unhandled|a defect|TypeError|RangeError/i);
      }),
  );
});

/** Stops a gateway that has everything to do; resolves to the milliseconds from the signal to the end of the process. */
async function stopUnderWay(place: WebchatBench): Promise<number> {
  const { gateway, model } = place;
  const client = await place.client();
  const events = subscribeEvents(client);
  const halfSent = await enterRaw(place);
  halfSent.write(Buffer.from([0x81, 0xfe]));
  const unauthenticated = await RawSocket.open(gateway.port);
  await send(client, "slow:20 a long answer that is not over when the gateway stops ".repeat(20));
  await until("the answer to begin", () => JSON.stringify(events).includes("a long answer"));
  const { runId } = await send(client, "hang", randomUUID(), "agent:main:waiting");
  await model.waitFor(2);
  const waiting = rejectionOf(client.request("agent.wait", { runId, timeoutMs: 60_000 }, { timeoutMs: 0 }));
  const processes = [gateway.pid, ...descendants(gateway.pid)];
  assert.ok(processes.length > 1, "there are processes of agents");
  const accepted: string[] = [];
  const writing = writeUntilRefused(client, accepted);

  const started = performance.now();
  await gateway.kill("SIGTERM");
  const ms = performance.now() - started;
  assert.deepEqual(await endOf(client), { code: 1012, reason: "service restart" });
  assert.equal((await waiting).kind, "closed");
  await writing;
  assert.equal(events.at(-1)?.event, "shutdown", "the last that a client hears");
  assert.ok(await halfSent.until(() => halfSent.ended, 10_000), "half a frame holds up nothing");
  assert.ok(await unauthenticated.until(() => unauthenticated.ended, 10_000), "nor does an unauthenticated peer");
  await until("the end of all its processes", () => processes.every((pid) => !existsSync(`/proc/${pid}`)));

  await place.start();
  const kept = await userMessages(await place.client(), "user", "agent:main:writer");
  for (const text of accepted) assert.equal(kept.filter((each) => each === text).length, 1, text);
  assert.ok(kept.length <= accepted.length + 1, "beside what was acknowledged at most the one that was under way");
  return ms;
}

/** Sends one message after another until the gateway takes none any more. */
async function writeUntilRefused(client: ProtocolClient, accepted: string[]): Promise<void> {
  for (let at = 0; ; at++) {
    try {
      await send(client, `/status ${at}`, randomUUID(), "agent:main:writer");
      accepted.push(`/status ${at}`);
    } catch (err) {
      assert.ok(err instanceof ClientError && (err.kind === "closed" || err.code === "UNAVAILABLE"), String(err));
      return;
    }
  }
}

const memoryOf = (place: WebchatBench, key: "VmRSS" | "VmHWM"): number =>
  Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${place.gateway.pid}/status`, "utf8"))![1]) / 1_024;
const residentMib = (place: WebchatBench): number => memoryOf(place, "VmRSS");
const mostResidentMib = (place: WebchatBench): number => memoryOf(place, "VmHWM");

/** Many messages at once, on one connection, whatever the gateway says about it. */
class Burst {
  /** Every text that is sent, by session. */
  readonly sessions = new Map<string, string[]>();
  /** How many were refused so far. */
  refused = 0;
  readonly #send: (frames: readonly Wire[]) => Promise<Frame[]>;
  #left: Wire[] = [];
  readonly #all: readonly Wire[];

  private constructor(
    exchange: (frames: readonly Wire[]) => Promise<Frame[]>,
    { messages, sessions }: { messages: number; sessions: number },
  ) {
    this.#send = exchange;
    this.#all = Array.from({ length: messages }, (_, at) => {
      const sessionKey = `agent:main:burst-${at % sessions}`;
      const message = `<${sessionKey} ${at}>`;
      this.sessions.set(sessionKey, [...(this.sessions.get(sessionKey) ?? []), message]);
      return { sessionKey, message, idempotencyKey: `burst ${at}` };
    });
    this.#left = [...this.#all];
  }

  static async open(place: WebchatBench, size: { messages: number; sessions: number }): Promise<Burst> {
    const raw = await connectRaw(place.gateway, { auth: { token: place.gateway.token() }, scopes: CHAT });
    let round = 0;
    return new Burst(async (frames) => {
      const prefix = `${round++}:`;
      const answers = (): Frame[] => raw.frames.filter(({ type, id }) => type === "res" && id!.startsWith(prefix));
      for (const [at, params] of frames.entries()) raw.send({ type: "req", id: `${prefix}${at}`, method: "chat.send", params });
      await until("all answers", () => answers().length === frames.length, 60_000);
      return answers().toSorted((a, b) => Number(a.id!.slice(prefix.length)) - Number(b.id!.slice(prefix.length)));
    }, size);
  }

  get left(): number {
    return this.#left.length;
  }

  /** Sends what has not been accepted yet. */
  async send(): Promise<void> {
    const frames = this.#left;
    const answers = await this.#send(frames);
    this.#left = frames.filter((_, at) => !answers[at]!.ok);
    this.refused += this.#left.length;
    for (const { error } of answers.filter(({ ok }) => !ok)) {
      assert.deepEqual([error!.code, error!.retryable, error!.retryAfterMs! > 0], ["UNAVAILABLE", true, true], JSON.stringify(error));
    }
  }

  /** Sends some that were accepted once more. */
  async repeat(count: number): Promise<void> {
    const answers = await this.#send(this.#all.slice(0, count));
    assert.deepEqual(new Set(answers.map(({ payload }) => payload?.["status"])), new Set(["ok"]));
  }
}

/** A socket that has signed in and can then do anything. */
async function enterRaw({ gateway }: WebchatBench): Promise<RawSocket> {
  const raw = await RawSocket.open(gateway.port);
  raw.text(JSON.stringify({ type: "req", id: "c", method: "connect", params: { ...connectParams(gateway.token()), scopes: CHAT } }));
  assert.ok(await raw.until(() => JSON.stringify(raw.received).includes("hello-ok"), 10_000), JSON.stringify(raw.received));
  raw.received.length = 0;
  return raw;
}

/** The answer, or how the connection has ended. */
async function fateOf(raw: RawSocket): Promise<string> {
  const answer = (): string | undefined =>
    raw.received.flatMap((each) => ("text" in each && each.text.includes('"res"') ? [each.text] : []))[0];
  await raw.until(() => raw.ended || answer() !== undefined, 10_000);
  return answer() ?? (raw.ended ? `ended ${raw.ending.code} ${raw.ending.reason}` : "nothing");
}

const request = (params: string, method = "chat.send"): string =>
  `{"type":"req","id":"x","method":${JSON.stringify(method)},"params":${params}}`;
const REFUSED = /"ok":false.*INVALID_REQUEST/;
const NONSENSE: readonly { what: string; text: string; expected: RegExp }[] = [
  { what: "no JSON", text: "hello?", expected: /^ended 1008 .*not JSON/ },
  { what: "half of it", text: '{"type":"req"', expected: /^ended 1008 .*not JSON/ },
  { what: "nothing", text: "", expected: /^ended 1008/ },
  ...["null", "true", "42", '"text"', "[]", "{}"].map((text) => ({ what: text, text, expected: REFUSED })),
  { what: "no id", text: '{"type":"req","method":"health"}', expected: REFUSED },
  { what: "an id of another type", text: '{"type":"req","id":{},"method":"health"}', expected: REFUSED },
  { what: "a huge id", text: JSON.stringify({ type: "req", id: "x".repeat(100_000), method: "health" }), expected: REFUSED },
  { what: "an answer", text: '{"type":"res","id":"x","ok":true}', expected: REFUSED },
  { what: "another connect", text: request("{}", "connect"), expected: /"ok":false/ },
  ...["chat.sned", "__proto__", "constructor", "toString", "\u0000", "x".repeat(100_000)].map((method) => ({
    what: `the method ${method.slice(0, 20)}`,
    text: request("{}", method),
    expected: REFUSED,
  })),
  ...["null", "[]", "7", '"x"', "{}"].map((params) => ({ what: `params ${params}`, text: request(params), expected: REFUSED })),
  { what: "values of other types", text: request('{"sessionKey":1,"message":{},"idempotencyKey":[]}'), expected: REFUSED },
  {
    what: "a session without an agent",
    text: request('{"sessionKey":"agent::..","message":"x","idempotencyKey":"k1"}'),
    expected: REFUSED,
  },
  { what: "an empty message", text: request('{"sessionKey":"main","message":" ","idempotencyKey":"k2"}'), expected: REFUSED },
  { what: "a deep one", text: request(`${"[".repeat(50_000)}${"]".repeat(50_000)}`), expected: REFUSED },
  { what: "a huge one", text: request(JSON.stringify({ message: "x".repeat(3_000_000) })), expected: REFUSED },
  { what: "one key twice", text: request('{"sessionKey":"main","sessionKey":"main"}'), expected: REFUSED },
];
