import { formatPath } from "../config/key-path.ts";
import { CliError } from "../core/errors.ts";
import { qrText } from "../core/qr.ts";
import type { Run } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import { checkAccount, checkChannel } from "./known.ts";
import { cleanLine } from "./text.ts";

type Step = {
  connected: boolean;
  failed?: boolean;
  message: string;
  name?: string;
  qrDataUrl?: string;
  qrText?: string;
  url?: string;
};

/** `openclaw channels login <channel>`: shows each code until it is scanned. */
export const channelsLogin: Run = async (invocation) => {
  const { out } = invocation;
  const channel = checkChannel(invocation, invocation.arg(0));
  const account = checkAccount(invocation, channel, invocation.text("account"));
  const params = { channel, ...(account !== undefined && { accountId: account }) };
  const end = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    let step = await client.request<Step>("web.login.start", { ...params, force: invocation.has("force") });
    for (let seen = ""; !step.connected && step.failed !== true;) {
      const told = step.qrText ?? step.message;
      if (told !== seen && !out.json) {
        if (step.qrText !== undefined) out.line(qrText(step.qrText));
        out.line(cleanLine(step.message));
      }
      seen = told;
      step = await client.request<Step>("web.login.wait", {
        ...params,
        timeoutMs: 20_000,
        ...(step.qrDataUrl !== undefined && { currentQrDataUrl: step.qrDataUrl }),
      });
    }
    return step;
  });
  if (end.failed === true) throw new CliError(cleanLine(end.message), { fix: `openclaw channels login ${channel} --force` });
  out.result(end, () => out.line(cleanLine(end.message)));
};

type LoggedOut = { channel: string; accountId: string; cause?: string };

/** `openclaw channels logout <channel>` */
export const channelsLogout: Run = async (invocation) => {
  const { out } = invocation;
  const channel = checkChannel(invocation, invocation.arg(0));
  const account = checkAccount(invocation, channel, invocation.text("account"));
  await invocation.confirm(`Log ${channel}${account === undefined ? "" : `/${account}`} out and delete its saved session?`);
  const answer = await callGateway<LoggedOut>(invocation, ["operator.admin"], "channels.logout", {
    channel,
    ...(account !== undefined && { accountId: account }),
  });
  out.result(answer, () => {
    out.line(`Logged out of ${answer.channel}/${answer.accountId}; its saved session was deleted.`);
    if (answer.cause !== undefined) out.note(`The platform did not confirm the logout: ${cleanLine(answer.cause)}`);
    out.note(`The configuration stays; to remove it: openclaw channels remove ${channel}`);
  });
};

/** `openclaw channels start <channel>` and `openclaw channels stop <channel>`: the accounts that are running, not the configuration. */
const switched =
  (method: "channels.start" | "channels.stop", done: string, lasts: (keys: readonly string[]) => string | null): Run =>
  async (invocation) => {
    const { out } = invocation;
    const channel = checkChannel(invocation, invocation.arg(0));
    const account = checkAccount(invocation, channel, invocation.text("account"));
    const answer = await callGateway<{ accountIds: string[] }>(invocation, ["operator.admin"], method, {
      channel,
      ...(account !== undefined && { accountId: account }),
    });
    out.result(answer, () => {
      for (const id of answer.accountIds) out.line(`${channel}/${id} ${done}.`);
      const note = lasts(account === undefined ? ["channels", channel] : ["channels", channel, "accounts", account]);
      out.note(note ?? "To follow it: openclaw channels status");
    });
  };

export const channelsStart: Run = switched("channels.start", "is starting", () => null);
export const channelsStop: Run = switched(
  "channels.stop",
  "stopped",
  (keys) => `It starts again with the gateway. To keep it off: openclaw config set ${formatPath([...keys, "enabled"])} false`,
);
