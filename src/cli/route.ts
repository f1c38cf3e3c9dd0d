import type { Run } from "./command.ts";
import { callGateway } from "./connect.ts";
import { checkChannel } from "./known.ts";
import { cleanLine, cleanText } from "./text.ts";

type Explained = { lines?: readonly string[]; text?: string; explanation?: unknown };

/** `openclaw route explain <channel> <account> <peer>` */
export const routeExplain: Run = async (invocation) => {
  const { out } = invocation;
  const text = invocation.text("text");
  const answer = await callGateway<Explained>(invocation, ["operator.read"], "route.explain", {
    channel: checkChannel(invocation, invocation.arg(0)),
    account: invocation.arg(1),
    peer: invocation.arg(2),
    ...(invocation.has("group") && { group: true }),
    ...(text !== undefined && { text }),
  });
  out.result(answer, () => {
    const lines = answer.lines ?? answer.text?.split("\n") ?? JSON.stringify(answer, null, 2).split("\n");
    for (const line of lines) out.paragraph(cleanText(cleanLine(line)), " ".repeat(11));
  });
};
