import { randomUUID } from "node:crypto";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Run } from "./command.ts";
import { withGateway } from "./connect.ts";
import { checkAgent } from "./known.ts";
import { readText } from "./input.ts";
import { cleanText, formatDuration } from "./text.ts";

type AgentAnswer = {
  runId?: string;
  status?: string;
  summary?: string;
  error?: string;
  sessionKey?: string;
  result?: { payloads?: { text?: string; mediaUrl?: string | null }[]; meta?: { durationMs?: number } };
};

/** `openclaw agent --message` */
export const agent: Run = async (invocation) => {
  const { out } = invocation;
  const message = await readText(invocation, "message");
  const seconds = invocation.number("timeout") ?? LIMITS.cliTurnMs / 1_000;
  const optional = {
    agentId: checkAgent(invocation, invocation.text("agent")),
    sessionKey: invocation.text("session-key"),
    sessionId: invocation.text("session-id"),
    thinking: invocation.text("thinking"),
  };
  const params = {
    message,
    idempotencyKey: invocation.text("idempotency-key") ?? randomUUID(),
    timeout: seconds,
    deliver: false,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
  const answer = await withGateway(invocation.without("timeout"), { scopes: ["operator.write"] }, ({ client }) =>
    // The gateway ends the turn at its deadline and says so; the client's own is a little later.
    client.request<AgentAnswer>("agent", params, { timeoutMs: seconds * 1_000 + 5_000, onAccepted: () => {} }),
  );
  const replies = answer.result?.payloads ?? [];
  out.result(answer, () => {
    for (const { text, mediaUrl } of replies) {
      // The cause of a failure is told once, below.
      if (text && !(answer.status !== "ok" && (text === answer.error || text === answer.summary))) out.line(cleanText(text));
      if (mediaUrl) out.line(cleanText(mediaUrl));
    }
    if (replies.length === 0 && answer.status === "ok") out.note("The agent gave no reply.");
  });
  if (answer.status === "ok") return EXIT.ok;
  if (out.json) return EXIT.failure;
  const why = answer.error ?? answer.summary ?? `the status is "${answer.status ?? "no status"}"`;
  throw new CliError("The agent couldn't reply", {
    why: `${cleanText(why).replace(/[.!?]$/, "")}.`,
    fix:
      answer.status === "timeout"
        ? `give it more than ${formatDuration(seconds * 1_000)}: --timeout ${seconds * 2}`
        : "openclaw models status shows whether the model can answer; openclaw logs --limit 20 shows more.",
  });
};
