import { channelAccounts } from "../config/channel-accounts.ts";
import { resolveAgent } from "../config/agents.ts";
import type { Config } from "../config/schema.ts";
import { Secret } from "../core/secret.ts";
import { LIMITS } from "../core/limits.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import { resolveAccountPolicy, findRoomRule } from "../routing/account-policy.ts";
import { parseSessionKey } from "../routing/session-key.ts";

type AccountRef = Pick<ReplyTarget, "channel" | "account">;

/** A key of one account, or of its channel where the account does not have it. */
export function accountSetting(config: Config, { channel, account }: AccountRef, key: string): unknown {
  return channelAccounts(config, channel).find(({ id }) => id === account)?.raw[key];
}

/** Text before the replies of a session. Precedence: account, channel, general setting; `auto` is the name of the agent. */
export function replyPrefix(config: Config, target: AccountRef, sessionKey: string, stateDir: string): string {
  const own = accountSetting(config, target, "responsePrefix");
  const prefix = typeof own === "string" ? own : (config.messages.responsePrefix ?? "");
  if (prefix !== "auto") return prefix.trim();
  const agentId = parseSessionKey(sessionKey)?.agentId;
  return agentId ? `[${resolveAgent(config, agentId, stateDir).name}]` : "";
}

/** Characters of one part of a reply; null where only the limit of the platform applies. */
export function chunkLimit(config: Config, target: AccountRef): number | null {
  const limit = accountSetting(config, target, "textChunkLimit");
  return typeof limit === "number" ? limit : null;
}

/** Size of one received file that is fetched: `mediaMaxMb` of the account, never more than the gateway takes. */
export function mediaMaxBytes(config: Config, place: AccountRef): number {
  const limit = accountSetting(config, place, "mediaMaxMb");
  return typeof limit === "number" ? Math.min(LIMITS.mediaBytes, Math.floor(limit * 1024 * 1024)) : LIMITS.mediaBytes;
}

/** How many lines of a chat room are kept for the agent. Precedence: account, channel, agent, general setting. */
export function historyLimit(config: Config, place: AccountRef, agentId: string | null): number {
  const own = accountSetting(config, place, "historyLimit");
  if (typeof own === "number") return own;
  const agent = agentId === null ? undefined : config.agents.entries[agentId]?.groupChat?.historyLimit;
  return agent ?? config.messages.groupChat.historyLimit;
}

/** What the configuration adds to the instructions in one chat room; empty for none. */
export function roomPrompt(config: Config, target: ReplyTarget, canonicalId: ((id: string) => string) | undefined): string {
  if (target.chat.kind === "direct") return "";
  const policy = resolveAccountPolicy(config, target.channel, target.account);
  const place = { id: target.chat.id, threadId: target.thread, guildId: target.guildId, parentId: target.parent };
  return findRoomRule(policy, place, canonicalId ?? ((id) => id)).rule.systemPrompt ?? "";
}

/** A channel's configuration, with credentials from the environment where it has none of its own. */
export function withEnvironment(
  raw: Readonly<Record<string, unknown>>,
  variables: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> {
  const found = Object.entries(variables).flatMap(([key, name]): [string, Secret][] => {
    const value = env[name]?.trim();
    return raw[key] === undefined && value ? [[key, new Secret(value)]] : [];
  });
  return found.length > 0 ? { ...raw, ...Object.fromEntries(found) } : raw;
}
