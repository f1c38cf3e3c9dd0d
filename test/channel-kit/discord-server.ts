import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { delayResponse } from "./response-delay.ts";
import { serveFile } from "./serve-file.ts";

type Json = Record<string, unknown>;
type Event = { op: 0; s: number; t: string; d: Json };
type Session = { id: string; seq: number; events: Event[]; socket: WebSocket | null; token: string };
export type Message = Json & { id: string; channel_id: string; content: string; author: Json };
export type Call = { method: string; path: string; body: Json; authorization: string | undefined };
/** `close-before`: the request is not handled, `close-after`: it is, and the answer is lost either way. */
export type Failure = { status: number; body?: Json; headers?: Record<string, string> } | "close-before" | "close-after";
export type Operation = "send" | "edit" | "typing" | "history" | "channel" | "gateway" | "original" | "callback" | "react";

type Options = {
  /** Messages per channel in `windowMs`, as Discord limits them. */
  limit?: { messages: number; windowMs: number };
  heartbeatMs?: number;
  /** The address that clients get for resuming sessions. Default: the server itself. */
  resumeUrl?: string;
  /** New sessions that are left today. */
  starts?: number;
  /** The application may not have the intent for message content. */
  noContent?: boolean;
};

const EPOCH = 1_420_070_400_000n;
export const BOT = "9000000000000000001";
export const OTHER_BOT = "9000000000000000002";
export const GUILD = "8000000000000000001";
export const ROOM = "7000000000000000001";
export const THREAD = "7000000000000000002";
export const OWN_ROLE = "5000000000000000009";
export const DIRECT = "7000000000000000003";
export const ALICE = "6000000000000000001";
export const BOB = "6000000000000000002";
export const DIRECT_BOB = "7000000000000000004";
const tokenOf = (bot: string): string => `${Buffer.from(bot).toString("base64url")}.AAAA.secret-of-the-bot`;

const alice = { id: ALICE, username: "alice", global_name: "Alice", discriminator: "0", avatar: null };
const bob = { id: BOB, username: "bob", global_name: "Bob", discriminator: "0", avatar: null };
/** The direct conversations that the bot can have. */
const DIRECTS: Readonly<Record<string, typeof alice>> = { [DIRECT]: alice, [DIRECT_BOB]: bob };
/** The role that Discord makes for a bot when it joins a server. */
const ownRole = (bot: string): Json => ({
  id: OWN_ROLE,
  name: "openclaw",
  color: 0,
  hoist: false,
  position: 1,
  permissions: "0",
  managed: true,
  mentionable: false,
  flags: 0,
  tags: { bot_id: bot },
});

const botUser = (id: string): Json => ({ id, username: "robot", discriminator: "0", avatar: null, bot: true });

type Reply = { status: number; body?: unknown; headers?: Record<string, string> };
const error = (status: number, code: number, message: string): Reply => ({ status, body: { code, message } });

/** Discord's gateway and HTTP API on loopback, as far as the promise depends on them. Driven by the reference library in its own test. */
export class DiscordServer {
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #ws = new WebSocketServer({ server: this.#http });
  readonly #sessions = new Map<string, Session>();
  readonly #messages: Message[] = [];
  readonly #nonces = new Map<string, Message>();
  readonly #interactions = new Map<string, { token: string; acknowledged: boolean; original: Message | null; channel: string }>();
  readonly #failures: { operation: Operation; how: Failure; times: number }[] = [];
  readonly #windows = new Map<string, { used: number; until: number }>();
  readonly #files = new Map<string, Uint8Array>();
  readonly #options: Required<Options>;
  readonly #tokens = new Set([tokenOf(BOT), tokenOf(OTHER_BOT)]);
  #counter = 0n;
  #silent = false;
  /** The requests of clients, in order. */
  readonly calls: Call[] = [];
  /** Payloads of the gateway, as clients sent them, without heartbeats. */
  readonly logins: Json[] = [];
  /** Numbers that clients reported with their heartbeats and resumes: what they say they have. */
  readonly acked: (number | null)[] = [];
  readonly closes: number[] = [];
  readonly reactions: { message: string; emoji: string; on: boolean }[] = [];
  readonly threads: Json[] = [];
  commands: Json[] = [];
  port = 0;
  /** How late everything is answered. */
  lagMs = 0;
  /** How far the clock is behind, by which messages are dated. */
  behindMs = 0;

  constructor(options: Options = {}) {
    this.#options = {
      limit: { messages: 10_000, windowMs: 1_000 },
      heartbeatMs: 400,
      resumeUrl: "",
      starts: 999,
      noContent: false,
      ...options,
    };
    this.#ws.on("connection", async (socket) => {
      await delayResponse(this.lagMs);
      this.#greet(socket);
    });
  }

  static async start(options?: Options): Promise<DiscordServer> {
    const server = new DiscordServer(options);
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    server.port = (server.#http.address() as AddressInfo).port;
    return server;
  }

  async close(): Promise<void> {
    for (const client of this.#ws.clients) client.terminate();
    this.#ws.close();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  config(more: object = {}, bot = BOT): { token: string; apiRoot: string } {
    return { token: tokenOf(bot), apiRoot: `${this.origin}/api/v10`, ...more };
  }

  /** An id of this moment. */
  id(at = this.#now()): string {
    return String(((BigInt(at) - EPOCH) << 22n) + ++this.#counter);
  }

  #now(): number {
    return Date.now() - this.behindMs;
  }

  /** The visible messages of the bot, in order. */
  sent(): readonly Message[] {
    return this.#messages.filter((message) => message.author["bot"] === true);
  }

  dispatch(t: string, d: Json): void {
    for (const session of this.#sessions.values()) this.#dispatchTo(session, t, d);
  }

  /** A person writes. With `quiet` only the history knows it, as when the bot's session is gone. */
  push(content: string, more: Json & { quiet?: boolean } = {}): Message {
    const { quiet, ...fields } = more;
    const isDirect = String(fields["channel_id"]) in DIRECTS;
    const message: Message = {
      id: this.id(),
      type: 0,
      channel_id: ROOM,
      content,
      author: alice,
      timestamp: new Date(this.#now()).toISOString(),
      edited_timestamp: null,
      tts: false,
      mention_everyone: false,
      mentions: [],
      mention_roles: [],
      attachments: [],
      embeds: [],
      pinned: false,
      ...fields,
    };
    this.#messages.push(message);
    const live = isDirect ? message : { ...message, guild_id: GUILD, member: { roles: ["5000000000000000001"], nick: null } };
    if (!quiet) this.dispatch("MESSAGE_CREATE", live);
    return message;
  }

  /** The newest message of a person once more, as an event of its own. */
  repeat(): void {
    const message = this.#messages.findLast(({ author }) => author["bot"] !== true);
    if (message) this.dispatch("MESSAGE_CREATE", message.channel_id in DIRECTS ? message : { ...message, guild_id: GUILD });
  }

  pushFile(name: string, type: string, bytes: Uint8Array, more: Json & { size?: number } = {}): Message {
    const path = `/attachments/1/2/${name}`;
    this.#files.set(path, bytes);
    const { size = bytes.length, content = "", ...fields } = more;
    const file = { id: this.id(), filename: name, size, content_type: type, url: `${this.origin}${path}`, proxy_url: "" };
    return this.push(String(content), { attachments: [file], ...fields });
  }

  /** Moves a file, so that its old address is an expired one. */
  expireFile(name: string): void {
    const old = `/attachments/1/2/${name}`;
    this.#files.set(`/attachments/1/new/${name}`, this.#files.get(old)!);
    this.#files.delete(old);
  }

  pushEdit(message: Message, content: string): void {
    Object.assign(message, { content, edited_timestamp: new Date().toISOString() });
    this.dispatch("MESSAGE_UPDATE", message.channel_id in DIRECTS ? message : { ...message, guild_id: GUILD });
  }

  pushDelete(message: Message): void {
    this.#messages.splice(this.#messages.indexOf(message), 1);
    const guild = message.channel_id in DIRECTS ? {} : { guild_id: GUILD };
    this.dispatch("MESSAGE_DELETE", { id: message.id, channel_id: message.channel_id, ...guild });
  }

  pushReaction(message: string, emoji: string, added: boolean, user = ALICE): void {
    const base = { user_id: user, channel_id: ROOM, guild_id: GUILD, message_id: message, emoji: { id: null, name: emoji } };
    this.dispatch(added ? "MESSAGE_REACTION_ADD" : "MESSAGE_REACTION_REMOVE", { ...base, type: 0, burst: false });
  }

  #pushInteraction(type: number, at: number, more: Json): { id: string; token: string } {
    const id = this.id(at);
    const token = `token-of-the-interaction-${id}`;
    this.#interactions.set(token, { token, acknowledged: false, original: null, channel: ROOM });
    const channel = { id: ROOM, type: 0, name: "general", guild_id: GUILD };
    const member = { user: alice, roles: [] };
    const base = { id, token, type, version: 1, application_id: BOT, guild_id: GUILD, channel_id: ROOM, channel, member };
    const rights = { app_permissions: "0", entitlements: [], authorizing_integration_owners: {}, attachment_size_limit: 10_000_000 };
    this.dispatch("INTERACTION_CREATE", { ...base, ...rights, ...more });
    return { id, token };
  }

  pushCommand(name: string, args: string, at = Date.now()): { id: string; token: string } {
    const options = args ? [{ name: "args", type: 3, value: args }] : [];
    return this.#pushInteraction(2, at, { data: { id: "1", name, type: 1, options } });
  }

  pushPress(message: string, token: string, user: Json = alice): { id: string; token: string } {
    const data = { custom_id: token, component_type: 2 };
    return this.#pushInteraction(3, Date.now(), { message: { id: message }, data, member: { user, roles: [] } });
  }

  /** Returns how often it has happened since. */
  fail(operation: Operation, how: Failure, times = 1): () => number {
    const failure = { operation, how, times };
    this.#failures.push(failure);
    return () => times - failure.times;
  }

  /** Some minutes have passed: a repeated nonce is a new message. */
  forgetNonces(): void {
    this.#nonces.clear();
  }

  /** Ends every session and says so, or (`quietly`) lets the client find out when it resumes. */
  endSessions(how: "told" | "quietly" = "told"): void {
    for (const { socket } of this.#sessions.values()) {
      if (how === "told") socket?.close(4009, "Session timed out.");
      else socket?.terminate();
    }
    this.#sessions.clear();
  }

  /** Sends a raw payload to every client. */
  say(payload: unknown): void {
    for (const client of this.#ws.clients) client.send(typeof payload === "string" ? payload : JSON.stringify(payload));
  }

  closeAll(code: number, reason = ""): void {
    for (const client of this.#ws.clients) client.close(code, reason);
  }

  /** The token is good no more. Discord closes the connection, or (`quietly`) only refuses what is asked. */
  revoke(how: "told" | "quietly" = "told"): void {
    this.#tokens.clear();
    if (how === "told") this.closeAll(4004, "Authentication failed.");
  }

  drop(how: "close" | "silent"): void {
    if (how === "silent") this.#silent = true;
    else for (const client of this.#ws.clients) client.terminate();
  }

  heal(): void {
    this.#silent = false;
  }

  // ---- gateway

  #greet(socket: WebSocket): void {
    let session: Session | null = null;
    const write = (payload: Json): void => {
      if (!this.#silent) socket.send(JSON.stringify(payload));
    };
    write({ op: 10, d: { heartbeat_interval: this.#options.heartbeatMs } });
    socket.on("close", (code) => {
      this.closes.push(code);
      if (session?.socket === socket) session.socket = null;
      if (session && (code === 1000 || code === 1001)) this.#sessions.delete(session.id);
    });
    socket.on("message", (data) => {
      if (this.#silent) return;
      const { op, d } = JSON.parse(String(data)) as { op: number; d: Json };
      if (op === 1) {
        this.acked.push(d as unknown as number | null);
        return write({ op: 11 });
      }
      if (session) return socket.close(4005, "Already authenticated.");
      this.logins.push({ op, ...d });
      if (op !== 2 && op !== 6) return socket.close(4003, "Not authenticated.");
      if (!this.#tokens.has(String(d["token"]))) return socket.close(4004, "Authentication failed.");
      if (op === 2) session = this.#identify(socket, d);
      else session = this.#resume(socket, d, write);
    });
  }

  #identify(socket: WebSocket, d: Json): Session | null {
    if (this.#options.noContent && (Number(d["intents"]) & (1 << 15)) !== 0) {
      socket.close(4014, "Disallowed intent(s).");
      return null;
    }
    const id = `session-${this.id()}`;
    const session: Session = { id, seq: 0, events: [], socket, token: String(d["token"]) };
    this.#sessions.set(id, session);
    const bot = session.token === tokenOf(BOT) ? BOT : OTHER_BOT;
    this.#dispatchTo(session, "READY", {
      v: 10,
      user: botUser(bot),
      guilds: [{ id: GUILD, unavailable: true }],
      session_id: id,
      resume_gateway_url: this.#options.resumeUrl || `ws://127.0.0.1:${this.port}`,
      application: { id: bot, flags: 0 },
      shard: [0, 1],
    });
    this.#dispatchTo(session, "GUILD_CREATE", {
      id: GUILD,
      name: "Home",
      owner_id: ALICE,
      member_count: 2,
      roles: [ownRole(bot)],
      emojis: [],
      members: [{ user: botUser(bot), roles: [], joined_at: new Date().toISOString(), deaf: false, mute: false, flags: 0 }],
      channels: [{ id: ROOM, type: 0, name: "general", position: 0, permission_overwrites: [] }],
      threads: [],
      voice_states: [],
      presences: [],
      features: [],
      unavailable: false,
    });
    return session;
  }

  #resume(socket: WebSocket, d: Json, write: (payload: Json) => void): Session | null {
    const session = this.#sessions.get(String(d["session_id"]));
    const seq = Number(d["seq"]);
    this.acked.push(seq);
    if (!session || session.token !== d["token"]) {
      write({ op: 9, d: false });
      return null;
    }
    if (seq > session.seq) {
      socket.close(4007, "Invalid seq.");
      return null;
    }
    session.socket = socket;
    for (const event of session.events.filter((event) => event.s > seq)) write(event);
    this.#dispatchTo(session, "RESUMED", {});
    return session;
  }

  #dispatchTo(session: Session, t: string, d: Json): void {
    const event: Event = { op: 0, s: ++session.seq, t, d };
    session.events.push(event);
    if (session.socket && !this.#silent) session.socket.send(JSON.stringify(event));
  }

  // ---- HTTP

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    await delayResponse(this.lagMs);
    const url = new URL(request.url ?? "/", this.origin);
    if (url.pathname.startsWith("/attachments/")) {
      return serveFile(response, url.pathname.split("/").at(-1)!, this.#files.get(url.pathname));
    }
    const path = url.pathname.replace(/^\/api\/v10/, "").replaceAll("%40", "@");
    const body = await parseBody(Buffer.concat(chunks), request.headers["content-type"] ?? "");
    const { authorization } = request.headers;
    const method = request.method ?? "GET";
    this.calls.push({ method, path, body, authorization });
    const operation = operationOf(method, path);
    const failure = this.#failures.find((one) => one.operation === operation && one.times > 0);
    if (failure) failure.times--;
    if (failure?.how === "close-before") return void request.socket.destroy();
    const isOwn = !/^\/(?:webhooks|interactions)\//.test(path);
    const known = this.#tokens.has((authorization ?? "").replace(/^Bot /, ""));
    const reply =
      failure && failure.how !== "close-after"
        ? failure.how
        : isOwn && !known
          ? error(401, 0, "401: Unauthorized")
          : this.#answer(method, path, body, url.searchParams);
    if (failure?.how === "close-after") return void request.socket.destroy();
    response.writeHead(reply.status, { ...(reply.body !== undefined && { "content-type": "application/json" }), ...reply.headers });
    response.end(reply.body === undefined ? "" : JSON.stringify(reply.body));
  }

  #answer(method: string, path: string, body: Json, query: URLSearchParams): Reply {
    for (const [wanted, pattern, handler] of this.#routes) {
      const found = wanted === method ? pattern.exec(path) : null;
      if (found) return handler(found.slice(1).map(decodeURIComponent), body, query);
    }
    return error(404, 0, "404: Not Found");
  }

  readonly #routes: readonly (readonly [string, RegExp, (ids: string[], body: Json, query: URLSearchParams) => Reply])[] = [
    [
      "GET",
      /^\/gateway\/bot$/,
      () => ({
        status: 200,
        body: {
          url: `ws://127.0.0.1:${this.port}`,
          shards: 1,
          session_start_limit: { total: 1_000, remaining: this.#options.starts, reset_after: 60_000, max_concurrency: 1 },
        },
      }),
    ],
    ["GET", /^\/users\/@me$/, () => ({ status: 200, body: botUser(BOT) })],
    ["POST", /^\/users\/@me\/channels$/, (_, body) => this.#openDirect(String(body["recipient_id"]))],
    ["GET", /^\/channels\/(\d+)$/, ([id = ""]) => this.#channel(id)],
    ["GET", /^\/channels\/(\d+)\/messages$/, ([id = ""], _, query) => this.#history(id, query)],
    ["POST", /^\/channels\/(\d+)\/messages$/, ([id = ""], body) => this.#create(id, body)],
    ["PATCH", /^\/channels\/(\d+)\/messages\/(\d+)$/, ([, id = ""], body) => this.#edit(id, body)],
    ["DELETE", /^\/channels\/(\d+)\/messages\/(\d+)$/, ([, id = ""]) => this.#remove(id)],
    ["PUT", /^\/channels\/\d+\/messages\/(\d+)\/reactions\/([^/]+)\/@me$/, ([id = "", emoji = ""]) => this.#react(id, emoji, true)],
    ["DELETE", /^\/channels\/\d+\/messages\/(\d+)\/reactions\/([^/]+)\/@me$/, ([id = "", emoji = ""]) => this.#react(id, emoji, false)],
    ["PUT", /^\/channels\/\d+\/messages\/pins\/(\d+)$/, ([id = ""]) => this.#pin(id, true)],
    ["DELETE", /^\/channels\/\d+\/messages\/pins\/(\d+)$/, ([id = ""]) => this.#pin(id, false)],
    ["POST", /^\/channels\/(\d+)\/typing$/, () => ({ status: 204 })],
    ["POST", /^\/channels\/(\d+)(?:\/messages\/\d+)?\/threads$/, ([id = ""], body) => this.#openThread(id, body)],
    ["GET", /^\/applications\/\d+\/commands$/, () => ({ status: 200, body: this.commands })],
    ["PUT", /^\/applications\/\d+\/commands$/, (_, body) => ({ status: 200, body: (this.commands = body as unknown as Json[]) })],
    ["POST", /^\/interactions\/(\d+)\/([^/]+)\/callback$/, ([id = "", token = ""], body) => this.#callback(id, token, body)],
    ["GET", /^\/webhooks\/\d+\/([^/]+)\/messages\/@original$/, ([token = ""]) => this.#original(token, null)],
    ["PATCH", /^\/webhooks\/\d+\/([^/]+)\/messages\/@original$/, ([token = ""], body) => this.#original(token, body)],
    ["POST", /^\/attachments\/refresh-urls$/, (_, body) => this.#refresh(body)],
  ];

  #channel(id: string): Reply {
    if (id === ROOM) return { status: 200, body: { id, type: 0, guild_id: GUILD, name: "general", parent_id: null } };
    if (id === THREAD) return { status: 200, body: { id, type: 11, guild_id: GUILD, name: "a thread", parent_id: ROOM } };
    const peer = DIRECTS[id];
    if (peer) return { status: 200, body: { id, type: 1, recipients: [peer] } };
    return error(404, 10003, "Unknown Channel");
  }

  #openDirect(person: string): Reply {
    const found = Object.entries(DIRECTS).find(([, peer]) => peer.id === person);
    return found ? { status: 200, body: { id: found[0], type: 1, recipients: [found[1]] } } : error(400, 50033, "Invalid Recipient(s)");
  }

  #history(channel: string, query: URLSearchParams): Reply {
    const after = BigInt(query.get("after") ?? "0");
    const found = this.#messages.filter((message) => message.channel_id === channel && BigInt(message.id) > after);
    return { status: 200, body: found.slice(0, Number(query.get("limit") ?? 50)).toReversed() };
  }

  #create(channel: string, body: Json): Reply {
    const window = this.#windows.get(channel);
    const now = Date.now();
    const { messages, windowMs } = this.#options.limit;
    const open = window && window.until > now ? window : { used: 0, until: now + windowMs };
    this.#windows.set(channel, open);
    const headers = {
      "x-ratelimit-bucket": "messages",
      "x-ratelimit-limit": String(messages),
      "x-ratelimit-remaining": String(Math.max(0, messages - open.used - 1)),
      "x-ratelimit-reset-after": String((open.until - now) / 1_000),
    };
    if (open.used >= messages) {
      const retry_after = (open.until - now) / 1_000;
      const limited = { ...headers, "retry-after": String(Math.ceil(retry_after)), "x-ratelimit-scope": "user" };
      return { status: 429, headers: limited, body: { message: "You are being rate limited.", retry_after, global: false } };
    }
    open.used++;
    if (this.#channel(channel).status !== 200) return error(404, 10003, "Unknown Channel");
    const nonce = `${channel} ${String(body["nonce"])}`;
    const known = body["enforce_nonce"] === true ? this.#nonces.get(nonce) : undefined;
    if (known) return { status: 200, headers, body: known };
    const content = String(body["content"] ?? "");
    if (content.length > 2_000) return error(400, 50035, "Invalid Form Body");
    if (content === "" && !body["attachments"] && !body["poll"]) return error(400, 50006, "Cannot send an empty message");
    const message: Message = {
      ...body,
      id: this.id(),
      type: body["message_reference"] ? 19 : 0,
      channel_id: channel,
      content,
      author: botUser(BOT),
      timestamp: new Date(this.#now()).toISOString(),
      edited_timestamp: null,
      mentions: [],
      mention_roles: [],
      mention_everyone: false,
      attachments: [],
      files: body["files"],
      embeds: [],
      tts: false,
      pinned: false,
    };
    this.#messages.push(message);
    this.#nonces.set(nonce, message);
    const { files: _, ...shown } = message;
    this.dispatch("MESSAGE_CREATE", channel in DIRECTS ? shown : { ...shown, guild_id: GUILD });
    return { status: 200, headers, body: shown };
  }

  #edit(id: string, body: Json): Reply {
    const message = this.#messages.find((one) => one.id === id);
    if (!message) return error(404, 10008, "Unknown Message");
    if (String(body["content"] ?? "").length > 2_000) return error(400, 50035, "Invalid Form Body");
    Object.assign(message, body, { edited_timestamp: new Date().toISOString() });
    return { status: 200, body: message };
  }

  #remove(id: string): Reply {
    const at = this.#messages.findIndex((one) => one.id === id);
    if (at < 0) return error(404, 10008, "Unknown Message");
    this.#messages.splice(at, 1);
    return { status: 204 };
  }

  #react(message: string, emoji: string, on: boolean): Reply {
    if (!this.#messages.some((one) => one.id === message)) return error(404, 10008, "Unknown Message");
    this.reactions.push({ message, emoji, on });
    return { status: 204 };
  }

  #pin(id: string, pinned: boolean): Reply {
    const message = this.#messages.find((one) => one.id === id);
    if (!message) return error(404, 10008, "Unknown Message");
    message["pinned"] = pinned;
    return { status: 204 };
  }

  #openThread(channel: string, body: Json): Reply {
    const thread = { id: THREAD, type: 11, guild_id: GUILD, parent_id: channel, ...body };
    this.threads.push(thread);
    return { status: 201, body: thread };
  }

  #callback(id: string, token: string, body: Json): Reply {
    const interaction = this.#interactions.get(token);
    const age = Date.now() - Number((BigInt(id) >> 22n) + EPOCH);
    if (!interaction || age > 3_000) return error(404, 10062, "Unknown interaction");
    if (interaction.acknowledged) return error(400, 40060, "Interaction has already been acknowledged.");
    interaction.acknowledged = true;
    if (body["type"] === 5) {
      interaction.original = { id: this.id(), channel_id: interaction.channel, content: "", flags: 128, author: botUser(BOT) };
      this.#messages.push(interaction.original);
    }
    return { status: 204 };
  }

  #original(token: string, body: Json | null): Reply {
    const original = this.#interactions.get(token)?.original;
    if (!original) return error(404, 10015, "Unknown Webhook");
    if (body) Object.assign(original, body, { flags: 0 });
    return { status: 200, body: original };
  }

  #refresh(body: Json): Reply {
    const urls = (body["attachment_urls"] as string[]).map((original) => ({ original, refreshed: original.replace("/1/2/", "/1/new/") }));
    return { status: 200, body: { refreshed_urls: urls } };
  }
}

function operationOf(method: string, path: string): Operation | null {
  if (path === "/gateway/bot") return "gateway";
  if (path.endsWith("/typing")) return "typing";
  if (path.endsWith("/callback")) return "callback";
  if (path.endsWith("/@original")) return "original";
  if (path.includes("/reactions/")) return "react";
  if (/^\/channels\/\d+$/.test(path)) return "channel";
  if (path.endsWith("/messages")) return method === "POST" ? "send" : "history";
  return method === "PATCH" ? "edit" : null;
}

async function parseBody(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<Json> {
  if (bytes.length === 0) return {};
  if (!type.startsWith("multipart/")) return JSON.parse(Buffer.from(bytes).toString()) as Json;
  const form = await new Response(bytes, { headers: { "content-type": type } }).formData();
  const files = await Promise.all(
    [...form.entries()].flatMap(([, value]) =>
      typeof value === "string" ? [] : [value.bytes().then((data) => ({ name: value.name, data }))],
    ),
  );
  return { ...(JSON.parse(String(form.get("payload_json"))) as Json), files };
}
