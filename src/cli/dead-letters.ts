import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { sanitizeLine, sanitizeText, formatAge, plural } from "./terminal-text.ts";

type DeadLetter = {
  id: string;
  kind?: "inbound" | "outbound";
  state?: string;
  channel?: string;
  account?: string;
  to?: string;
  sessionKey?: string | null;
  at?: number;
  attempts?: number;
  cause?: string | null;
  text?: string;
};

/** `openclaw dead-letters list` */
export const deadLettersList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const { items } = await callGateway<{ items: DeadLetter[] }>(invocation, ["operator.read"], "deadletters.list");
  const shown = items.slice(0, invocation.number("limit") ?? 50);
  out.result({ items: shown, total: items.length }, () => {
    if (shown.length === 0) return out.line("No undelivered messages.");
    const rows = shown.map((each) => [
      each.id,
      directionOf(each),
      formatAge(each.at, host.now()),
      String(each.attempts ?? "-"),
      each.cause ?? "-",
      each.text ?? "",
    ]);
    out.table(
      [
        { title: "id", truncate: true },
        { title: "direction", truncate: true },
        { title: "since" },
        { title: "tries", align: "right" },
        { title: "cause", truncate: true },
        { title: "text", truncate: true },
      ],
      rows,
    );
    out.note(`${plural(items.length, "message")}. Retry one with: openclaw dead-letters retry ${sanitizeLine(shown[0]!.id)}`);
  });
};

const directionOf = ({ kind, channel, to }: DeadLetter): string =>
  kind === "outbound" ? `to ${to ?? "-"} on ${channel ?? "-"}` : `from ${channel ?? "-"}`;

/** `openclaw dead-letters show <id>` */
export const deadLettersShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await callGateway<{ item: DeadLetter }>(invocation, ["operator.read"], "deadletters.show", { id: invocation.arg(0) });
  const { item } = answer;
  out.result(answer, () => {
    out.pairs([
      ["id", item.id],
      ["direction", directionOf(item)],
      ["account", item.account ?? "-"],
      ["session", item.sessionKey ?? "-"],
      ["since", formatAge(item.at, host.now())],
      ["state", item.state === "unknown" ? "unknown: may have been delivered" : (item.state ?? "-")],
      ["tries", String(item.attempts ?? "-")],
      ["cause", item.cause ?? "-"],
    ]);
    out.line();
    out.line(sanitizeText(item.text ?? ""));
  });
};

/** `openclaw dead-letters retry <id>` */
export const deadLettersRetry: CommandHandler = async (invocation) => {
  const id = invocation.arg(0);
  const answer = await callGateway(invocation, ["operator.admin"], "deadletters.retry", { id });
  invocation.out.result(answer, () => invocation.out.line(`${sanitizeLine(id)} will be retried.`));
};

/** `openclaw dead-letters drop <id>` */
export const deadLettersDrop: CommandHandler = async (invocation) => {
  const id = invocation.arg(0);
  await invocation.confirm(`Discard message ${sanitizeLine(id)} permanently?`);
  const answer = await callGateway(invocation, ["operator.admin"], "deadletters.drop", { id });
  invocation.out.result(answer, () => invocation.out.line(`Discarded ${sanitizeLine(id)}.`));
};
