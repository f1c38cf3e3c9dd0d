import { TerminalError, type Channel, type ChannelCapabilities, type ReplyTarget } from "../channels/channel.ts";
import type { ChannelPluginSource } from "../channels/plugin-loader.ts";
import { channelIds, loadChannel } from "../channels/registry.ts";
import { splitText } from "../channels/split-text.ts";
import type { AccountSpec } from "../channels/account-types.ts";
import { channelAccounts, defaultAccountId } from "../config/channel-accounts.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ChatId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { chunkLimit, withEnvironment } from "./channel-settings.ts";
import { pluginChannels, pluginSourceOf } from "./plugin-channels.ts";

export type ChannelDirectoryDeps = {
  running: { readonly config: Config };
  stateDir: string;
  env: NodeJS.ProcessEnv;
  log: Log;
};

/** The channels whose code is loaded: what they can do, and how their ids are written. */
export class ChannelDirectory {
  readonly #deps: ChannelDirectoryDeps;
  readonly #loaded = new Map<string, Channel>();

  constructor(deps: ChannelDirectoryDeps) {
    this.#deps = deps;
  }

  /** Loads a channel by its id; a plugin only when it is configured. Throws TerminalError when the plugin is broken. */
  load(id: ChannelId): Promise<Channel | null> {
    return this.#loadFor(id, this.#deps.running.config);
  }

  /** Where the code of a configured plugin is; null for a built-in channel. */
  pluginSource(id: string): ChannelPluginSource | null {
    return pluginSourceOf(this.#deps.running.config, id, this.#deps.stateDir);
  }

  /**
   * The accounts of a configuration, with the credentials of the environment, parsed by their channels. Starts nothing. The channels are
   * loaded because outgoing messages are split by what their channel can do, also those that an earlier process left.
   */
  async prepareAccounts(config: Config): Promise<readonly AccountSpec[]> {
    const { stateDir, env } = this.#deps;
    const specs = [...channelIds, ...pluginChannels(config, stateDir)].flatMap((channel) =>
      channelAccounts(config, channel).map(({ id, enabled, raw }) => ({ channel, account: id, enabled, config: raw })),
    );
    const loaded = new Map<ChannelId, Channel | null>();
    for (const channel of new Set(specs.map((spec) => spec.channel))) loaded.set(channel, await this.#tryLoad(channel, config));
    const own = Object.entries(config.env.vars).map(([name, value]) => [name, value.reveal()] as const);
    const variables = { ...Object.fromEntries(own), ...env };
    return specs.map((spec) => this.#prepare(spec, loaded.get(spec.channel) ?? null, variables));
  }

  capabilities(channel: string): ChannelCapabilities | null {
    return this.#loaded.get(channel)?.capabilities ?? null;
  }

  canonicalId(channel: string): Channel["canonicalId"] {
    return this.#loaded.get(channel)?.canonicalId;
  }

  redecode(channel: string): Channel["redecode"] {
    return this.#loaded.get(channel)?.redecode;
  }

  /** A text as the messages that the channel takes, by its own limit and that of the configuration. */
  readonly split = (target: ReplyTarget, text: string): readonly string[] => {
    const channel = this.#loaded.get(target.channel);
    if (!channel) return [text];
    const chunk = chunkLimit(this.#deps.running.config, target);
    const parts = chunk === null ? [text] : splitText(text, { unit: "utf16", value: chunk }).map((piece) => piece.text);
    const { capabilities, toRenderedText: render } = channel;
    return parts.flatMap((part) => splitText(part, capabilities.maxText, render ? { render } : {}).map((piece) => piece.text));
  };

  label(channel: string): string | undefined {
    return this.#loaded.get(channel)?.label ?? channelIds.find((id) => id === channel);
  }

  isAddressed(channel: ChannelId, account: AccountId, text: string): boolean {
    const known = this.#loaded.get(channel);
    const configured = channelAccounts(this.#deps.running.config, channel).find(({ id }) => id === account);
    const parsed = configured && known?.parse(configured.raw);
    return parsed !== undefined && "account" in parsed && known?.isAddressed?.(parsed.account, text) === true;
  }

  /** A recipient as people write it. Throws when the channel does not exist or the text is not a recipient there. */
  toTarget(channel: string, account: string | undefined, to: string, thread: string | undefined): ReplyTarget {
    const known = this.#require(channel);
    const id = account ?? defaultAccountId(this.#deps.running.config, channel) ?? "default";
    const chat = known.parseChat(withoutChannel(to, channel));
    if (!chat) throw new GatewayError("INVALID_REQUEST", `${JSON.stringify(to.slice(0, 80))} is not a recipient on ${channel}`);
    return { channel: asId<ChannelId>(channel), account: asId<AccountId>(id), chat, ...(thread ? { thread } : {}) };
  }

  /** The direct conversation with a person, by the id that access lists and pairings name. */
  toPerson(channel: string, account: string, person: string): ReplyTarget {
    const known = this.#require(channel);
    const bare = withoutChannel(person, channel);
    const id = asId<ChatId>(known.canonicalId?.(bare) ?? bare);
    return { channel: asId<ChannelId>(channel), account: asId<AccountId>(account), chat: { kind: "direct", id } };
  }

  #require(channel: string): Channel {
    const known = this.#loaded.get(channel);
    if (known) return known;
    throw new GatewayError("INVALID_REQUEST", `the channel ${JSON.stringify(channel.slice(0, 40))} is not configured`, {
      fix: "`openclaw channels list` shows the channels.",
    });
  }

  async #loadFor(id: ChannelId, config: Config): Promise<Channel | null> {
    const channel = await loadChannel(id, pluginSourceOf(config, id, this.#deps.stateDir) ?? undefined);
    if (channel) this.#loaded.set(id, channel);
    return channel;
  }

  /** A channel that cannot be loaded does not affect the others: its accounts report the cause. */
  async #tryLoad(channel: ChannelId, config: Config): Promise<Channel | null> {
    try {
      return await this.#loadFor(channel, config);
    } catch (err) {
      if (!(err instanceof TerminalError)) throw err;
      this.#deps.log.debug("a channel could not be loaded", { channel, cause: err.message });
      return null;
    }
  }

  #prepare(spec: AccountSpec, channel: Channel | null, variables: NodeJS.ProcessEnv): AccountSpec {
    if (!channel) return spec;
    const needed = spec.account === "default" ? channel.environment : undefined;
    const config = needed ? withEnvironment(spec.config as Readonly<Record<string, unknown>>, needed, variables) : spec.config;
    try {
      return { ...spec, config, parsed: { channel, result: channel.parse(config) } };
    } catch {
      // A bug of the channel, which concerns its own accounts only: the supervisor parses again and reports it.
      return { ...spec, config };
    }
  }
}

/** A recipient without the name of the channel in front of it (`irc:#room`). */
function withoutChannel(text: string, channel: string): string {
  const bare = text.trim();
  const prefix = `${channel}:`;
  return bare.toLowerCase().startsWith(prefix.toLowerCase()) ? bare.slice(prefix.length) : bare;
}
