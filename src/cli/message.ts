import { randomUUID } from "node:crypto";
import { CliError, EXIT } from "../core/errors.ts";
import type { Run } from "./command.ts";
import { callGateway } from "./connect.ts";
import { checkAccount, checkChannel } from "./known.ts";
import { readText } from "./input.ts";
import type { Invocation } from "./invocation.ts";
import { cleanLine } from "./text.ts";

/** `openclaw message send` */
export const messageSend: Run = async (invocation) => {
  const { out } = invocation;
  const channel = checkChannel(invocation, needed(invocation, "channel", "irc"));
  const to = needed(invocation, "to", '"#team"');
  const message = await readText(invocation, "message");
  const accountId = checkAccount(invocation, channel, invocation.text("account"));
  const answer = await callGateway<Record<string, unknown>>(invocation, ["operator.write"], "message.action", {
    channel,
    action: "send",
    params: { to, message },
    idempotencyKey: randomUUID(),
    ...(accountId && { accountId }),
  });
  const where = `${cleanLine(to)} on ${cleanLine(channel)}`;
  out.result(answer, () =>
    out.line(answer["status"] === "queued" ? `Queued for ${where}; it will be sent when the channel is ready.` : `Sent to ${where}.`),
  );
};

function needed(invocation: Invocation, flag: string, example: string): string {
  const text = invocation.text(flag);
  if (text) return text;
  throw new CliError(`--${flag} is missing`, {
    why: "the message needs a destination.",
    fix: `add --${flag} ${example}; openclaw channels list shows the channels.`,
    exit: EXIT.usage,
  });
}
