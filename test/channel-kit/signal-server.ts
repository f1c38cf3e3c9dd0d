import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { delayResponse } from "./response-delay.ts";
import { parseStyles } from "./signal-styles.ts";
import { WebSocketServer, type WebSocket } from "ws";

type Json = Record<string, unknown>;
export type Call = { method: string; params: Json };
/** How an operation goes wrong: an answer, a connection that is closed before or after the request took effect, or no answer at all. */
export type Failure =
  | { code: number; message: string; results?: Json[] }
  | { status: number; error: string }
  | "close-before"
  | "close-after"
  | "hang";
type Style = { start: number; length: number; style: string };
type Shown = {
  at: number;
  /** Id or number of a person, or id of a group. */ to: string;
  text: string;
  styles: readonly Style[];
  files: readonly { mimeType: string; name: string; bytes: Buffer }[];
  quote?: { at: number; author: string; text: string };
  edits: number;
  removed?: true;
  pinned?: boolean;
};
export type Human = { uuid: string; number: string; name: string };
/** A client that reads notifications: a stream of the daemon, or a socket of the container. */
type Reader = { account: string | null; write: (notification: Json) => void; end: () => void };

class RpcError extends Error {
  readonly code: number;
  readonly results: readonly Json[] | undefined;

  constructor(code: number, message: string, results?: readonly Json[]) {
    super(message);
    this.code = code;
    this.results = results;
  }
}

export const NUMBER = "+15550000001";
export const OTHER_NUMBER = "+15550000002";
export const SELF_UUID = "00000000-0000-4000-8000-000000000001";
export const ADA: Human = { uuid: "aaaaaaaa-0000-4000-8000-000000000007", number: "+15550000007", name: "Ada" };
export const BOB: Human = { uuid: "bbbbbbbb-0000-4000-8000-000000000008", number: "+15550000008", name: "Bob" };
export const GROUP = Buffer.alloc(32, 7).toString("base64");
const STYLES = new Set(["BOLD", "ITALIC", "STRIKETHROUGH", "MONOSPACE", "SPOILER"]);

/**
 * Signal as signal-cli shows it, on loopback: the HTTP API of its daemon and that of the REST container at once. Messages wait while no
 * client listens, as with `--receive-mode on-connection`; what was written to a listener is never written again.
 */
export class SignalServer {
  readonly calls: Call[] = [];
  readonly accounts = new Set([NUMBER, OTHER_NUMBER]);
  readonly reactions: Json[] = [];
  /** Of the container. */
  mode = "json-rpc";
  /** Started with -a: it has one account and no list. */
  only: string | null = null;
  /** How late everything is answered. */
  lagMs = 0;
  keepAliveMs = 15_000;
  pingMs = 54_000;
  readonly #shown: Shown[] = [];
  readonly #waiting: Json[] = [];
  readonly #readers = new Set<Reader>();
  readonly #files = new Map<string, Buffer>();
  readonly #unfetchable = new Map<string, Failure>();
  readonly #failures = new Map<string, { how: Failure; times: number }>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #wss = new WebSocketServer({ noServer: true });
  #wire: "up" | "close" | "silent" = "up";
  #clock = Date.now();
  /** The number of the phone that scans the code. */
  #scanned = Promise.withResolvers<string>();

  static async start(port = 0): Promise<SignalServer> {
    const server = new SignalServer();
    server.#server.on("connection", (socket) => {
      if (server.#wire === "close") return socket.destroy();
      server.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => server.#sockets.delete(socket));
    });
    server.#server.on("upgrade", async (request, socket, head) => {
      await delayResponse(server.lagMs);
      if (server.#wire === "silent") return;
      server.#wss.handleUpgrade(request, socket, head, (ws) => server.#onSocket(ws, request.url ?? "/"));
    });
    server.#server.listen(port, "127.0.0.1");
    await new Promise((resolve) => server.#server.once("listening", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  config(number = NUMBER, kind: "external-native" | "container" = "external-native"): Json {
    return { account: number, accountUuid: SELF_UUID, transport: { kind, url: this.url } };
  }

  async close(): Promise<void> {
    this.#cut();
    this.#wss.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A time that no other message has. */
  now(): number {
    this.#clock = Math.max(this.#clock + 1, Date.now());
    return this.#clock;
  }

  /** A notification as signal-cli writes it. */
  push(envelope: Json, account = NUMBER): void {
    this.pushRaw({ account, envelope });
  }

  pushRaw(notification: Json): void {
    const reader = [...this.#readers].find((each) => each.account === null || each.account === notification["account"]);
    if (reader && this.#wire === "up") reader.write(notification);
    else this.#waiting.push(notification);
  }

  envelope(from: Human, fields: Json): Json {
    const timestamp = this.now();
    return {
      source: from.number,
      sourceNumber: from.number,
      sourceUuid: from.uuid,
      sourceName: from.name,
      sourceDevice: 1,
      timestamp,
      serverReceivedTimestamp: timestamp + 20,
      serverDeliveredTimestamp: timestamp + 30,
      ...fields,
    };
  }

  /** A person writes to the bot, or into the group. Returns the message's time. */
  say(text: string, { from = ADA, group = false, ...more }: { from?: Human; group?: boolean } & Json = {}, account = NUMBER): number {
    const timestamp = this.now();
    const groupInfo = group ? { groupInfo: { groupId: GROUP, groupName: "Room", revision: 3, type: "DELIVER" } } : {};
    const dataMessage = { timestamp, message: text, expiresInSeconds: 0, viewOnce: false, ...groupInfo, ...more };
    this.push({ ...this.envelope(from, { dataMessage }), timestamp }, account);
    return timestamp;
  }

  /** The same with a mention of the bot in front. */
  mention(text: string, more: { from?: Human; group?: boolean } & Json = {}): number {
    const mentions = [{ name: NUMBER, number: NUMBER, uuid: SELF_UUID, start: 0, length: 1 }];
    return this.say(`\ufffc ${text}`, { group: true, ...more, mentions });
  }

  /** A file that was received; see serve-file.ts for what its name does. Returns its attachment. */
  addFile(bytes: Buffer, contentType = "image/png", filename: string | null = "photo.png"): Json {
    const id = `file-${this.#files.size + 1}.bin`;
    this.#files.set(id, bytes);
    if (filename?.startsWith("stalled")) this.#unfetchable.set(id, "hang");
    if (filename?.startsWith("broken")) this.#unfetchable.set(id, "close-after");
    return { contentType, filename, id, size: bytes.length, width: 1, height: 1, caption: null, uploadTimestamp: this.now() };
  }

  sent(): readonly string[] {
    return this.shown().map(({ text }) => text);
  }

  shown(): readonly Shown[] {
    return this.#shown.filter(({ removed }) => !removed);
  }

  of(method: string): readonly Json[] {
    return this.calls.filter((call) => call.method === method).map(({ params }) => params);
  }

  listening(): number {
    return this.#readers.size;
  }

  /** Returns how often it has happened since. */
  fail(method: string, how: Failure, times = 1): () => number {
    const failure = { how, times };
    this.#failures.set(method, failure);
    return () => times - failure.times;
  }

  /** The phone has unlinked the device. */
  unlink(number = NUMBER): void {
    this.accounts.delete(number);
    for (const reader of this.#readers) if (reader.account === number) reader.end();
  }

  /** Someone scans the code, with the phone of that number. */
  scan(number = NUMBER): void {
    this.accounts.add(number);
    this.#scanned.resolve(number);
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
    for (const socket of this.#sockets) socket.destroy();
    this.#readers.clear();
  }

  /** The first reader of an account gets the messages that wait for it. */
  #read(reader: Reader): () => void {
    this.#readers.add(reader);
    const mine = this.#waiting.filter((each) => reader.account === null || each["account"] === reader.account);
    for (const each of mine) {
      this.#waiting.splice(this.#waiting.indexOf(each), 1);
      reader.write(each);
    }
    return () => this.#readers.delete(reader);
  }

  #onSocket(ws: WebSocket, path: string): void {
    const number = decodeURIComponent(path.split("/").at(-1)!);
    const ping = setInterval(() => this.#wire === "up" && ws.ping(), this.pingMs);
    const write = (notification: Json): void => ws.send(JSON.stringify(notification));
    const leave = this.#read({ account: number, write, end: () => ws.close() });
    ws.on("error", () => ws.terminate());
    ws.on("close", () => {
      clearInterval(ping);
      leave();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#wire === "silent") return;
    const url = new URL(request.url ?? "/", this.url);
    const body = await bodyOf(request);
    await delayResponse(this.lagMs);
    if (this.#wire !== "up") return;
    switch (url.pathname) {
      case "/api/v1/check":
        return void response.writeHead(request.method === "GET" ? 200 : 405).end();
      case "/api/v1/events":
        return this.#events(response, url.searchParams.get("account"));
      case "/api/v1/rpc":
        if (request.method !== "POST") return void response.writeHead(405).end();
        if (!String(request.headers["content-type"] ?? "").startsWith("application/json")) return void response.writeHead(415).end();
        return this.#rpc(request, response, body);
      default:
        return this.#rest(request, response, url, body);
    }
  }

  #events(response: ServerResponse, account: string | null): void {
    if (account !== null && this.only === null && !this.accounts.has(account)) return void response.writeHead(400).end();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    const alive = setInterval(() => this.#wire === "up" && response.write(":\n"), this.keepAliveMs);
    const write = (notification: Json): void => void response.write(`event:receive\ndata:${JSON.stringify(notification)}\n\n`);
    const leave = this.#read({ account: this.only === null ? account : null, write, end: () => response.end() });
    response.on("close", () => {
      clearInterval(alive);
      leave();
    });
  }

  async #rpc(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const one = async (asked: unknown): Promise<Json> => {
      const { id = null, method, params = {}, jsonrpc } = asObject(asked);
      try {
        if (jsonrpc !== "2.0") throw new RpcError(-32_600, "only jsonrpc version 2.0 is supported");
        return { jsonrpc: "2.0", result: await this.#call(String(method), asObject(params), request), id };
      } catch (err) {
        if (!(err instanceof RpcError)) throw err;
        const data = err.results ? { response: { timestamp: this.now(), results: err.results } } : null;
        return { jsonrpc: "2.0", error: { code: err.code, message: err.message, data }, id };
      }
    };
    const asked = parse(body);
    let answer: unknown;
    if (asked === undefined) answer = { jsonrpc: "2.0", error: { code: -32_700, message: "Unrecognized token", data: null }, id: null };
    else if (!Array.isArray(asked)) answer = await one(asked);
    else if (asked.length === 0) answer = { jsonrpc: "2.0", error: { code: -32_600, message: "invalid request", data: null }, id: null };
    else answer = await Promise.all(asked.map(one));
    if (!request.socket.destroyed && this.#wire === "up") json(response, 200, answer);
  }

  /** One command of signal-cli. */
  async #call(method: string, given: Json, request: IncomingMessage): Promise<unknown> {
    const { account, ...params } = given;
    this.calls.push({ method, params });
    const how = this.#failing(method) ?? (method === "getAttachment" ? this.#unfetchable.get(String(params["id"])) : undefined);
    if (how === "close-before") return void request.socket.destroy();
    if (typeof how === "object") {
      if ("status" in how) throw new RpcError(-1, how.error);
      throw new RpcError(how.code, how.message, how.results);
    }
    const result = await this.#command(method, account, params);
    if (how === "close-after") return void request.socket.destroy();
    if (how === "hang") await new Promise(() => undefined);
    return result;
  }

  #failing(method: string): Failure | undefined {
    const failure = this.#failures.get(method);
    if (failure && --failure.times <= 0) this.#failures.delete(method);
    return failure?.how;
  }

  async #command(method: string, account: unknown, params: Json): Promise<unknown> {
    const general = GENERAL[method];
    if (general) {
      if (this.only !== null && method !== "version") throw new RpcError(-32_601, "Method not implemented");
      return general(this.accounts, () => this.#scanned.promise.finally(() => (this.#scanned = Promise.withResolvers())), params);
    }
    if (!COMMANDS.has(method)) throw new RpcError(-32_601, "Method not implemented");
    if (this.only === null && account === undefined) throw new RpcError(-32_602, "Method requires valid account parameter");
    if (this.only === null && !this.accounts.has(String(account))) throw new RpcError(-32_602, "Specified account does not exist");
    if (method === "getAttachment") {
      const bytes = this.#files.get(String(params["id"]));
      if (!bytes) throw new RpcError(-1, "Could not find attachment with ID");
      if (params["recipient"] === undefined && params["groupId"] === undefined)
        throw new RpcError(-1, "Either recipient or group is needed");
      return { data: bytes.toString("base64") };
    }
    return this.#toSomebody(method, String(account), params);
  }

  #toSomebody(method: string, account: string, params: Json): Json {
    const to = params["groupId"] ?? (params["recipient"] as unknown[] | undefined)?.[0];
    if (to === undefined) throw new RpcError(-1, "No recipients given");
    const whom = String(to);
    if (params["groupId"] === undefined && !/^(\+\d{6,15}|[0-9a-f-]{36})$/.test(whom)) throw new RpcError(-1, `Invalid recipient ${whom}`);
    const timestamp = this.now();
    if (method === "send") this.#show(whom, timestamp, params);
    if (method === "sendReaction") this.reactions.push({ ...params, from: account });
    const meant = Number(params["targetTimestamp"]);
    const message = this.#shown.find(({ at }) => at === meant);
    if (method === "remoteDelete" && message) message.removed = true;
    if (message && method === "sendPinMessage") message.pinned = true;
    if (message && method === "sendUnpinMessage") message.pinned = false;
    if (method === "sendPollCreate")
      this.#shown.push({ at: timestamp, to: whom, text: String(params["question"]), styles: [], files: [], edits: 0 });
    const recipientAddress = { uuid: ADA.uuid, number: ADA.number, username: null };
    return { timestamp, results: [{ recipientAddress, type: "SUCCESS" }] };
  }

  #show(to: string, at: number, params: Json): void {
    const text = String(params["message"] ?? "");
    const styles = (asList(params["textStyle"]) as string[]).map((style) => toStyle(style, text));
    const files = (asList(params["attachments"]) as string[]).map(toFile);
    if (text === "" && files.length === 0)
      throw new RpcError(-1, "Sending empty message is not allowed, either a message, attachment or sticker must be given.");
    if (params["quoteTimestamp"] !== undefined && params["quoteAuthor"] === undefined)
      throw new RpcError(-1, "Quote author parameter is missing");
    const edited = this.#shown.find((message) => message.at === params["editTimestamp"]);
    if (edited) return void Object.assign(edited, { text, styles, edits: edited.edits + 1 });
    const quote = {
      at: Number(params["quoteTimestamp"]),
      author: String(params["quoteAuthor"]),
      text: String(params["quoteMessage"] ?? ""),
    };
    this.#shown.push({ at, to, text, styles, files, edits: 0, ...(params["quoteTimestamp"] !== undefined && { quote }) });
  }

  /** The container's paths, by what they make signal-cli do. */
  async #rest(request: IncomingMessage, response: ServerResponse, url: URL, raw: string): Promise<void> {
    const [, version = "", what = "", ...rest] = url.pathname.split("/").map(decodeURIComponent);
    const body = asObject(parse(raw));
    const path = `${request.method} /${version}/${what}`;
    if (path === "GET /v1/about") return json(response, 200, { versions: ["v1", "v2"], build: 2, mode: this.mode, version: "0.99" });
    if (path === "GET /v1/accounts") return json(response, 200, [...this.accounts]);
    if (path === "GET /v1/qrcodelink") return json(response, 200, { device_link_uri: "sgnl://linkdevice?uuid=x&pub_key=y" });
    if (path === "GET /v1/attachments") {
      const bytes = this.#files.get(rest[0] ?? "");
      return void response.writeHead(bytes ? 200 : 404).end(bytes ?? "");
    }
    const asked = toCommand(path, rest, body);
    if (!asked) return void response.writeHead(404, { "content-type": "text/html" }).end("<h1>404 Not Found</h1>");
    const how = this.#failures.get(asked.method)?.how;
    if (typeof how === "object" && "status" in how) {
      this.#failing(asked.method);
      return json(response, how.status, { error: how.error });
    }
    try {
      const result = (await this.#call(asked.method, asked.params, request)) as Json | undefined;
      if (request.socket.destroyed || this.#wire !== "up") return;
      if (asked.status === 204) return void response.writeHead(204).end();
      json(response, asked.status, { timestamp: String(result?.["timestamp"]) });
    } catch (err) {
      if (!(err instanceof RpcError)) throw err;
      json(response, err.code === -5 ? 429 : 400, { error: err.message });
    }
  }
}

const COMMANDS = new Set([
  "send",
  "sendReaction",
  "remoteDelete",
  "sendTyping",
  "getAttachment",
  "sendPinMessage",
  "sendUnpinMessage",
  "sendPollCreate",
]);

type General = (accounts: ReadonlySet<string>, scanned: () => Promise<string>, params: Json) => unknown;
/** Commands about no account. */
const GENERAL: Readonly<Record<string, General>> = {
  version: () => ({ version: "0.13.19" }),
  listAccounts: (accounts) => [...accounts].map((number) => ({ number })),
  startLink: () => ({ deviceLinkUri: "sgnl://linkdevice?uuid=x&pub_key=y" }),
  finishLink: async (_accounts, scanned, params) => {
    if (params["deviceLinkUri"] !== "sgnl://linkdevice?uuid=x&pub_key=y") throw new RpcError(-1, "Unknown device link uri.");
    return { number: await scanned() };
  },
};

function toCommand(path: string, rest: readonly string[], body: Json): { method: string; params: Json; status: number } | null {
  const recipient = String(body["recipient"] ?? asList(body["recipients"])[0] ?? rest[1] ?? "");
  const whom = recipient.startsWith("group.")
    ? { groupId: Buffer.from(recipient.slice(6), "base64").toString() }
    : { recipient: [recipient] };
  const target = { targetTimestamp: body["timestamp"], targetAuthor: body["target_author"] };
  const account = body["number"] ?? rest[0];
  const given = (method: string, status: number, params: Json) => ({ method, status, params: { account, ...whom, ...params } });
  switch (path) {
    case "POST /v2/send": {
      const marked = body["text_mode"] === "styled" ? parseStyles(String(body["message"])) : { text: String(body["message"]), styles: [] };
      return given("send", 201, {
        message: marked.text,
        textStyle: marked.styles,
        attachments: body["base64_attachments"],
        editTimestamp: body["edit_timestamp"],
        ...(body["quote_timestamp"] !== undefined && {
          quoteTimestamp: body["quote_timestamp"],
          quoteAuthor: body["quote_author"],
          quoteMessage: body["quote_message"],
        }),
      });
    }
    case "POST /v1/reactions":
      return given("sendReaction", 204, { emoji: body["reaction"], remove: false, ...target });
    case "DELETE /v1/reactions":
      return given("sendReaction", 204, { emoji: body["reaction"], remove: true, ...target });
    case "DELETE /v1/remote-delete":
      return given("remoteDelete", 201, { targetTimestamp: body["timestamp"] });
    case "PUT /v1/typing-indicator":
      return given("sendTyping", 204, {});
    case "POST /v1/polls":
      return given("sendPollCreate", 201, { question: body["question"], option: body["answers"] });
    case "POST /v1/groups":
      return given("sendPinMessage", 204, target);
    case "DELETE /v1/groups":
      return given("sendUnpinMessage", 204, target);
    default:
      return null;
  }
}

function toStyle(spec: string, text: string): Style {
  const found = /^(\d+):(\d+):(.+)$/.exec(spec);
  if (!found) throw new RpcError(-1, `Invalid textStyle syntax (${spec}) expected 'start:length:STYLE'`);
  const [start, length, style] = [Number(found[1]), Number(found[2]), found[3]!];
  if (!STYLES.has(style)) throw new RpcError(-1, `Invalid style: ${style}`);
  if (start + length > text.length) throw new RpcError(-1, "textStyle is outside of the message");
  return { start, length, style };
}

function toFile(uri: string): Shown["files"][number] {
  const found = /^data:([^;,]+);filename=([^;,]+);base64,([A-Za-z0-9+/=]*)$/.exec(uri);
  if (!found) throw new RpcError(-1, "Failed to add attachment");
  return { mimeType: found[1]!, name: found[2]!, bytes: Buffer.from(found[3]!, "base64") };
}

const asObject = (value: unknown): Json => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {});
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
