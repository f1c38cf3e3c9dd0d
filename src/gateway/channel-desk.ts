import { loadChannel } from "../channels/registry.ts";
import { channelAccounts, defaultAccountId } from "../config/accounts.ts";
import { mergePatch } from "../config/edit.ts";
import { checkText, type Checked } from "../config/load.ts";
import { GatewayError } from "../core/errors.ts";
import type { ChannelId } from "../core/ids.ts";
import { verifyAccount } from "../channels/verify.ts";

export type CandidateInput = {
  /** The text of the configuration file, "" when there is none. */
  raw: string;
  path: string;
  env: Readonly<Record<string, string | undefined>>;
  channel: string;
  account: string | undefined;
  change: Readonly<Record<string, unknown>>;
};

/**
 * The configuration as it would be with `change` in one account. Throws INVALID_REQUEST for values that the file would not take; `raw`
 * is null when there is no such account then.
 */
export function candidate({ raw, path, env, channel, account, change }: CandidateInput): { checked: Checked; raw: unknown } {
  const block = { ...change, enabled: true };
  const text = mergePatch(raw, {
    channels: { [channel]: account === undefined ? block : { enabled: true, accounts: { [account]: block } } },
  });
  const checked = checkText(text, { path, env });
  const wrong = checked.issues.find((issue) => issue.severity === "error" && issue.path.startsWith(`channels.${channel}`));
  if (wrong) {
    throw new GatewayError("INVALID_REQUEST", `${wrong.path}: ${wrong.message}`, {
      details: { code: "ACCOUNT_INCOMPLETE" },
      ...(wrong.fix === undefined ? {} : { fix: wrong.fix }),
    });
  }
  const id = account ?? defaultAccountId(checked.config, channel);
  return { checked, raw: channelAccounts(checked.config, channel).find((each) => each.id === id)?.raw ?? null };
}

/** Asks the platform about an account that is not saved yet, without a gateway. See `verifyAccount` for what is thrown. */
export async function verifyCandidate(input: CandidateInput, signal: AbortSignal): Promise<{ name: string }> {
  const channel = await loadChannel(input.channel as ChannelId);
  if (!channel)
    throw new GatewayError("NOT_FOUND", `there is no channel "${input.channel.slice(0, 40)}"`, { fix: "openclaw help channels add" });
  return await verifyAccount(channel, candidate(input).raw, signal);
}
