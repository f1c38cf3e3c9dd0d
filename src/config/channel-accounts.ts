import { channelManifest } from "../channels/registry.ts";
import type { AccountId } from "../core/ids.ts";
import { asId } from "../core/ids.ts";
import { isObject } from "../core/json.ts";
import type { Config } from "./schema.ts";

/** One connection of a channel. `raw` is what `Channel.parse` takes: the account's keys over those of the channel. */
type AccountConfig = { readonly id: AccountId; readonly enabled: boolean; readonly raw: Readonly<Record<string, unknown>> };

const DEFAULT_ACCOUNT = "default";
const isOtherChannel = (row: readonly string[], account: unknown): boolean =>
  isObject(account) && row.some((key) => account[key] !== undefined);

/**
 * Whether the channel's own keys are a connection beside the named accounts: they are enough for one, and every named account has
 * another, so that none of them is the same one once more.
 */
function hasConnectionKeys(channel: string, shared: Readonly<Record<string, unknown>>, accounts: readonly unknown[]): boolean {
  const rows = channelManifest(channel)?.connectionKeys ?? [];
  return rows.some((row) => row.every((key) => shared[key] !== undefined) && accounts.every((account) => isOtherChannel(row, account)));
}

/**
 * The accounts of a channel. A key of an account replaces the channel's key as a whole (maps are not merged). The channel's own
 * keys make the account `default` when no account is named, or when they are a connection of its own: a second account that is
 * added does not take the first away. Empty when the channel is not configured.
 */
export function channelAccounts(config: Config, channel: string): readonly AccountConfig[] {
  const block = Object.hasOwn(config.channels, channel) ? config.channels[channel] : undefined;
  if (channel === "defaults" || !isObject(block)) return [];
  const { accounts, defaultAccount: _, ...shared } = block;
  const named = isObject(accounts) ? accounts : {};
  const ids = Object.keys(named);
  const own = hasConnectionKeys(channel, shared, Object.values(named));
  if (ids.length === 0 || (own && !ids.includes(DEFAULT_ACCOUNT))) ids.unshift(DEFAULT_ACCOUNT);
  return ids.map((id) => {
    const account = Object.hasOwn(named, id) && isObject(named[id]) ? named[id] : {};
    const kept = id === DEFAULT_ACCOUNT ? [] : (channelManifest(channel)?.notInherited ?? []);
    const base = Object.fromEntries(Object.entries(shared).filter(([key]) => !kept.includes(key)));
    const raw = Object.freeze({ ...base, ...account });
    return { id: asId<AccountId>(id), enabled: shared["enabled"] !== false && account["enabled"] !== false, raw };
  });
}

/** The account that is meant where none is named: the configured one, else `default`, else the first. Null without accounts. */
export function defaultAccountId(config: Config, channel: string): AccountId | null {
  const ids = channelAccounts(config, channel).map((account) => account.id as string);
  const block = Object.hasOwn(config.channels, channel) ? config.channels[channel] : undefined;
  const wanted = isObject(block) ? block["defaultAccount"] : undefined;
  const id = typeof wanted === "string" && ids.includes(wanted) ? wanted : ids.includes(DEFAULT_ACCOUNT) ? DEFAULT_ACCOUNT : ids[0];
  return id === undefined ? null : asId<AccountId>(id);
}
