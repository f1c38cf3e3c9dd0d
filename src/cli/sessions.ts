import { suggest } from "../config/suggest.ts";
import { CliError } from "../core/errors.ts";
import type { ProtocolClient } from "../client/client.ts";
import { openReadonlyStore } from "../store/open-readonly.ts";
import { createSessions, type SessionRow } from "../store/sessions.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles, withGateway } from "./connect.ts";
import { requireKnownAgent } from "./known-names.ts";
import type { Invocation } from "./invocation.ts";
import { pathsOf } from "./gateway-target.ts";
import { sanitizeLine, sanitizeText, formatAge, plural } from "./terminal-text.ts";

/** What is read of a session row of the protocol. */
export type SessionView = {
  key: string;
  agentId?: string;
  kind?: string;
  channel?: string;
  label?: string | null;
  displayName?: string | null;
  derivedTitle?: string | null;
  updatedAt?: number | null;
  status?: string;
  hasActiveRun?: boolean;
  model?: string | null;
  modelProvider?: string | null;
  totalTokens?: number | null;
};
type SessionsList = { sessions: SessionView[]; totalCount?: number; count?: number; source?: string };

/** `openclaw sessions list` */
export const sessionsList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const search = invocation.text("search");
  const query = {
    limit: invocation.number("limit") ?? 50,
    ...(agentId && { agentId }),
    ...(search && { search }),
    ...(invocation.has("archived") && { archived: "all" }),
  };
  const answer = await gatewayOrFiles<SessionsList>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("sessions.list", query),
    () => sessionsFromFiles(invocation, query),
  );
  out.result(answer, () => {
    if (answer.sessions.length === 0) return out.line("No sessions yet. Start one: openclaw chat");
    const rows = answer.sessions.map((row) => [
      row.key,
      titleOf(row),
      row.hasActiveRun ? "running" : (row.status ?? "-"),
      modelOf(row),
      formatAge(row.updatedAt, host.now()),
    ]);
    out.table(
      [
        { title: "key", truncate: true },
        { title: "title", truncate: true },
        { title: "state" },
        { title: "model", truncate: true },
        { title: "last", align: "right" },
      ],
      rows,
    );
    const total = answer.totalCount ?? answer.sessions.length;
    if (total > answer.sessions.length)
      out.note(`${answer.sessions.length} of ${plural(total, "session")}; --limit ${Math.min(1_000, total)} shows more.`);
  });
};

const titleOf = (row: SessionView): string => row.label ?? row.displayName ?? row.derivedTitle ?? "-";

function modelOf({ model, modelProvider }: SessionView): string {
  if (!model) return "-";
  return modelProvider && !model.includes("/") ? `${modelProvider}/${model}` : model;
}

function sessionsFromFiles(
  invocation: Invocation,
  query: { limit: number; agentId?: string; search?: string; archived?: string },
): SessionsList {
  const store = openReadonlyStore(pathsOf(invocation).gateway);
  if (!store) return { source: "files", sessions: [], totalCount: 0 };
  try {
    const { limit, agentId, search } = query;
    const { rows, total } = createSessions(store).list({
      limit,
      offset: 0,
      archived: query.archived ? "all" : false,
      ...(agentId && { agentId }),
      ...(search && { search }),
    });
    return { source: "files", sessions: rows.map(toView), totalCount: total };
  } finally {
    store.close();
  }
}

const toView = (row: SessionRow): SessionView => ({
  key: row.key,
  agentId: row.agent_id,
  kind: row.chat_kind,
  channel: row.channel,
  label: row.label,
  derivedTitle: row.title,
  updatedAt: row.updated_at,
  status: row.status,
  model: row.used_model ?? row.model,
});

type ContentPart = { type?: string; text?: string; name?: string };
type Message = { role?: string; content?: string | ContentPart[]; timestamp?: number; stopReason?: string; errorMessage?: string };

/** `openclaw sessions show <key>` */
export const sessionsShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const key = invocation.arg(0);
  const { session, messages } = await withGateway(invocation, { scopes: ["operator.read"] }, async ({ client }) => {
    const [described, history] = await Promise.all([
      client.request<{ session: SessionView | null }>("sessions.describe", { key, includeDerivedTitles: true }),
      client.request<{ messages: Message[] }>("chat.history", { sessionKey: key, limit: invocation.number("limit") ?? 20 }),
    ]);
    if (!described.session && history.messages.length === 0) throw await unknownSessionError(client, key);
    return { session: described.session, messages: history.messages };
  });
  out.result({ session, messages }, () => {
    if (session) {
      out.pairs([
        ["key", session.key],
        ["title", titleOf(session)],
        ["agent", session.agentId ?? "-"],
        ["state", session.hasActiveRun ? "running" : (session.status ?? "-")],
        ["model", modelOf(session)],
        ["last", formatAge(session.updatedAt, host.now())],
      ]);
      out.line();
    }
    if (messages.length === 0) out.line("No messages.");
    for (const message of messages) {
      out.line(
        out.paint(
          "bold",
          `${sanitizeLine(message.role ?? "?")}  ${message.timestamp ? new Date(message.timestamp).toLocaleString() : ""}`.trimEnd(),
        ),
      );
      for (const line of messageText(message).split("\n")) if (line) out.paragraph(`  ${line}`, "  ");
      const failure = failureText(message);
      if (failure) out.paragraph(`  ${out.paint("red", "✗")} ${failure}`, "    ");
    }
  });
};

/** Why a turn ended without a whole reply. */
function failureText({ role, stopReason, errorMessage }: Message): string | null {
  if (role !== "assistant") return null;
  if (stopReason === "aborted") return "stopped";
  if (stopReason === "error" || errorMessage) return sanitizeLine(errorMessage ?? "The reply failed.");
  return stopReason === "length" ? "cut off: the model's output limit was reached" : null;
}

async function unknownSessionError(client: ProtocolClient, key: string): Promise<CliError> {
  const { sessions } = await client.request<SessionsList>("sessions.list", { limit: 1_000, archived: "all" });
  const keys = sessions.map((each) => each.key);
  const meant = suggest(key, keys);
  return new CliError(`No session "${sanitizeLine(key)}".${meant ? ` Did you mean "${sanitizeLine(meant)}"?` : ""}`, {
    fix: "openclaw sessions list",
  });
}

/** The text of a message; other parts are named. */
export function messageText({ content }: Message): string {
  if (typeof content === "string") return sanitizeText(content);
  const parts = (content ?? []).map((part) =>
    part.type === "text"
      ? sanitizeText(part.text ?? "")
      : part.type === "thinking"
        ? ""
        : `[${sanitizeLine(part.type ?? "part")}${part.name ? ` ${sanitizeLine(part.name)}` : ""}]`,
  );
  return parts.filter(Boolean).join("\n");
}

/** `openclaw sessions delete <key>` */
export const sessionsDelete: CommandHandler = async (invocation) => {
  const key = invocation.arg(0);
  await invocation.confirm(`This permanently deletes the session ${sanitizeLine(key)} and its messages. Continue?`);
  const answer = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const answer = await client.request<{ deleted?: boolean }>("sessions.delete", { key, deleteTranscript: true });
    if (answer.deleted === false) throw await unknownSessionError(client, key);
    return answer;
  });
  invocation.out.result(answer, () => invocation.out.line(`Deleted ${sanitizeLine(key)}.`));
};
