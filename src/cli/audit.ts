import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { formatAge } from "./terminal-text.ts";

type Authority = { surface: string; channel: string; account?: string; sender?: string; isOwner: boolean; client?: string };
type AuditEvent = {
  sequence: number;
  occurredAt: number;
  kind: "agent_run" | "tool_action";
  status: string;
  agentId: string;
  sessionKey: string;
  runId: string;
  toolName?: string;
  arguments?: string;
  hash?: string;
  authority?: Authority;
};
type Page = { events: AuditEvent[]; nextCursor?: string };

/** `openclaw audit` */
export const audit: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const page = await callGateway<Page>(invocation, ["operator.admin"], "audit.details", paramsOf(invocation));
  out.result(page, () => {
    if (page.events.length === 0) return out.line("No events match.");
    const now = host.now();
    out.table(
      [
        { title: "age", align: "right" },
        { title: "agent" },
        { title: "session", truncate: true },
        { title: "what" },
        { title: "status" },
        { title: "for" },
        { title: "arguments", truncate: true },
      ],
      page.events.map((event) => [
        formatAge(event.occurredAt, now),
        event.agentId,
        event.sessionKey,
        event.toolName ?? "run",
        event.status,
        event.authority ? authorityText(event.authority) : "",
        event.arguments ?? "",
      ]),
    );
    if (page.nextCursor !== undefined) out.note(`There are older events: openclaw audit --cursor ${page.nextCursor}`);
  });
};

function paramsOf(invocation: Invocation): Record<string, unknown> {
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const hours = invocation.number("hours");
  return {
    limit: invocation.number("limit") ?? 50,
    ...(agentId !== undefined && { agentId }),
    ...fieldOf(invocation, "session-key", "sessionKey"),
    ...fieldOf(invocation, "run", "runId"),
    ...fieldOf(invocation, "status", "status"),
    ...fieldOf(invocation, "cursor", "cursor"),
    ...(invocation.has("tools") && { kind: "tool_action" }),
    ...(hours !== undefined && { after: invocation.host.now() - hours * 3_600_000 }),
  };
}

function fieldOf(invocation: Invocation, flag: string, name: string): Record<string, string> {
  const text = invocation.text(flag);
  return text === undefined ? {} : { [name]: text };
}

/** `cli`, `telegram 4711 (owner)` */
function authorityText({ surface, channel, sender, isOwner, client }: Authority): string {
  if (surface === "operator") return client ?? "operator";
  return `${channel} ${sender ?? ""}${isOwner ? " (owner)" : ""}`;
}
