import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { delayResponse } from "./response-delay.ts";
import { serveFile } from "./serve-file.ts";
import { readHtml } from "./telegram-html.ts";

type Json = Record<string, unknown>;
export type Call = { bot: number; method: string; params: Json; file?: { field: string; name: string; type: string; bytes: Buffer } };
/** How an operation goes wrong: an answer, a connection that is closed before or after the request took effect, or no answer at all. */
export type Failure =
  | { status: number; description: string; parameters?: Json }
  | { status: number; page: string }
  | "close-before"
  | "close-after"
  | "hang";
type Shown = {
  id: number;
  chat: string;
  text: string;
  thread?: number;
  reply?: number;
  markup?: unknown;
  /** There was markup in it. */
  marked?: boolean;
  file?: string;
  removed?: true;
  reaction?: unknown;
};
type Waiting = { answer: (updates: Json[]) => void; conflict: (by: string) => void };
type Bot = {
  id: number;
  username: string;
  queue: Json[];
  newest: Json | null;
  confirmed: number[];
  allowed: readonly string[] | null;
  hook: { url: string; secret: string; lastErrorDate?: number; lastErrorMessage?: string };
  poll: Waiting | null;
  commands: unknown;
  delivering: boolean;
};

class Refusal extends Error {
  readonly status: number;
  readonly parameters: Json | undefined;

  constructor(status: number, description: string, parameters?: Json) {
    super(description);
    this.status = status;
    this.parameters = parameters;
  }
}

const DEFAULT_UPDATES_OFF = new Set(["message_reaction", "message_reaction_count", "chat_member"]);
export const TOKEN = "1001:AAtest_token-one";
export const OTHER_TOKEN = "1002:AAtest_token-two";
export const PERSON = { id: 7, is_bot: false, first_name: "Ada", last_name: "L", username: "ada" };
const ROOM = -1_001_234;

/** A Bot API on loopback with Telegram's rules about updates, texts and errors. Visible messages are kept as a person would see them. */
export class TelegramServer {
  readonly calls: Call[] = [];
  readonly #bots = new Map<string, Bot>();
  readonly #shown: Shown[] = [];
  readonly #files = new Map<string, Buffer>();
  readonly #failures = new Map<string, { how: Failure; times: number }>();
  readonly #sockets = new Set<Socket>();
  readonly #moved = new Map<string, number>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #wire: "up" | "close" | "silent" = "up";
  /** How late everything is answered. */
  lagMs = 0;
  #updates = 5_000;
  #messages = 100;

  static async start(): Promise<TelegramServer> {
    const server = new TelegramServer();
    for (const [token, username] of [
      [TOKEN, "Test_Bot"],
      [OTHER_TOKEN, "Other_Bot"],
    ] as const)
      server.#bots.set(token, newBot(Number(token.split(":")[0]), username));
    server.#server.keepAliveTimeout = 60_000;
    server.#server.on("connection", (socket) => {
      if (server.#wire === "close") return socket.destroy();
      server.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => server.#sockets.delete(socket));
    });
    server.#server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.#server.once("listening", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  config(token = TOKEN): Json {
    return { botToken: token, apiRoot: this.url };
  }

  async close(): Promise<void> {
    this.#cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** One update for the bot, as Telegram would queue it. Returns its number, or null when it was not asked for. */
  push(update: Json, token = TOKEN): number | null {
    const bot = this.#bots.get(token)!;
    const kind = Object.keys(update)[0]!;
    if (bot.allowed ? !bot.allowed.includes(kind) : DEFAULT_UPDATES_OFF.has(kind)) return null;
    const id = ++this.#updates;
    bot.newest = { update_id: id, ...update };
    bot.queue.push(bot.newest);
    bot.poll?.answer(bot.queue);
    void this.#deliver(bot);
    return id;
  }

  /** Pushes what waits, one at a time, each until it is taken. */
  async #deliver(bot: Bot): Promise<void> {
    if (bot.delivering) return;
    bot.delivering = true;
    while (bot.hook.url && bot.queue.length > 0 && this.#server.listening) {
      const [update] = bot.queue;
      const { url, secret } = bot.hook;
      const headers = { "content-type": "application/json", "x-telegram-bot-api-secret-token": secret };
      const status = await fetch(url, { method: "POST", headers, body: JSON.stringify(update) }).then(
        async (response) => (await response.arrayBuffer(), response.status),
        () => 0,
      );
      if (status >= 200 && status < 300) {
        bot.queue.shift();
        bot.confirmed.push(Number(update!["update_id"]));
      } else {
        Object.assign(bot.hook, {
          lastErrorDate: Math.floor(Date.now() / 1_000),
          lastErrorMessage: `Wrong response from the webhook: ${status}`,
        });
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    bot.delivering = false;
  }

  /** The newest update comes once more, as after a confirmation that was lost. Resolves when the bot has it. */
  async again(token = TOKEN): Promise<void> {
    const bot = this.#bots.get(token)!;
    const newest = bot.newest;
    if (!newest) return;
    while (!bot.poll || bot.queue.length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    bot.queue.push(newest);
    bot.poll.answer(bot.queue);
  }

  /** The numbers go on elsewhere, as they do after a quiet week. */
  renumber(next: number): void {
    this.#updates = next - 1;
  }

  message(fields: Json): Json {
    const chat = { id: PERSON.id, type: "private", first_name: "Ada" };
    return { message_id: ++this.#messages, date: Math.floor(Date.now() / 1_000), from: PERSON, chat, ...fields };
  }

  /** A person writes to the bot. */
  say(text: string, more: Json = {}): number | null {
    return this.push({ message: this.message({ text, ...more }) });
  }

  sayInRoom(text: string, more: Json = {}): number | null {
    return this.say(text, { chat: { id: ROOM, type: "supergroup", title: "Room" }, ...more });
  }

  /** A file that can be fetched. Returns its file_id. */
  addFile(bytes: Buffer, name = "photo.jpg"): string {
    const id = `file-${this.#files.size + 1}`;
    this.#files.set(`${id}/${name}`, bytes);
    return id;
  }

  /** Texts that a person sees, in order, with edits applied and removed ones left out. */
  sent(): readonly string[] {
    return this.shown().map(({ text }) => text);
  }

  shown(): readonly Shown[] {
    return this.#shown.filter(({ removed }) => !removed);
  }

  /** Updates that the bot has confirmed. */
  acked(token = TOKEN): readonly number[] {
    return this.#bots.get(token)!.confirmed;
  }

  waiting(token = TOKEN): number {
    return this.#bots.get(token)!.queue.length;
  }

  /** Whether a poll is being held open. */
  polled(token = TOKEN): boolean {
    return this.#bots.get(token)!.poll !== null;
  }

  of(method: string): readonly Call[] {
    return this.calls.filter((call) => call.method === method);
  }

  hook(token = TOKEN): Bot["hook"] {
    return this.#bots.get(token)!.hook;
  }

  commands(token = TOKEN): unknown {
    return this.#bots.get(token)!.commands;
  }

  /** Returns how often it has happened since. */
  fail(method: string, how: Failure, times = 1): () => number {
    const failure = { how, times };
    this.#failures.set(method, failure);
    return () => times - failure.times;
  }

  /** The token becomes invalid: running polls end with 401, too. */
  revoke(token = TOKEN): void {
    this.#bots.get(token)?.poll?.answer([]);
    this.#bots.delete(token);
  }

  /** Another program takes the updates: the running poll ends with 409. */
  takeOver(token = TOKEN): void {
    this.#bots.get(token)!.poll?.conflict("other getUpdates request; make sure that only one bot instance is running");
  }

  /** A group becomes a supergroup. */
  upgrade(from: number, to: number): void {
    this.#moved.set(String(from), to);
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
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#wire === "silent") return;
    const url = new URL(request.url ?? "/", this.url);
    const file = /^\/file\/bot([^/]+)\/(.+)$/.exec(url.pathname);
    if (file) return this.#giveFile(response, file[1]!, file[2]!);
    const [, token = "", method = ""] = /^\/bot([^/]+)\/(\w+)$/.exec(url.pathname) ?? [];
    try {
      const bot = this.#bots.get(token);
      if (!/^\d+:[\w-]+$/.test(token)) throw new Refusal(404, "Not Found");
      if (!bot) throw new Refusal(401, "Unauthorized");
      const call: Call = { bot: bot.id, method, ...(await readCall(request, url)) };
      await delayResponse(this.lagMs);
      if (this.#wire !== "up") return;
      this.calls.push(call);
      await this.#handle(bot, call, request, response);
    } catch (err) {
      if (!(err instanceof Refusal)) throw err;
      const body = { ok: false, error_code: err.status, description: err.message, ...(err.parameters && { parameters: err.parameters }) };
      answer(response, err.status, body);
    }
  }

  async #handle(bot: Bot, call: Call, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const failure = this.#failures.get(call.method);
    if (failure && --failure.times <= 0) this.#failures.delete(call.method);
    const how = failure?.how;
    if (how === "close-before") return void request.socket.destroy();
    if (typeof how === "object" && "page" in how) return void response.writeHead(how.status, { "content-type": "text/html" }).end(how.page);
    if (typeof how === "object") throw new Refusal(how.status, how.description, how.parameters);
    const result = await this.#do(bot, call, response);
    if (how === "close-after") return void request.socket.destroy();
    if (how === "hang" || result === undefined || this.#wire !== "up") return;
    answer(response, 200, { ok: true, result });
  }

  #giveFile(response: ServerResponse, token: string, path: string): void {
    serveFile(response, path.split("/").at(-1)!, this.#bots.has(token) ? this.#files.get(path) : undefined);
  }

  #do(bot: Bot, call: Call, response: ServerResponse): unknown {
    const { method, params } = call;
    switch (method) {
      case "getMe":
        return { id: bot.id, is_bot: true, first_name: bot.username, username: bot.username, can_join_groups: true };
      case "getUpdates":
        return this.#getUpdates(bot, params, response);
      case "setWebhook":
        bot.poll?.conflict("setWebhook request");
        bot.allowed = Array.isArray(params["allowed_updates"]) ? (params["allowed_updates"] as string[]) : bot.allowed;
        bot.hook = { url: String(params["url"]), secret: String(params["secret_token"] ?? "") };
        void this.#deliver(bot);
        return true;
      case "deleteWebhook":
        bot.hook = { url: "", secret: "" };
        if (params["drop_pending_updates"] === true) bot.queue.length = 0;
        return true;
      case "getWebhookInfo":
        return {
          url: bot.hook.url,
          has_custom_certificate: false,
          pending_update_count: bot.queue.length,
          ...(bot.hook.lastErrorDate && { last_error_date: bot.hook.lastErrorDate, last_error_message: bot.hook.lastErrorMessage }),
        };
      case "setMyCommands":
        bot.commands = params["commands"];
        return true;
      case "sendChatAction":
      case "answerCallbackQuery":
        return true;
      case "getFile": {
        const found = [...this.#files].find(([path]) => path.startsWith(`${String(params["file_id"])}/`));
        if (!found) throw new Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable");
        return { file_id: params["file_id"], file_unique_id: "u", file_size: found[1].length, file_path: found[0] };
      }
      case "createForumTopic":
        return { message_thread_id: ++this.#messages, name: params["name"], icon_color: 0 };
      default:
        return this.#onChat(bot, call);
    }
  }

  #getUpdates(bot: Bot, params: Json, response: ServerResponse): unknown {
    if (bot.hook.url)
      throw new Refusal(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    bot.poll?.conflict("other getUpdates request; make sure that only one bot instance is running");
    if (Array.isArray(params["allowed_updates"])) bot.allowed = params["allowed_updates"] as string[];
    const offset = Number(params["offset"] ?? 0);
    const limit = Math.min(100, Number(params["limit"] ?? 100));
    const least = offset < 0 ? Number(bot.queue.at(offset)?.["update_id"] ?? 0) : offset;
    while (bot.queue.length > 0 && Number(bot.queue[0]!["update_id"]) < least) bot.confirmed.push(Number(bot.queue.shift()!["update_id"]));
    if (bot.queue.length > 0 || !(Number(params["timeout"] ?? 0) > 0)) return bot.queue.slice(0, limit);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiting.answer([]), Number(params["timeout"]) * 1_000);
      const end = (): void => {
        clearTimeout(timer);
        if (bot.poll === waiting) bot.poll = null;
      };
      const waiting: Waiting = {
        answer: (updates) => (end(), resolve(updates.slice(0, limit))),
        conflict: (by) => {
          end();
          reject(new Refusal(409, `Conflict: terminated by ${by}`));
        },
      };
      bot.poll = waiting;
      response.on("close", () => (end(), resolve(undefined)));
    });
  }

  /** Methods about one chat and its messages. */
  #onChat(bot: Bot, { method, params, file }: Call): unknown {
    const chat = String(params["chat_id"]);
    const to = this.#moved.get(chat);
    if (to !== undefined) throw new Refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", { migrate_to_chat_id: to });
    if (!/^-?\d+$/.test(chat)) throw new Refusal(400, "Bad Request: chat not found");
    if (method.startsWith("send")) return this.#show(bot, chat, method, params, file);
    const found = this.shown().find((one) => one.chat === chat && one.id === Number(params["message_id"]));
    if (method === "editMessageText" || method === "editMessageCaption") {
      if (!found) throw new Refusal(400, "Bad Request: message to edit not found");
      if (method === "editMessageText" && found.file !== undefined)
        throw new Refusal(400, "Bad Request: there is no text in the message to edit");
      const text = visible(params, method === "editMessageText" ? "text" : "caption");
      if (text === found.text && JSON.stringify(params["reply_markup"]) === JSON.stringify(found.markup))
        throw new Refusal(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same");
      found.text = text;
      found.marked = params["parse_mode"] !== undefined;
      found.markup = params["reply_markup"];
      return toMessage(bot, found);
    }
    if (method === "deleteMessage") {
      if (!found) throw new Refusal(400, "Bad Request: message to delete not found");
      found.removed = true;
      return true;
    }
    if (method === "setMessageReaction") {
      if (found) found.reaction = params["reaction"];
      return true;
    }
    if (method === "pinChatMessage" || method === "unpinChatMessage") return true;
    throw new Refusal(404, "Not Found: method not found");
  }

  #show(bot: Bot, chat: string, method: string, params: Json, file: Call["file"]): unknown {
    const text =
      method === "sendMessage" ? visible(params, "text") : method === "sendPoll" ? String(params["question"]) : visible(params, "caption");
    if (method === "sendMessage" && text.trim() === "") throw new Refusal(400, "Bad Request: message text is empty");
    if (method === "sendPhoto" && file?.bytes.toString("latin1").includes("HUGE"))
      throw new Refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS");
    const reply = params["reply_parameters"] as { message_id?: number } | undefined;
    const shown: Shown = {
      id: ++this.#messages,
      chat,
      text: text.trim(),
      marked: params["parse_mode"] !== undefined,
      ...(params["message_thread_id"] !== undefined && { thread: Number(params["message_thread_id"]) }),
      ...(reply?.message_id !== undefined && { reply: reply.message_id }),
      ...(params["reply_markup"] !== undefined && { markup: params["reply_markup"] }),
      ...(file && { file: file.name }),
    };
    this.#shown.push(shown);
    return toMessage(bot, shown);
  }
}

function newBot(id: number, username: string): Bot {
  return {
    id,
    username,
    queue: [],
    newest: null,
    confirmed: [],
    allowed: null,
    hook: { url: "", secret: "" },
    poll: null,
    commands: null,
    delivering: false,
  };
}

/** The text as it would be shown. Telegram counts it after the markup is read. */
function visible(params: Json, key: "text" | "caption"): string {
  const raw = String(params[key] ?? "");
  const most = key === "text" ? 4_096 : 1_024;
  const read = params["parse_mode"] === "HTML" ? readHtml(raw) : { text: raw };
  if ("problem" in read) throw new Refusal(400, `Bad Request: can't parse entities: ${read.problem}`);
  if (read.text.length > most) throw new Refusal(400, `Bad Request: ${key === "text" ? "message" : "message caption"} is too long`);
  return read.text;
}

function toMessage(bot: Bot, shown: Shown): Json {
  const chat = { id: Number(shown.chat), type: shown.chat.startsWith("-") ? "supergroup" : "private" };
  const from = { id: bot.id, is_bot: true, first_name: bot.username, username: bot.username };
  return { message_id: shown.id, date: 1, chat, from, text: shown.text };
}

function answer(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Parameters from the query, from JSON, or from a form with files. Values of forms are text; objects in them are JSON. */
async function readCall(request: IncomingMessage, url: URL): Promise<Pick<Call, "params" | "file">> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const type = request.headers["content-type"] ?? "";
  const params: Json = Object.fromEntries(url.searchParams);
  if (type.startsWith("application/json"))
    return { params: { ...params, ...(body.length > 0 && (JSON.parse(body.toString("utf8")) as Json)) } };
  if (!type.startsWith("multipart/form-data")) return { params };
  const form = await new Response(body, { headers: { "content-type": type } }).formData();
  let file: Call["file"];
  for (const [key, value] of form) {
    if (typeof value === "string") params[key] = unpack(value);
    else file = { field: key, name: value.name, type: value.type, bytes: Buffer.from(await value.arrayBuffer()) };
  }
  return { params, ...(file && { file }) };
}

const unpack = (value: string): unknown => (/^[[{]/.test(value) ? JSON.parse(value) : value);
