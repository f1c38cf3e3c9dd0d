import type { Channel } from "../channels/channel.ts";
import { loadChannel } from "../channels/registry.ts";
import { verifyAccount } from "../channels/verify.ts";
import type { AccountCandidate } from "../core/gateway-process.ts";
import { channelAccounts, defaultAccountId } from "../config/channel-accounts.ts";
import { mergePatch } from "../config/edit.ts";
import { checkConfigText } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { ExternalSecrets } from "../config/secret-refs.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import type { ChannelId } from "../core/ids.ts";
import { withEnvironment } from "./channel-settings.ts";

/** What `Channel.parse` takes for one account: its keys, with credentials of the environment. Null when the account is not configured. */
export function accountConfig(
  config: Config,
  channel: Pick<Channel, "id" | "environment">,
  account: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): unknown {
  const id = account ?? defaultAccountId(config, channel.id);
  const raw = channelAccounts(config, channel.id).find((each) => each.id === id)?.raw;
  if (!raw) return null;
  if (id !== "default" || !channel.environment) return raw;
  const own = Object.entries(config.env.vars).map(([name, value]) => [name, value.reveal()] as const);
  return withEnvironment(raw, channel.environment, { ...Object.fromEntries(own), ...env });
}

/** The configuration with `change` applied to one account. Throws INVALID_REQUEST for values that are not valid there. */
export function candidateConfig({ raw, path, env, channel, account, change }: AccountCandidate, external?: ExternalSecrets): Config {
  const block = { ...change, enabled: true };
  const edited = mergePatch(raw, {
    channels: { [channel]: account === undefined ? block : { enabled: true, accounts: { [account]: block } } },
  });
  const checked = checkConfigText(edited, { path, env, ...(external && { external }) });
  const wrong = checked.issues.find((issue) => issue.severity === "error" && issue.path.startsWith(`channels.${channel}`));
  if (!wrong) return checked.config;
  const text = wrong.message.startsWith(wrong.path) ? wrong.message : `${wrong.path}: ${wrong.message}`;
  throw detailError("ACCOUNT_INCOMPLETE", text, wrong.fix === undefined ? {} : { fix: wrong.fix });
}

/** Asks the platform about an account that is not saved yet, without a gateway. See `verifyAccount` for what is thrown. */
export async function verifyCandidate(input: AccountCandidate, signal: AbortSignal): Promise<{ name: string }> {
  const channel = await loadChannel(input.channel as ChannelId);
  if (!channel)
    throw new GatewayError("NOT_FOUND", `there is no channel "${input.channel.slice(0, 40)}"`, { fix: "openclaw help channels add" });
  return await verifyAccount(channel, accountConfig(candidateConfig(input), channel, input.account, input.env), signal);
}
