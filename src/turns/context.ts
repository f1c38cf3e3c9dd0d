import type { ContextMessage } from "../agents/runtime.ts";
import { textOf, type Message } from "../store/messages.ts";
import { saidBy } from "./agent-text.ts";
import { parseCommand } from "./commands.ts";

/**
 * What was said, in the order in which an agent saw it, for a runtime that rebuilds its context. Commands and the gateway's own
 * notices are not part of it. Pure.
 */
export function toContext(messages: readonly Message[], leaveOut: ReadonlySet<string>): ContextMessage[] {
  const rows = messages.filter((each) => !each.runId || !leaveOut.has(each.runId));
  const shared = rows.some(isFromOutside);
  return byRun(rows).flatMap((message): ContextMessage[] => {
    const text = textOf(message.body);
    if (text === "" || message.body.role === "toolResult" || isOurs(message)) return [];
    return [{ role: message.body.role, text: message.body.role === "user" ? toldApart(message, text, shared) : text, at: message.at }];
  });
}

const isFromOutside = ({ body }: Message): boolean => body.role === "user" && body.provenance.channel !== "webchat";

/** As the agent read it in its own turn. */
function toldApart({ body }: Message, text: string, shared: boolean): string {
  if (body.role !== "user") return text;
  const { channel, room = false } = body.provenance;
  return saidBy({ text, isOutside: channel !== "webchat", isRoom: room }, shared);
}

const isOurs = (message: Message): boolean =>
  message.body.role === "assistant"
    ? message.body.origin === "command" || message.body.origin === "notice"
    : message.body.role === "user" && parseCommand(textOf(message.body)) !== null;

/** Messages in the order of their runs: a message that waited behind a turn comes after that turn's answer. */
function byRun(rows: readonly Message[]): Message[] {
  const groups = new Map<string, Message[]>();
  for (const row of rows) {
    const key = row.runId ?? row.id;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()].toSorted((a, b) => answeredAt(a) - answeredAt(b)).flat();
}

const answeredAt = (group: readonly Message[]): number => group.find((each) => each.body.role !== "user")?.seq ?? group[0]!.seq;
