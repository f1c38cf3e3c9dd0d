import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelEvent, InboundMessage } from "../channel.ts";
import { canonicalIrcId } from "./config.ts";
import { casefold, parseLine, parsePrefix, type IrcLine } from "./message-line.ts";

/** What the connection knows when a line arrives. */
export type IrcDecodeContext = {
  account: AccountId;
  /** Our nick at this moment. */
  nick: string;
  casemapping: string;
  /** Characters that begin a channel's name, and prefixes that may precede it (`@#room`: only its operators). */
  chanTypes: string;
  statusMarks: string;
  now: number;
  /** Used where the server gives no `msgid`. Never the same twice. */
  localId: () => string;
};

/** A server's clock may differ; a message that is older than this was played back from a history. */
const BACKFILL_AGE_MS = 120_000;

const CTCP = "\u0001";
const COLOUR = new RegExp(`${"\u0003"}(\\d{1,2}(,\\d{1,2})?)?`, "g");
const HEX_COLOR = new RegExp(`${"\u0004"}([0-9a-fA-F]{6}(,[0-9a-fA-F]{6})?)?`, "g");

/** Message text without colors, styles and other control characters. */
export function stripFormatting(text: string): string {
  return text
    .replaceAll(COLOUR, "")
    .replaceAll(HEX_COLOR, "")
    .replaceAll(/(?!\t)\p{Cc}/gu, "");
}

/** A CTCP request, e.g. `VERSION`, or null. ACTION is a message, not a request. */
export function parseCtcp(text: string): { command: string; rest: string } | null {
  if (!text.startsWith(CTCP)) return null;
  const found = /^([A-Za-z]+)(?: (.*))?$/s.exec(text.slice(1).split(CTCP, 1)[0]!);
  return found ? { command: found[1]!.toUpperCase(), rest: found[2] ?? "" } : null;
}

const NICK_CHAR = /[\p{L}\p{N}_[\]\\{}|^`-]/u;

/** Whether the text contains `nick` as a separate word: no nick character on either side. Both are folded. */
function mentionsNick(text: string, nick: string): boolean {
  if (nick === "") return false;
  for (let at = text.indexOf(nick); at >= 0; at = text.indexOf(nick, at + 1)) {
    const before = Array.from(text.slice(Math.max(0, at - 2), at)).at(-1) ?? "";
    const after = String.fromCodePoint(text.codePointAt(at + nick.length) ?? 32);
    if (!NICK_CHAR.test(before) && !NICK_CHAR.test(after)) return true;
  }
  return false;
}

/** Whether the text calls the bot by its nick, and the text without a leading `nick:`. No character of the nick is a pattern. */
export function addressedNick(text: string, facts: Pick<IrcDecodeContext, "nick" | "casemapping">): { mentioned: boolean; text: string } {
  const folded = casefold(text, facts.casemapping);
  const nick = casefold(facts.nick, facts.casemapping);
  if (!mentionsNick(folded, nick)) return { mentioned: false, text };
  const from = folded.startsWith("@") ? 1 : 0;
  const end = from + nick.length;
  const isLead = folded.startsWith(nick, from) && (text[end] === ":" || text[end] === ",");
  const rest = isLead ? text.slice(end + 1).trim() : text;
  return { mentioned: true, text: rest || text };
}

/**
 * A PRIVMSG as a message; null for what is not one (CTCP requests, messages of servers, empty text). NOTICE never comes here: by the
 * protocol's own rule nothing may answer it. Pure.
 */
export function decodeIrcMessage(line: IrcLine, facts: IrcDecodeContext): InboundMessage | null {
  const [to = "", raw = ""] = line.params;
  const who = parsePrefix(line.prefix);
  if (line.command !== "PRIVMSG" || !who.user || !who.host) return null;
  const ctcp = raw.startsWith(CTCP) ? parseCtcp(raw) : null;
  if (raw.startsWith(CTCP) && ctcp?.command !== "ACTION") return null;
  const clean = stripFormatting(ctcp ? `* ${who.nick} ${ctcp.rest}` : raw).trim();
  if (clean === "") return null;
  const room = channelOf(to, facts);
  const isSelf = casefold(who.nick, facts.casemapping) === casefold(facts.nick, facts.casemapping);
  const called = addressedNick(clean, facts);
  const mask = asId<SenderId>(canonicalIrcId(line.prefix));
  const services = line.tags.get("account");
  const sender = services && services !== "*" ? asId<SenderId>(`account:${canonicalIrcId(services)}`) : null;
  const id = line.tags.has("msgid") ? `m:${line.tags.get("msgid")}` : facts.localId();
  const time = Date.parse(line.tags.get("time") ?? "");
  const sentAt = Number.isNaN(time) ? facts.now : time;
  return {
    kind: "message",
    eventId: id,
    account: facts.account,
    // A direct chat is the whole mask and not the nick: nicks change owners.
    chat:
      room === null
        ? { kind: "direct", id: asId<ChatId>(mask), title: who.nick }
        : { kind: "group", id: asId<ChatId>(canonicalIrcId(room)), title: room },
    sender: {
      id: sender ?? mask,
      ...(sender && { aliases: [mask] }),
      name: who.nick,
      isBot: line.tags.has("bot") || line.tags.has("draft/bot"),
      isSelf,
    },
    message: asId<MessageId>(id),
    text: room === null ? clean : called.text,
    media: [],
    mentionsSelf: room === null || called.mentioned,
    sentAt,
    origin: facts.now - sentAt > BACKFILL_AGE_MS ? "backfill" : "live",
  };
}

/** The channel that a message went to, or null when it went to us. */
function channelOf(to: string, facts: IrcDecodeContext): string | null {
  const name = facts.statusMarks.includes(to[0] ?? " ") && facts.chanTypes.includes(to[1] ?? " ") ? to.slice(1) : to;
  return name !== "" && facts.chanTypes.includes(name[0]!) ? name : null;
}

/** A line that could not be handled, kept with what is needed to read it again. */
export function unreadableIrcEvent(line: string, facts: Omit<IrcDecodeContext, "localId">, eventId: string, cause: string): ChannelEvent {
  const raw = JSON.stringify({ line: line.slice(0, LIMITS.unreadableChars / 2), facts, eventId });
  return { kind: "unreadable", eventId, account: facts.account, sentAt: facts.now, origin: "live", raw, cause };
}

/** Reads a line again that was kept as unreadable; null while it still cannot be read. Pure. */
export function redecodeIrcEvent(raw: string): ChannelEvent | null {
  const { line, facts, eventId } = JSON.parse(raw) as { line: string; facts: IrcDecodeContext; eventId: string };
  const parsed = parseLine(line);
  return parsed && decodeIrcMessage(parsed, { ...facts, localId: () => eventId });
}
