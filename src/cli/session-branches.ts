import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Branch = { leafEntryId: string; headline: string; messageCount: number; updatedAt?: string; active: boolean };

/** `openclaw sessions branches <key>` */
export const sessionsBranches: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const sessionKey = invocation.arg(0);
  const leafEntryId = invocation.text("switch");
  const scopes = leafEntryId === undefined ? (["operator.read"] as const) : (["operator.admin"] as const);
  const answer = await withGateway(invocation, { scopes }, async ({ client }) => {
    if (leafEntryId !== undefined) await client.request("sessions.branches.switch", { sessionKey, leafEntryId });
    return await client.request<{ branches: Branch[] }>("sessions.branches.list", { sessionKey });
  });
  out.result(answer, () => {
    if (answer.branches.length === 0) return out.line("The session has no messages.");
    out.table(
      [{ title: "" }, { title: "ends with" }, { title: "messages", align: "right" }, { title: "last words", truncate: true }],
      answer.branches.map(({ leafEntryId: id, headline, messageCount, active }) => [
        active ? "*" : "",
        sanitizeLine(id),
        String(messageCount),
        sanitizeLine(headline),
      ]),
    );
  });
};
