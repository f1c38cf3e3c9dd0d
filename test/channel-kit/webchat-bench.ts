// WebChat from the side of its clients: the gateway, the network in between, and the messages.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect as tcp, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { openClient, type ProtocolClient, type ProtocolClientOptions, type ServerEvent } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "../wire/gateway-process.ts";

export type Wire = Record<string, unknown>;
type Sent = { runId: string; status: string };
type Row = { role: string; content: string | { text?: string }[] };
type History = { messages: Row[]; inFlightRun?: { text: string } };
type HistoryPage = History & { nextOffset?: number };
type Options = {
  config?: Wire;
  env?: Record<string, string>;
  /** Entry file of the gateway; the bundle by default. */
  main?: string | undefined;
};

export const CHAT = ["operator.read", "operator.write"];
export const SESSION = "agent:main:main";

/** One gateway with a model, and the clients that connect to it. */
export class WebchatBench {
  readonly model: ModelServer;
  readonly #env: Record<string, string>;
  readonly #main: string | undefined;
  readonly #home = newHome();
  readonly #closing: (() => unknown)[] = [];
  #gateway: GatewayUnderTest | null = null;

  private constructor(model: ModelServer, { env = {}, main }: Pick<Options, "env" | "main">) {
    this.model = model;
    this.#env = env;
    this.#main = main;
    mkdirSync(stateDir(this.#home), { recursive: true });
  }

  static async with(work: (place: WebchatBench) => Promise<void>, { config = {}, ...options }: Options = {}): Promise<void> {
    const place = new WebchatBench(await startModelServer(), options);
    try {
      place.write(config);
      await place.start();
      await work(place);
    } finally {
      await place.#close();
    }
  }

  get gateway(): GatewayUnderTest {
    if (!this.#gateway) throw new Error("the gateway was not started");
    return this.#gateway;
  }

  /** A running gateway takes it over by itself. */
  write(config: Wire): void {
    writeFileSync(join(stateDir(this.#home), "openclaw.json"), JSON.stringify({ ...modelConfig(this.model.url), ...config }));
  }

  /** Starts the process, the next time on the same state and port. */
  async start(): Promise<void> {
    const port = this.#gateway?.port;
    this.#gateway = await startGateway({
      home: this.#home,
      env: this.#env,
      ...(this.#main !== undefined && { main: this.#main }),
      ...(port !== undefined && { port }),
    });
  }

  async client(options: Partial<ProtocolClientOptions> = {}): Promise<ProtocolClient> {
    const credentials = options.credentials ?? this.shared();
    const client = await openClient({ url: this.gateway.url, scopes: CHAT, ...options, credentials });
    this.#closing.push(() => client.close());
    return client;
  }

  /** The credential of everybody on this machine. */
  shared(): { token: Secret } {
    return { token: new Secret(this.gateway.token()) };
  }

  async operator(): Promise<ProtocolClient> {
    const operator = await this.gateway.connect();
    this.#closing.push(() => operator.close());
    return operator;
  }

  async pipe(options: PipeOptions = {}): Promise<FaultProxy> {
    const pipe = await FaultProxy.open(this.gateway.port, options);
    this.#closing.push(() => pipe.close());
    return pipe;
  }

  /** The sum of a metric over its labels. */
  async metric(pattern: RegExp): Promise<number> {
    const answer = await fetch(`${this.gateway.http}/metrics`, { headers: { authorization: `Bearer ${this.gateway.token()}` } });
    const lines = (await answer.text()).split("\n").filter((line) => pattern.test(line));
    return lines.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
  }

  /** Every message is answered. */
  async settled(): Promise<void> {
    await until("an empty inbox", async () => (await this.metric(/^gateway_turns_inbox_rows\{state="(queued|running)"\}/)) === 0, 60_000);
  }

  async #close(): Promise<void> {
    for (const end of this.#closing.toReversed()) await end();
    await this.#gateway?.kill();
    await this.model.close();
    dropHome(this.#home);
  }
}

type Direction = "requests" | "answers";
type PipeOptions = {
  /** Address that the gateway sees; 127.0.0.1 is its own. */
  from?: string;
  /** Whom a reverse proxy says that it speaks for. */
  forwardedFor?: string;
  /** Nothing is passed on before. */
  hold?: Promise<unknown>;
};

/** The network between clients and the gateway. */
class FaultProxy {
  /** How often someone has connected through it. */
  connections = 0;
  /** How many pieces of data were lost in it. */
  dropped = 0;
  readonly #port: number;
  readonly #options: PipeOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #lost = new Set<Direction>();

  private constructor(port: number, options: PipeOptions) {
    this.#port = port;
    this.#options = options;
    this.#server = createServer((near) => void this.#link(near));
  }

  static async open(port: number, options: PipeOptions): Promise<FaultProxy> {
    const pipe = new FaultProxy(port, options);
    await new Promise<void>((resolve) => pipe.#server.listen(0, "127.0.0.1", resolve));
    return pipe;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing arrives that way, not even that the other end has gone. */
  dropMessages(...ways: Direction[]): void {
    for (const way of ways) this.#lost.add(way);
  }

  /** Closes all connections; new ones are accepted. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#lost.clear();
  }

  /** Nothing is taken from anyone until the returned function is called. */
  stall(): () => void {
    const stalled = [...this.#sockets];
    for (const socket of stalled) socket.pause();
    return () => stalled.forEach((socket) => socket.resume());
  }

  async close(): Promise<void> {
    this.disconnect();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #link(near: Socket): Promise<void> {
    this.connections++;
    this.#sockets.add(near);
    near.on("error", () => near.destroy());
    await this.#options.hold;
    const { from, forwardedFor } = this.#options;
    const far = tcp({ port: this.#port, host: "127.0.0.1", ...(from !== undefined && { localAddress: from }) });
    this.#sockets.add(far);
    this.#forward(near, far, "requests", forwardedFor === undefined ? "" : `\r\nX-Forwarded-For: ${forwardedFor}`);
    this.#forward(far, near, "answers");
  }

  /** `header` is put behind the first line. */
  #forward(source: Socket, sink: Socket, way: Direction, header = ""): void {
    let added = header;
    source.on("data", (chunk: Buffer) => {
      if (this.#lost.has(way)) return void this.dropped++;
      sink.write(added === "" ? chunk : chunk.toString("latin1").replace("\r\n", `${added}\r\n`), "latin1");
      added = "";
    });
    source.on("error", () => source.destroy());
    source.on("close", () => {
      this.#sockets.delete(source);
      if (!this.#lost.has(way)) sink.destroySoon();
    });
  }
}

export const send = (client: ProtocolClient, message: string, key: string = randomUUID(), sessionKey = SESSION): Promise<Sent> =>
  client.request<Sent>("chat.send", { sessionKey, message, idempotencyKey: key });

/** All pages of a history as one. */
export async function history(client: ProtocolClient, sessionKey = SESSION): Promise<History> {
  const page = (offset: number): Promise<HistoryPage> => client.request("chat.history", { sessionKey, limit: 1_000, offset });
  const newest = await page(0);
  let messages = newest.messages;
  for (let next = newest.nextOffset; next !== undefined;) {
    const older = await page(next);
    messages = [...older.messages, ...messages];
    next = older.nextOffset;
  }
  return { ...newest, messages };
}

const wordsOf = ({ content }: Row): string => (typeof content === "string" ? content : content.map(({ text = "" }) => text).join(""));
/** The messages of one role in a session, in order. */
export async function userMessages(client: ProtocolClient, role: "user" | "assistant", sessionKey = SESSION): Promise<string[]> {
  const { messages } = await history(client, sessionKey);
  return messages.filter((row) => row.role === role).map(wordsOf);
}

export async function untilAnswered(client: ProtocolClient, answer: string, sessionKey = SESSION): Promise<void> {
  await until(
    `the answer ${answer.slice(0, 40)}`,
    async () => (await userMessages(client, "assistant", sessionKey)).includes(answer),
    60_000,
  );
}

/** Collects the events of one client. */
export function subscribeEvents(client: ProtocolClient): ServerEvent[] {
  const events: ServerEvent[] = [];
  client.on((event) => events.push(event));
  return events;
}

/** Texts of the finished answers among those events. */
export const finalEvents = (events: readonly ServerEvent[]): string[] =>
  events.flatMap(({ event, payload }) => {
    const { state, message } = payload as { state?: string; message?: Row };
    return event === "chat" && state === "final" && message ? [wordsOf(message)] : [];
  });

/** How the connection of a client has ended, or will have in a moment. */
export async function endOf(client: ProtocolClient): Promise<{ code: number; reason: string }> {
  let end: { code: number; reason: string } | undefined;
  void client.closed.then((it) => (end = it));
  return until("the end of the connection", () => end, 60_000);
}

export const rejectionOf = (promise: Promise<unknown>): Promise<ClientError> =>
  promise.then(
    () => assert.fail("it was not refused"),
    (err: unknown) => (err instanceof ClientError ? err : Promise.reject(err)),
  );

export const logged = async (operator: ProtocolClient): Promise<{ level: string; message: string }[]> =>
  (await operator.request<{ lines: string[] }>("logs.tail", {})).lines.map(
    (line) => JSON.parse(line) as { level: string; message: string },
  );
