import { channelManifest } from "../../src/channels/registry.ts";
import type { AccountIssue, Channel } from "../../src/channels/channel.ts";
import { channelAccounts } from "../../src/config/channel-accounts.ts";
import { checkConfigValue } from "../../src/config/load.ts";

/**
 * The keys of one account as the gateway gives them to `parse`: checked by the schema of the channel, secrets as Secret. The paths of
 * the errors are relative to the account. A channel without a schema gets the keys unchanged, as a plugin does.
 */
export function checkAccount(channel: string, keys: unknown): { raw: unknown; issues: readonly AccountIssue[] } {
  if (channelManifest(channel) === null) return { raw: keys, issues: [] };
  const { config, issues } = checkConfigValue({ channels: { [channel]: keys } });
  const prefix = `channels.${channel}.`;
  return {
    raw: channelAccounts(config, channel)[0]?.raw ?? {},
    issues: issues
      .filter(({ severity }) => severity === "error")
      .map(({ path, message, fix }) => ({
        path: path.replace(prefix, ""),
        message: message.replace(path, "").trim(),
        ...(fix !== undefined && { fix }),
      })),
  };
}

/** The account of a channel, or everything that is wrong with its keys: what the schema refuses, else what `parse` refuses. */
export function parseChecked<Account>(
  channel: Pick<Channel<Account>, "id" | "parse">,
  keys: unknown,
): ReturnType<Channel<Account>["parse"]> {
  const { raw, issues } = checkAccount(channel.id, keys);
  return issues.length > 0 ? { issues } : channel.parse(raw);
}
