import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { delayResponse } from "./response-delay.ts";
import { serveFile } from "./serve-file.ts";

type Json = Record<string, unknown>;
export type Call = { method: string; token: string; params: Json };
/** How a method goes wrong: Slack's word, a status, a connection that is closed before or after it took effect, or no answer at all. */
export type Failure =
  | { error: string; needed?: string }
  | { status: number; retryAfter?: number }
  | "close-before"
  | "close-after"
  | "hang";
type Shown = {
  channel: string;
  ts: string;
  text: string;
  thread?: string;
  blocks?: unknown;
  metadata?: unknown;
  file?: string;
  user: string;
  reactions: string[];
};
type Sock = { ws: WebSocket; app: string; warned: boolean };
type Envelope = { id: string; frame: Json; tries: number };

export const BOT_TOKEN = "xoxb-1-test-one";
export const APP_TOKEN = "xapp-1-A1-test-one";
export const OTHER_BOT = "xoxb-1-test-two";
export const OTHER_APP = "xapp-1-A2-test-two";
export const SIGNING = "signing-secret-1";
export const TEAM = "T0000001";
export const ADA = "U0000007";
export const BOB = "U0000008";
export const DM = "D0000001";
export const DM_BOB = "D0000002";
export const ROOM = "C0000001";
const BOTS: Readonly<Record<string, { user: string; bot: string; name: string; app: string }>> = {
  [BOT_TOKEN]: { user: "U000BOT1", bot: "B0000001", name: "robot", app: APP_TOKEN },
  [OTHER_BOT]: { user: "U000BOT2", bot: "B0000002", name: "other", app: OTHER_APP },
};
export const BOT_USER = BOTS[BOT_TOKEN]!.user;
export const BOT_ID = BOTS[BOT_TOKEN]!.bot;

class Refusal extends Error {
  readonly needed: string | undefined;

  constructor(error: string, needed?: string) {
    super(error);
    this.needed = needed;
  }
}

/** A Slack on loopback: sockets with envelopes that come again until they are acknowledged, and the parts of the Web API that matter. */
export class SlackServer {
  readonly calls: Call[] = [];
  /** Times without any socket that had said hello, after the first, in ms. */
  readonly gaps: number[] = [];
  /** Envelopes in the order in which they were acknowledged. */
  readonly #acked: string[] = [];
  readonly #waiting = new Map<string, Envelope>();
  readonly #socks = new Set<Sock>();
  readonly #failures = new Map<string, { how: Failure; times: number }>();
  readonly #shown: Shown[] = [];
  readonly #history: Json[] = [];
  readonly #files = new Map<string, { bytes: Buffer; name: string }>();
  readonly #revoked = new Set<string>();
  readonly #connections = new Set<Socket>();
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #wss = new WebSocketServer({ noServer: true });
  #wire: "up" | "close" | "silent" = "up";
  #number = 0;
  #newest: Envelope | null = null;
  #deafSince: number | null = null;
  #pings: NodeJS.Timeout | undefined;
  /** How late everything is answered. */
  lagMs = 0;
  /** How far the clock is behind, by which messages are dated. */
  behindMs = 0;
  /** Seconds that a hello announces. */
  lifetime = 3_600;
  /** Most sockets that were open at the same time. */
  most = 0;
  /** Sockets that were opened in all. */
  welcomed = 0;
  /** Answers to commands. */
  readonly responses: Json[] = [];

  static async start({ pingMs = 50 } = {}): Promise<SlackServer> {
    const server = new SlackServer();
    server.#http.on("connection", (socket) => {
      if (server.#wire === "close") return void socket.destroy();
      server.#connections.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => server.#connections.delete(socket));
    });
    server.#http.on("upgrade", async (request, socket, head) => {
      await delayResponse(server.lagMs);
      const app = new URL(request.url ?? "/", server.url).searchParams.get("app") ?? "";
      server.#wss.handleUpgrade(request, socket, head, (ws) => server.#welcome(ws, app));
    });
    server.#http.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.#http.once("listening", resolve));
    server.#pings = setInterval(() => {
      if (server.#wire === "up") for (const { ws } of server.#socks) ws.ping("ping");
    }, pingMs);
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  config(bot = BOT_TOKEN, app = APP_TOKEN): Json {
    return { botToken: bot, appToken: app, apiRoot: `${this.url}/api` };
  }

  async close(): Promise<void> {
    clearInterval(this.#pings);
    this.#cut();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  ts(): string {
    return `${Math.floor((Date.now() - this.behindMs) / 1_000)}.${String(++this.#number).padStart(6, "0")}`;
  }

  /** An event for the app, kept until it is acknowledged. Returns the id of its envelope. */
  event(event: Json, app = APP_TOKEN): string {
    return this.envelope("events_api", { type: "event_callback", team_id: TEAM, event_id: `Ev${++this.#number}`, event }, app);
  }

  envelope(type: string, payload: Json, app = APP_TOKEN): string {
    const id = `env-${++this.#number}`;
    const envelope: Envelope = { id, tries: 0, frame: { envelope_id: id, type, payload, accepts_response_payload: type !== "events_api" } };
    this.#waiting.set(id, envelope);
    this.#newest = envelope;
    this.#deliver(envelope, app);
    return id;
  }

  /** A message of a person, as the app gets it; it is in the history, too. */
  message(fields: Json = {}): Json {
    const message = { type: "message", channel: DM, channel_type: "im", user: ADA, ts: this.ts(), ...fields };
    this.#history.push(message);
    return message;
  }

  say(text: string, fields: Json = {}): string {
    return this.event(this.message({ text, ...fields }));
  }

  sayInRoom(text: string, fields: Json = {}): string {
    return this.say(text, { channel: ROOM, channel_type: "channel", ...fields });
  }

  /** Everything that was not acknowledged comes again on a socket that is open. */
  redeliver(app = APP_TOKEN): void {
    for (const envelope of this.#waiting.values()) this.#deliver(envelope, app);
  }

  /** The newest envelope once more, as after a lost acknowledgement. */
  repeat(app = APP_TOKEN): void {
    if (!this.#newest) throw new Error("there was no event");
    this.#waiting.set(this.#newest.id, this.#newest);
    this.#deliver(this.#newest, app);
  }

  /** Slack is about to close the oldest socket; it does so after `graceMs`, or when the other side has left. */
  refresh(graceMs = 300, reason = "refresh_requested"): void {
    const sock = [...this.#socks].find(({ warned }) => !warned);
    if (!sock) throw new Error("there is no socket");
    sock.warned = true;
    sock.ws.send(JSON.stringify({ type: "disconnect", reason, debug_info: { host: "loopback" } }));
    setTimeout(() => sock.ws.close(1000), graceMs);
  }

  raw(text: string): void {
    for (const { ws } of this.#socks) ws.send(text);
  }

  sockets(): number {
    return this.#socks.size;
  }

  acked(): readonly string[] {
    return this.#acked;
  }

  waiting(): number {
    return this.#waiting.size;
  }

  shown(): readonly Shown[] {
    return this.#shown;
  }

  /** Texts as a person sees them, in order, with edits applied. */
  sent(): readonly string[] {
    return this.#shown.map(({ text }) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
  }

  of(method: string): readonly Call[] {
    return this.calls.filter((call) => call.method === method);
  }

  /** Returns how often it has happened since. */
  fail(method: string, how: Failure, times = 1): () => number {
    const failure = { how, times };
    this.#failures.set(method, failure);
    return () => times - failure.times;
  }

  revoke(token = BOT_TOKEN): void {
    this.#revoked.add(token);
  }

  /** A file of a message. */
  addFile(bytes: Buffer, name: string, mimetype: string): Json {
    const id = `F${String(++this.#number).padStart(7, "0")}`;
    this.#files.set(id, { bytes, name });
    return { id, name, mimetype, size: bytes.length, mode: "hosted", url_private_download: `${this.url}/files/${id}/${name}` };
  }

  uploaded(id: string): Buffer | undefined {
    return this.#files.get(id)?.bytes;
  }

  drop(how: "close" | "silent"): void {
    this.#wire = how;
    if (how === "close") this.#cut();
  }

  heal(): void {
    this.#wire = "up";
    this.#cut();
  }

  #cut(): void {
    for (const { ws } of this.#socks) ws.terminate();
    for (const socket of this.#connections) socket.destroy();
  }

  #welcome(ws: WebSocket, app: string): void {
    if (this.#wire !== "up") return;
    const sock: Sock = { ws, app, warned: false };
    ws.on("error", () => ws.terminate());
    ws.on("message", (data) => {
      const { envelope_id: id } = JSON.parse(String(data)) as { envelope_id?: string };
      if (id !== undefined && this.#waiting.delete(id)) this.#acked.push(id);
    });
    ws.on("close", () => {
      if (this.#socks.delete(sock) && this.#socks.size === 0) this.#deafSince = performance.now();
    });
    this.#socks.add(sock);
    this.welcomed++;
    this.most = Math.max(this.most, this.#socks.size);
    if (this.#deafSince !== null) this.gaps.push(performance.now() - this.#deafSince);
    this.#deafSince = null;
    const debug = { host: "loopback", approximate_connection_time: this.lifetime };
    ws.send(JSON.stringify({ type: "hello", num_connections: this.#socks.size, debug_info: debug, connection_info: { app_id: "A1" } }));
    // Unacknowledged events are sent again to the next connection.
    this.redeliver(app);
  }

  #deliver(envelope: Envelope, app: string): void {
    const open = [...this.#socks].filter((sock) => sock.app === app && sock.ws.readyState === sock.ws.OPEN);
    const sock = open.find(({ warned }) => !warned) ?? open[0];
    if (!sock || this.#wire !== "up") return;
    sock.ws.send(JSON.stringify({ ...envelope.frame, retry_attempt: envelope.tries++, retry_reason: envelope.tries > 1 ? "timeout" : "" }));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    await delayResponse(this.lagMs);
    if (this.#wire === "silent") return;
    const url = new URL(request.url ?? "/", this.url);
    const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    if (url.pathname.startsWith("/files/")) return this.#giveFile(response, url, token);
    if (url.pathname.startsWith("/upload/")) return this.#takeFile(response, url, body);
    if (url.pathname === "/respond") {
      this.responses.push(JSON.parse(body.toString("utf8")) as Json);
      return void response.writeHead(200).end("ok");
    }
    const method = url.pathname.replace(/^\/api\//, "");
    const call: Call = { method, token, params: paramsOf(request, body) };
    this.calls.push(call);
    const failure = this.#failures.get(method);
    if (failure && --failure.times <= 0) this.#failures.delete(method);
    const how = failure?.how;
    if (how === "close-before") return void request.socket.destroy();
    if (typeof how === "object" && "status" in how)
      return void response.writeHead(how.status, how.retryAfter === undefined ? {} : { "retry-after": String(how.retryAfter) }).end();
    try {
      if (typeof how === "object") throw new Refusal(how.error, how.needed);
      const result = this.#do(call);
      if (how === "close-after") return void request.socket.destroy();
      if (how === "hang") return;
      answer(response, { ok: true, ...result });
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      answer(response, { ok: false, error: err.message, ...(err.needed && { needed: err.needed }) });
    }
  }

  #giveFile(response: ServerResponse, url: URL, token: string): void {
    const file = this.#files.get(url.pathname.split("/")[2] ?? "");
    // Without a valid token Slack shows the page of its login.
    if (!Object.hasOwn(BOTS, token)) return void response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    serveFile(response, file?.name ?? "", file?.bytes);
  }

  #takeFile(response: ServerResponse, url: URL, body: Buffer): void {
    const file = this.#files.get(url.pathname.split("/")[2] ?? "");
    if (file) file.bytes = body;
    response.writeHead(file ? 200 : 404).end("OK");
  }

  #do({ method, token, params }: Call): Json {
    if (this.#revoked.has(token)) throw new Refusal("token_revoked");
    if (method === "apps.connections.open") {
      if (!Object.values(BOTS).some(({ app }) => app === token)) throw new Refusal("invalid_auth");
      return { url: `${this.url.replace("http:", "ws:")}/link?ticket=${++this.#number}&app=${encodeURIComponent(token)}` };
    }
    const bot = Object.hasOwn(BOTS, token) ? BOTS[token] : undefined;
    if (!bot) throw new Refusal("invalid_auth");
    if (method === "auth.test") return { url: this.url, team: "Team", user: bot.name, team_id: TEAM, user_id: bot.user, bot_id: bot.bot };
    if (method === "chat.postMessage") return this.#post(bot.user, params);
    if (method === "files.getUploadURLExternal") {
      const id = `F${String(++this.#number).padStart(7, "0")}`;
      this.#files.set(id, { bytes: Buffer.alloc(0), name: String(params["filename"]) });
      return { upload_url: `${this.url}/upload/${id}`, file_id: id };
    }
    if (method === "files.completeUploadExternal") {
      const files = params["files"] as { id: string }[];
      for (const { id } of files) {
        const file = this.#files.get(id);
        if (!file) throw new Refusal("file_not_found");
        const thread = params["thread_ts"] === undefined ? {} : { thread: String(params["thread_ts"]) };
        const text = String(params["initial_comment"] ?? "");
        this.#shown.push({
          channel: String(params["channel_id"]),
          ts: this.ts(),
          text,
          user: bot.user,
          file: file.name,
          reactions: [],
          ...thread,
        });
      }
      return { files };
    }
    if (method === "conversations.history" || method === "conversations.replies") return this.#read(method, params);
    return this.#onMessage(method, params);
  }

  #post(user: string, params: Json): Json {
    const channel = String(params["channel"]);
    if (!/^[CDGU][A-Z0-9]+$/.test(channel)) throw new Refusal("channel_not_found");
    checkText(params);
    const ts = this.ts();
    const shown: Shown = {
      channel,
      ts,
      user,
      text: String(params["text"] ?? ""),
      reactions: [],
      ...(params["thread_ts"] !== undefined && { thread: String(params["thread_ts"]) }),
      ...(params["blocks"] !== undefined && { blocks: params["blocks"] }),
      ...(params["metadata"] !== undefined && { metadata: params["metadata"] }),
    };
    this.#shown.push(shown);
    return { channel, ts, message: { type: "message", text: shown.text, user, ts } };
  }

  /** The newest first, in pages; metadata only for those who ask. */
  #read(method: string, params: Json): Json {
    const thread = params["ts"];
    const all = [
      ...this.#history.map((message) => ({ ...message })),
      ...this.#shown.map((one) => ({
        type: "message",
        channel: one.channel,
        ts: one.ts,
        text: one.text,
        user: one.user,
        ...(one.thread && { thread_ts: one.thread }),
        ...(String(params["include_all_metadata"]) === "true" && one.metadata ? { metadata: one.metadata } : {}),
      })),
    ] as Json[];
    const found = all
      .filter((one) => one["channel"] === params["channel"] && Number(one["ts"]) > Number(params["oldest"] ?? 0))
      .filter((one) =>
        method === "conversations.replies" ? one["thread_ts"] === thread || one["ts"] === thread : one["thread_ts"] === undefined,
      )
      .toSorted((a, b) => Number(b["ts"]) - Number(a["ts"]))
      .map(({ channel: _c, channel_type: _t, ...one }) => one);
    const from = Number(params["cursor"] ?? 0);
    const to = from + Math.min(200, Number(params["limit"] ?? 100));
    const more = to < found.length;
    return { messages: found.slice(from, to), has_more: more, response_metadata: { next_cursor: more ? String(to) : "" } };
  }

  #onMessage(method: string, params: Json): Json {
    const ts = String(params["ts"] ?? params["timestamp"]);
    const at = this.#shown.findIndex((one) => one.channel === params["channel"] && one.ts === ts);
    const one = this.#shown[at];
    const name = String(params["name"]);
    switch (method) {
      case "chat.update":
        if (!one) throw new Refusal("message_not_found");
        checkText(params);
        one.text = String(params["text"]);
        one.blocks = params["blocks"];
        return { channel: one.channel, ts, text: one.text };
      case "chat.delete":
        if (!one) throw new Refusal("message_not_found");
        this.#shown.splice(at, 1);
        return { channel: one.channel, ts };
      case "reactions.add":
        if (one?.reactions.includes(name)) throw new Refusal("already_reacted");
        one?.reactions.push(name);
        return {};
      case "reactions.remove":
        if (!one?.reactions.includes(name)) throw new Refusal("no_reaction");
        one.reactions.splice(one.reactions.indexOf(name), 1);
        return {};
      case "pins.add":
      case "pins.remove":
        return {};
      default:
        throw new Refusal("unknown_method");
    }
  }
}

/** Slack's rules about the text and the blocks of one message. */
function checkText(params: Json): void {
  const text = String(params["text"] ?? "");
  const blocks = (params["blocks"] as { type: string; text?: { text: string }; elements?: Json[] }[] | undefined) ?? [];
  if (text === "" && blocks.length === 0) throw new Refusal("no_text");
  if (text.length > 40_000) throw new Refusal("msg_too_long");
  const ids = blocks.flatMap((block) => block.elements ?? []).map((element) => element["action_id"]);
  if (blocks.length > 50 || blocks.some((block) => (block.text?.text.length ?? 0) > 3_000) || new Set(ids).size !== ids.length)
    throw new Refusal("invalid_blocks");
}

function answer(response: ServerResponse, body: Json): void {
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}

function paramsOf(request: IncomingMessage, body: Buffer): Json {
  const text = body.toString("utf8");
  if ((request.headers["content-type"] ?? "").startsWith("application/json")) return text ? (JSON.parse(text) as Json) : {};
  return Object.fromEntries([...new URLSearchParams(text)].map(([key, value]) => [key, /^[[{]/.test(value) ? jsonOr(value) : value]));
}

/** A text that only looks like JSON stays text. */
function jsonOr(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (err) {
    if (err instanceof SyntaxError) return value;
    throw err;
  }
}
