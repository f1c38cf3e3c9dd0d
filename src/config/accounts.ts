import type { AccountId } from "../core/ids.ts";
import { asId } from "../core/ids.ts";
import type { Config } from "./schema.ts";

/** One connection of a channel. `raw` is what `Channel.parse` takes: the account's keys over those of the channel. */
type AccountConfig = { readonly id: AccountId; readonly enabled: boolean; readonly raw: Readonly<Record<string, unknown>> };

const DEFAULT = "default";
/** Keys that only the account `default` takes from the channel, as in OpenClaw. */
const NOT_INHERITED: Readonly<Record<string, readonly string[]>> = { signal: ["transport"] };

/**
 * The accounts of a channel. A key of an account replaces the channel's key as a whole (maps are not merged). The channel's own
 * keys make the account `default` when no account is named, or when all of `ownKeys` are set there (a connection of its own).
 * Empty when the channel is not configured.
 */
export function channelAccounts(config: Config, channel: string, ownKeys: readonly string[] = []): readonly AccountConfig[] {
  const block = Object.hasOwn(config.channels, channel) ? config.channels[channel] : undefined;
  if (channel === "defaults" || !isRecord(block)) return [];
  const { accounts, defaultAccount: _, ...shared } = block;
  const named = isRecord(accounts) ? accounts : {};
  const ids = Object.keys(named);
  const own = ownKeys.length > 0 && ownKeys.every((key) => shared[key] !== undefined);
  if (ids.length === 0 || (own && !ids.includes(DEFAULT))) ids.unshift(DEFAULT);
  return ids.map((id) => {
    const account = Object.hasOwn(named, id) && isRecord(named[id]) ? named[id] : {};
    const kept = id === DEFAULT ? [] : (NOT_INHERITED[channel] ?? []);
    const base = Object.fromEntries(Object.entries(shared).filter(([key]) => !kept.includes(key)));
    const raw = Object.freeze({ ...base, ...account });
    return { id: asId<AccountId>(id), enabled: shared["enabled"] !== false && account["enabled"] !== false, raw };
  });
}

/** The account that is meant where none is named: the configured one, else `default`, else the first. Null without accounts. */
export function defaultAccountId(config: Config, channel: string, ownKeys: readonly string[] = []): AccountId | null {
  const ids = channelAccounts(config, channel, ownKeys).map((account) => account.id as string);
  const block = Object.hasOwn(config.channels, channel) ? config.channels[channel] : undefined;
  const wanted = isRecord(block) ? block["defaultAccount"] : undefined;
  const id = typeof wanted === "string" && ids.includes(wanted) ? wanted : ids.includes(DEFAULT) ? DEFAULT : ids[0];
  return id === undefined ? null : asId<AccountId>(id);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
