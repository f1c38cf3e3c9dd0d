import { formatPath } from "../config/key-path.ts";
import { CliError } from "../core/errors.ts";
import { qrText } from "../core/qr.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import { requireKnownAccount, requireKnownChannel } from "./known-names.ts";
import { sanitizeLine } from "./terminal-text.ts";

type LoginProgress = {
  connected: boolean;
  failed?: boolean;
  message: string;
  name?: string;
  qrDataUrl?: string;
  qrText?: string;
  url?: string;
};

/** `openclaw channels login <channel>`: shows each code until it is scanned. */
export const channelsLogin: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, invocation.arg(0));
  const account = requireKnownAccount(invocation, channel, invocation.text("account"));
  const params = { channel, ...(account !== undefined && { accountId: account }) };
  const end = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    let step = await client.request<LoginProgress>("web.login.start", { ...params, force: invocation.has("force") });
    for (let seen = ""; !step.connected && step.failed !== true;) {
      const told = step.qrText ?? step.message;
      if (told !== seen && !out.json) {
        if (step.qrText !== undefined) out.line(qrText(step.qrText));
        out.line(sanitizeLine(step.message));
      }
      seen = told;
      step = await client.request<LoginProgress>("web.login.wait", {
        ...params,
        timeoutMs: 20_000,
        ...(step.qrDataUrl !== undefined && { currentQrDataUrl: step.qrDataUrl }),
      });
    }
    return step;
  });
  if (end.failed === true) throw new CliError(sanitizeLine(end.message), { fix: `openclaw channels login ${channel} --force` });
  out.result(end, () => out.line(sanitizeLine(end.message)));
};

type LoggedOut = { channel: string; accountId: string; cause?: string };

/** `openclaw channels logout <channel>` */
export const channelsLogout: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, invocation.arg(0));
  const account = requireKnownAccount(invocation, channel, invocation.text("account"));
  await invocation.confirm(`Log ${channel}${account === undefined ? "" : `/${account}`} out and delete its saved session?`);
  const answer = await callGateway<LoggedOut>(invocation, ["operator.admin"], "channels.logout", {
    channel,
    ...(account !== undefined && { accountId: account }),
  });
  out.result(answer, () => {
    out.line(`Logged out of ${answer.channel}/${answer.accountId}; its saved session was deleted.`);
    if (answer.cause !== undefined) out.note(`The platform did not confirm the logout: ${sanitizeLine(answer.cause)}`);
    out.note(`The configuration stays; to remove it: openclaw channels remove ${channel}`);
  });
};

/** `openclaw channels start <channel>` and `openclaw channels stop <channel>`: the accounts that are running, not the configuration. */
const startOrStop =
  (method: "channels.start" | "channels.stop", done: string, lasts: (keys: readonly string[]) => string | null): CommandHandler =>
  async (invocation) => {
    const { out } = invocation;
    const channel = requireKnownChannel(invocation, invocation.arg(0));
    const account = requireKnownAccount(invocation, channel, invocation.text("account"));
    const answer = await callGateway<{ accountIds: string[] }>(invocation, ["operator.admin"], method, {
      channel,
      ...(account !== undefined && { accountId: account }),
    });
    out.result(answer, () => {
      for (const id of answer.accountIds) out.line(`${channel}/${id} ${done}.`);
      const note = lasts(account === undefined ? ["channels", channel] : ["channels", channel, "accounts", account]);
      out.note(note ?? "Check it with: openclaw channels status");
    });
  };

export const channelsStart: CommandHandler = startOrStop("channels.start", "is starting", () => null);
export const channelsStop: CommandHandler = startOrStop(
  "channels.stop",
  "stopped",
  (keys) => `It starts again when the gateway restarts. To disable it: openclaw config set ${formatPath([...keys, "enabled"])} false`,
);
