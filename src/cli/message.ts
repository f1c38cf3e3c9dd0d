import { randomUUID } from "node:crypto";
import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { requireKnownAccount, requireKnownChannel } from "./known-names.ts";
import { readFlagOrStdin } from "./stdin.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** `openclaw message send` */
export const messageSend: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, requireFlag(invocation, "channel", "irc"));
  const to = requireFlag(invocation, "to", '"#team"');
  const message = await readFlagOrStdin(invocation, "message");
  const accountId = requireKnownAccount(invocation, channel, invocation.text("account"));
  const answer = await callGateway<Record<string, unknown>>(invocation, ["operator.write"], "message.action", {
    channel,
    action: "send",
    params: { to, message },
    idempotencyKey: randomUUID(),
    ...(accountId && { accountId }),
  });
  const where = `${sanitizeLine(to)} on ${sanitizeLine(channel)}`;
  out.result(answer, () =>
    out.line(answer["status"] === "queued" ? `Queued for ${where}; it will be sent when the channel is ready.` : `Sent to ${where}.`),
  );
};

function requireFlag(invocation: Invocation, flag: string, example: string): string {
  const text = invocation.text(flag);
  if (text) return text;
  throw new CliError(`--${flag} is missing`, {
    why: "the message needs a destination.",
    fix: `add --${flag} ${example}; openclaw channels list shows the channels.`,
    exit: EXIT.usage,
  });
}
