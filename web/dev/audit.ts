/** Invented events of the audit for the scripted gateway. */
type Params = Record<string, unknown>;

const MIN = 60_000;
const OPERATOR = { surface: "operator", channel: "webchat", isOwner: true, client: "control-ui" };
const PERSON = { surface: "channel", channel: "irc", sender: "ada!~ada@example.org", isOwner: false };

type Row = { kind: string; status: string; tool?: string; authority?: object; args?: string };
const ROWS: readonly Row[] = [
  { kind: "agent_run", status: "succeeded", authority: OPERATOR },
  { kind: "tool_action", status: "succeeded", tool: "exec" },
  { kind: "tool_action", status: "started", tool: "exec", authority: OPERATOR, args: '{"command":"npm test -- --watch=false"}' },
  { kind: "tool_action", status: "blocked", tool: "write" },
  { kind: "tool_action", status: "failed", tool: "read" },
  { kind: "tool_action", status: "started", tool: "read", authority: PERSON, args: '{"path":"notes/مرحبا <b>.md"}' },
  { kind: "agent_run", status: "failed", authority: PERSON },
];
/** Events in all: more than one page. */
const COUNT = 70;

export class AuditEvents {
  /** When the newest one was. */
  now = Date.now();

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    return method === "audit.details" || method === "audit.list" ? toPage(method, params, this.now) : undefined;
  }
}

function toPage(method: string, params: Params, now: number): unknown {
  const all = Array.from({ length: COUNT }, (_, index) => toEvent(COUNT - index, ROWS[index % ROWS.length]!, now - index * MIN));
  const before = params["cursor"] === undefined ? COUNT + 1 : Number(params["cursor"]);
  const matching = all.filter(
    ({ sequence, kind, status }) =>
      sequence < before &&
      (params["kind"] === undefined || params["kind"] === kind) &&
      (params["status"] === undefined || params["status"] === status),
  );
  const page = matching.slice(0, Number(params["limit"]));
  const events = method === "audit.details" ? page : page.map(({ authority: _who, arguments: _what, ...event }) => event);
  return { events, ...(matching.length > page.length && { nextCursor: String(page.at(-1)!.sequence) }) };
}

const toEvent = (sequence: number, { kind, status, tool, authority, args }: Row, occurredAt: number) => ({
  eventId: `audit-${sequence}`,
  sequence,
  occurredAt,
  kind,
  status,
  agentId: "main",
  sessionKey: "agent:main:main",
  toolName: tool,
  authority,
  arguments: args,
});
