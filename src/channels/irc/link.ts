import type { Clock } from "../../core/clock.ts";
import { asId, type MessageId } from "../../core/ids.ts";
import type { InboundMessage, Link, OutboundPart, SendResult } from "../channel.ts";
import type { IrcConnection } from "./connection.ts";
import { isTarget, parsePrefix, type IrcLine } from "./message-line.ts";
import { splitIntoLines } from "./outbound.ts";
import type { IrcSession } from "./session.ts";

/** A nick that wrote so recently is not looked up again before it is answered. */
const SEEN_MS = 30_000;
/** Senders whose last message is remembered for that; the oldest are forgotten, and then looked up. */
const MAX_SEEN = 1_000;
/** No user has this nick: retry after this time. */
const OFFLINE_RETRY_MS = 60_000;

/** "Try again later", "unknown command" and "more parameters" name the command that was refused, all others name whom it was for. */
const TARGET_ERROR_NUMERICS: ReadonlySet<string> = new Set(["263", "421", "461"]);
/** Numerics that refuse a message, and whether trying again can help without anyone's doing. */
const SEND_ERROR_NUMERICS: ReadonlyMap<string, { retryAfterMs: number | null }> = new Map([
  ["401", { retryAfterMs: OFFLINE_RETRY_MS }],
  ["263", { retryAfterMs: 10_000 }],
  ["421", { retryAfterMs: null }],
  ["461", { retryAfterMs: null }],
  ["403", { retryAfterMs: null }],
  ["404", { retryAfterMs: null }],
  ["407", { retryAfterMs: null }],
  ["439", { retryAfterMs: 60_000 }],
  ["442", { retryAfterMs: 30_000 }],
  ["477", { retryAfterMs: null }],
  ["489", { retryAfterMs: null }],
  ["531", { retryAfterMs: null }],
  ["716", { retryAfterMs: null }],
]);

type PendingSend = { target: string; sending: { cancel(): void }; refusals: { code: string; text: string }[]; ids: string[] };

/** The sending side of one connection. A part is sent when the server has answered a PING that was written behind its last line. */
export class IrcLink implements Link {
  readonly #connection: IrcConnection;
  readonly #session: IrcSession;
  readonly #clock: Clock;
  readonly #seen = new Map<string, number>();
  #pending: PendingSend | null = null;
  #tail: Promise<unknown> = Promise.resolve();
  #counter = 0;

  constructor(connection: IrcConnection, session: IrcSession, clock: Clock) {
    this.#connection = connection;
    this.#session = session;
    this.#clock = clock;
  }

  /** One part at a time, so that a refusal can belong to no other. */
  send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    const result = this.#tail.then(() => this.#send(part, signal));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Remembers who wrote, so that an answer at once needs no look-up; and takes the ids of our own echoed messages. */
  onInbound(message: InboundMessage, line: IrcLine): void {
    if (message.sender.isSelf) {
      const id = line.tags.get("msgid");
      if (
        id !== undefined &&
        this.#pending &&
        this.#session.casefold(line.params[0] ?? "") === this.#session.casefold(this.#pending.target)
      )
        this.#pending.ids.push(`m:${id}`);
      return;
    }
    if (message.chat.kind !== "direct") return;
    this.#seen.delete(message.chat.id);
    this.#seen.set(message.chat.id, this.#clock.monotonic());
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value!);
  }

  onErrorReply(target: string, code: string, text: string): void {
    const pending = this.#pending;
    if (!pending || !SEND_ERROR_NUMERICS.has(code)) return;
    const isMeant = TARGET_ERROR_NUMERICS.has(code)
      ? target.toUpperCase() === "PRIVMSG"
      : this.#session.casefold(target) === this.#session.casefold(pending.target);
    if (!isMeant) return;
    pending.refusals.push({ code, text });
    pending.sending.cancel();
  }

  async #send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", 0);
    if (!this.#connection.open) return refusedSend("not connected", 0);
    const place = await this.#resolveTarget(part);
    if ("state" in place) return place;
    const lines = splitIntoLines(part.text, place.target, this.#session.prefixBytes).map((text) => `PRIVMSG ${place.target} :${text}`);
    if (lines.length === 0) return refusedSend("nothing visible is left of the text", null);
    const sending = this.#connection.send(lines);
    if (!sending) return refusedSend("too many lines are waiting, or the connection was lost", 5_000);
    const pending: PendingSend = { target: place.target, sending, refusals: [], ids: [] };
    this.#pending = pending;
    const onAbort = (): void => sending.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await sending.done;
      if (sending.written === 0) return refusedSend(signal.aborted ? "cancelled before it was sent" : "not connected", 0);
      // Throws when the connection is lost: it is unknown whether the server has received the lines.
      await this.#connection.confirmDelivery();
      if (pending.refusals.length > 0) return toServerRefusal(pending, sending.written);
      if (sending.written < sending.total) throw new Error(`stopped after ${sending.written} of ${sending.total} lines`);
      const ids = pending.ids.length === sending.total ? pending.ids : [`c:${this.#connection.id}:out${++this.#counter}`];
      return { state: "sent", ids: ids.map((id) => asId<MessageId>(id)) };
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#pending = null;
    }
  }

  /** Where the lines go. A direct chat is a whole mask: the nick is used only while that same person has it. */
  async #resolveTarget(part: OutboundPart): Promise<{ target: string } | SendResult> {
    const { chat } = part.target;
    const direct = chat.kind === "direct" && chat.id.includes("!");
    const target = direct ? parsePrefix(chat.id).nick : chat.id;
    const isRoom = this.#session.chanTypes.includes(target[0] ?? " ");
    if (!isTarget(target) || isRoom !== (chat.kind !== "direct")) return refusedSend(`${JSON.stringify(target)} cannot be addressed`, null);
    if (isRoom && this.#session.isConfigured(target) && !this.#session.isJoined(target)) return refusedSend(`not in ${target}`, 10_000);
    if (!direct || this.#clock.monotonic() - (this.#seen.get(chat.id) ?? -Infinity) < SEEN_MS) return { target };
    const holder = await this.#session.findNickHolder(target);
    if (!this.#connection.open) return refusedSend("not connected", 0);
    if (holder === null)
      return refusedSend(`the server did not confirm who ${target} is; the answer could reach someone else`, OFFLINE_RETRY_MS);
    if (holder === "") return refusedSend(`${target} is not online`, OFFLINE_RETRY_MS);
    const { user, host } = parsePrefix(chat.id);
    if (holder.toLowerCase() === `${user}@${host}`.toLowerCase()) return { target };
    return refusedSend(`the nick ${target} belongs to someone else now`, null);
  }
}

/** `retryAfterMs` null: trying again cannot help. */
function refusedSend(reason: string, retryAfterMs: number | null): SendResult {
  if (retryAfterMs === null) return { state: "refused", retryable: false, reason };
  return { state: "refused", retryable: true, reason, ...(retryAfterMs > 0 && { retryAfterMs }) };
}

function toServerRefusal(pending: PendingSend, written: number): SendResult {
  const { code, text } = pending.refusals[0]!;
  // One refusal per line: fewer mean that some lines were shown, and the part must not be sent again.
  if (pending.refusals.length < written) throw new Error(`the server refused a part of the lines: ${text} (${code})`);
  // Some servers say "no such nick" of a room as well; a room does not come online.
  const isNick = /^[^#&+!]/.test(pending.target);
  return refusedSend(`${text} (${code})`, code === "401" && !isNick ? null : (SEND_ERROR_NUMERICS.get(code)?.retryAfterMs ?? null));
}
