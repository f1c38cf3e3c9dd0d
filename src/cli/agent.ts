import { randomUUID } from "node:crypto";
import { CliError, EXIT } from "../core/errors.ts";
import { toSentence } from "../core/text.ts";
import { LIMITS } from "../core/limits.ts";
import { noteWaitingApproval, waitingApproval, type RunEvent } from "./approval-notice.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { requireKnownAgent } from "./known-names.ts";
import { readFlagOrStdin } from "./stdin.ts";
import { sanitizeLine, sanitizeText, formatDuration } from "./terminal-text.ts";

type AgentAnswer = {
  runId?: string;
  status?: string;
  summary?: string;
  error?: string;
  sessionKey?: string;
  result?: { payloads?: { text?: string; mediaUrl?: string | null }[]; meta?: { durationMs?: number } };
};

/** `openclaw agent --message` */
export const agent: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const message = await readFlagOrStdin(invocation, "message");
  const seconds = invocation.number("timeout") ?? LIMITS.cliTurnMs / 1_000;
  const optional = {
    agentId: requireKnownAgent(invocation, invocation.text("agent")),
    sessionKey: invocation.text("session-key"),
    sessionId: invocation.text("session-id"),
    thinking: invocation.text("thinking"),
  };
  const idempotencyKey = invocation.text("idempotency-key") ?? randomUUID();
  const params = {
    message,
    idempotencyKey,
    timeout: seconds,
    deliver: false,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
  const scopes = ["operator.write", "operator.approvals"] as const;
  const answer = await withGateway(invocation.clearFlag("timeout"), { scopes }, ({ client }) => {
    client.on(({ event, payload }) => {
      if (event !== "agent") return;
      const update = payload as RunEvent;
      if (update.runId !== idempotencyKey) return;
      if (update.stream === "run_status" && update.data?.message !== undefined) out.note(sanitizeLine(update.data.message));
      const approval = waitingApproval(update);
      if (approval !== null) void noteWaitingApproval(client, invocation, approval, "openclaw approvals resolve");
    });
    // The gateway ends the turn at its deadline and says so; the client's own is a little later.
    return client.request<AgentAnswer>("agent", params, { timeoutMs: seconds * 1_000 + 5_000, onAccepted: () => {} });
  });
  const replies = answer.result?.payloads ?? [];
  out.result(answer, () => {
    for (const { text, mediaUrl } of replies) {
      // The cause of a failure is printed once, below.
      if (text && !(answer.status !== "ok" && (text === answer.error || text === answer.summary))) out.line(sanitizeText(text));
      if (mediaUrl) out.line(sanitizeText(mediaUrl));
    }
    if (replies.length === 0 && answer.status === "ok") out.note("The agent gave no reply.");
  });
  if (answer.status === "ok") return EXIT.ok;
  if (out.json) return EXIT.failure;
  const why = answer.error ?? answer.summary ?? `the status is "${answer.status ?? "no status"}"`;
  throw new CliError("The agent couldn't reply", {
    why: toSentence(sanitizeText(why)),
    fix:
      answer.status === "timeout"
        ? `give it more than ${formatDuration(seconds * 1_000)}: --timeout ${seconds * 2}`
        : "openclaw models status shows whether the model can answer; openclaw logs --limit 20 shows more.",
  });
};
