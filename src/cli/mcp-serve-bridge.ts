import type { ProtocolClient, ServerEvent } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { abortable, withTimeout } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { asObject, asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { ServedEventQueue } from "./mcp-serve-events.ts";

/** A conversation on a channel, and where a message to it goes. */
export type Conversation = {
  sessionKey: string;
  channel: string;
  to: string;
  accountId?: string;
  threadId?: string;
  label?: string;
  displayName?: string;
  derivedTitle?: string;
  lastMessagePreview?: string;
  updatedAt: number | null;
};

export type IncomingMessage = { conversation: Conversation; text: string; messageId: string };

export type BridgeOptions = {
  clock: Pick<Clock, "after">;
  /** A person has written in a conversation. */
  onIncoming: ((message: IncomingMessage) => void) | null;
};

/** The gateway as `openclaw mcp serve` uses it: the connection that lasts now, and the events that came over it and earlier ones. */
export class GatewayBridge {
  readonly events: ServedEventQueue;
  readonly #options: BridgeOptions;
  #client: ProtocolClient | null = null;
  #connected = Promise.withResolvers<ProtocolClient>();
  #wasConnected = false;
  /** Why there is no connection. */
  #problem = "it is being connected";

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.events = new ServedEventQueue(options.clock);
  }

  /** Takes over a new connection. */
  async attach(client: ProtocolClient): Promise<void> {
    client.on((event) => this.#onEvent(event));
    await client.request("sessions.subscribe");
    if (this.#wasConnected) this.events.skip();
    this.#wasConnected = true;
    this.#client = client;
    this.#connected.resolve(client);
  }

  detach(problem: string): void {
    this.#problem = problem;
    if (this.#client === null) return;
    this.#client = null;
    this.#connected = Promise.withResolvers();
  }

  /** As ProtocolClient.request; waits for a connection, but not long. */
  async request<T>(method: string, params: unknown, signal: AbortSignal): Promise<T> {
    const client = this.#client ?? (await this.#untilConnected(signal));
    return await client.request<T>(method, params, { signal });
  }

  /** Null for a session that is not on a channel, or that there is not. */
  async conversation(sessionKey: string, signal: AbortSignal): Promise<Conversation | null> {
    const params = { key: sessionKey, includeDerivedTitles: true, includeLastMessage: true };
    const { session } = await this.request<{ session: unknown }>("sessions.describe", params, signal);
    const row = asObject(session);
    return row && toConversation(row);
  }

  async #untilConnected(signal: AbortSignal): Promise<ProtocolClient> {
    const late = (): Error => new ClientError("unreachable", `the gateway is not connected: ${this.#problem}; it is tried again`);
    const waiting = withTimeout(this.#options.clock, LIMITS.mcpServeConnectMs, this.#connected.promise, late);
    waiting.catch(() => {});
    return await abortable(waiting, signal);
  }

  #onEvent({ event, payload }: ServerEvent): void {
    const raw = fieldsOf(payload);
    if (event === "session.message") this.#onMessage(raw);
    else if (event === "exec.approval.requested" || event === "exec.approval.resolved")
      this.events.add(event.replaceAll(".", "_"), asString(fieldsOf(raw["request"])["sessionKey"]) || null, {}, raw);
  }

  #onMessage(raw: JsonObject): void {
    const sessionKey = asString(raw["sessionKey"]);
    const message = fieldsOf(raw["message"]);
    const { role } = message;
    const text = textOf(message["content"]);
    const messageId = asString(raw["messageId"]);
    const fields = { sessionKey, messageId, messageSeq: raw["messageSeq"], role, ...(text !== "" && { text }) };
    this.events.add("message", sessionKey, fields, raw);
    if (role === "user" && this.#options.onIncoming) void this.#announce(sessionKey, text, messageId);
  }

  async #announce(sessionKey: string, text: string, messageId: string): Promise<void> {
    try {
      const conversation = await this.conversation(sessionKey, new AbortController().signal);
      if (conversation) this.#options.onIncoming?.({ conversation, text, messageId });
    } catch (err) {
      // The event is in the queue; only its announcement needs the connection.
      if (!(err instanceof ClientError)) throw err;
    }
  }
}

/** The texts of a message. */
const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : asObjects(content)
        .flatMap(({ type, text }) => (type === "text" ? [asString(text)] : []))
        .join("\n");

/** Null for a row of a session that is not on a channel. Pure. */
export function toConversation(row: JsonObject): Conversation | null {
  const { channel, to, accountId, threadId } = fieldsOf(row["deliveryContext"]);
  if (typeof channel !== "string" || typeof to !== "string") return null;
  const optional = { accountId, threadId, ...Object.fromEntries(SHOWN.map((name) => [name, row[name]])) };
  const texts = Object.entries(optional).filter(([, value]) => typeof value === "string" && value !== "");
  const updatedAt = typeof row["updatedAt"] === "number" ? row["updatedAt"] : null;
  return { sessionKey: asString(row["key"]), channel, to, ...Object.fromEntries(texts), updatedAt };
}

const SHOWN = ["label", "displayName", "derivedTitle", "lastMessagePreview"] as const;
