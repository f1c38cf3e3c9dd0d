import type { JsonObject } from "../../core/json.ts";
/** The bot of an account, as `getMe` names it. */
export type TelegramBot = { id: string; username: string; /** It is given every message of its groups. */ readsAll?: boolean };

type Entity = { type: string; start: number; end: number; url: string | null; userId: string | null };

/** What a person wrote, and whether the bot was called. */
export type DecodedText = { text: string; mentionsSelf: boolean };

function toEntity(value: unknown, length: number): Entity | null {
  const raw = (typeof value === "object" && value !== null ? value : {}) as JsonObject;
  const { type, offset, length: size, url } = raw;
  const user = raw["user"] as JsonObject | undefined;
  if (typeof type !== "string" || typeof offset !== "number" || typeof size !== "number") return null;
  if (offset < 0 || size <= 0 || offset + size > length) return null;
  return {
    type,
    start: offset,
    end: offset + size,
    url: typeof url === "string" ? url : null,
    userId: user && typeof user === "object" ? String(user["id"]) : null,
  };
}

/**
 * The plain text of a text with entities: hidden addresses are written out, `/name@bot` becomes `/name`, and a leading name of the bot
 * is removed, so that a command after it is found. Offsets are UTF-16 units, as Telegram counts them. Pure.
 */
export function decodeEntities(text: string, entities: unknown, bot: TelegramBot): DecodedText {
  const own = `@${bot.username}`.toLowerCase();
  const found = (Array.isArray(entities) ? entities : []).flatMap((value) => toEntity(value, text.length) ?? []);
  let mentionsSelf = false;
  let out = text;
  for (const entity of found.toSorted((a, b) => b.start - a.start)) {
    const piece = text.slice(entity.start, entity.end);
    const named =
      (entity.type === "mention" && piece.toLowerCase() === own) || (entity.type === "text_mention" && entity.userId === bot.id);
    const command = entity.type === "bot_command" && piece.toLowerCase().endsWith(own);
    mentionsSelf ||= named || command;
    if (command) out = splice(out, entity.end - own.length, entity.end, "");
    else if (named && entity.start === 0) out = splice(out, 0, entity.end, "").replace(/^[\s,:]+/, "") || out;
    else if (entity.type === "text_link" && entity.url && entity.url !== piece)
      out = splice(out, entity.end, entity.end, ` (${entity.url})`);
  }
  return { text: out, mentionsSelf };
}

const splice = (text: string, from: number, to: number, by: string): string => text.slice(0, from) + by + text.slice(to);
