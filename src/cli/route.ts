import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { requireKnownChannel } from "./known-names.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

type Explained = { lines?: readonly string[]; text?: string; explanation?: unknown };

/** `openclaw route explain <channel> <account> <peer>` */
export const routeExplain: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const text = invocation.text("text");
  const answer = await callGateway<Explained>(invocation, ["operator.read"], "route.explain", {
    channel: requireKnownChannel(invocation, invocation.arg(0)),
    account: invocation.arg(1),
    peer: invocation.arg(2),
    ...(invocation.has("group") && { group: true }),
    ...(text !== undefined && { text }),
  });
  out.result(answer, () => {
    const lines = answer.lines ?? answer.text?.split("\n") ?? JSON.stringify(answer, null, 2).split("\n");
    for (const line of lines) out.paragraph(sanitizeText(sanitizeLine(line)), " ".repeat(11));
  });
};
