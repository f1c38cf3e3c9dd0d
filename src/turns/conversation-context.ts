import type { ContextMessage } from "../agents/runtime.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import { textOf, type Message } from "../store/messages.ts";
import { attributeText } from "./agent-text.ts";
import { parseCommand } from "./commands.ts";

/**
 * The messages of a session in the order in which an agent saw them, for a runtime that rebuilds its context. Commands and the gateway's own
 * notices are not part of it. Pure.
 */
export function buildContext(messages: readonly Message[], leaveOut: ReadonlySet<string>): ContextMessage[] {
  const rows = messages.filter((each) => !each.runId || !leaveOut.has(each.runId));
  const shared = rows.some(isFromOutside);
  return sortByReadOrder(rows).flatMap((message): ContextMessage[] => {
    const text = shorten(textOf(message.body));
    if (text === "" || message.body.role === "toolResult" || isGatewayText(message)) return [];
    return [{ role: message.body.role, text: message.body.role === "user" ? attributedText(message, text, shared) : text, at: message.at }];
  });
}

function shorten(text: string): string {
  const kept = clip(text, LIMITS.contextMessageChars);
  return kept === text ? text : `${kept}\n\n[${text.length - kept.length} more characters are left out]`;
}

const isFromOutside = ({ body }: Message): boolean => body.role === "user" && body.provenance.channel !== "webchat";

/** As the agent read it in its own turn. */
function attributedText({ body }: Message, text: string, shared: boolean): string {
  if (body.role !== "user") return text;
  const { channel, room = false } = body.provenance;
  return attributeText({ text, isOutside: channel !== "webchat", isRoom: room }, shared);
}

const isGatewayText = (message: Message): boolean =>
  message.body.role === "assistant"
    ? message.body.origin === "command" || message.body.origin === "notice"
    : message.body.role === "user" && parseCommand(textOf(message.body)) !== null;

/** A message that waited behind a turn comes after that turn's answer: right before the first words of its own. */
function sortByReadOrder(rows: readonly Message[]): Message[] {
  const answeredAt = new Map<string, number>();
  for (const { runId, body, seq } of rows) if (runId && body.role !== "user" && !answeredAt.has(runId)) answeredAt.set(runId, seq);
  const readAt = ({ runId, body, seq }: Message): number => (body.role === "user" && runId ? (answeredAt.get(runId) ?? seq) : seq);
  return rows.toSorted((a, b) => readAt(a) - readAt(b) || a.seq - b.seq);
}
