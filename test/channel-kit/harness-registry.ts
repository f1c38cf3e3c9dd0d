import type { ChannelCapabilities } from "../../src/channels/channel.ts";
import { channelIds, loadChannel } from "../../src/channels/registry.ts";
import { withWorker, type HarnessModule } from "./platform-harness.ts";

/** `CHANNEL_KIT_ISOLATE=1`: everything is played with accounts in threads of their own. */
async function inWorkerIfRequested(module: Promise<HarnessModule>): Promise<HarnessModule> {
  if (process.env["CHANNEL_KIT_ISOLATE"] !== "1") return module;
  const plain = await module;
  return { ...plain, open: async (options) => withWorker(await plain.open(options), true) };
}

/** Loads the platform harness of one channel. A channel without one has no tests with the whole process, and the kit says so. */
export const HARNESSES: Readonly<Record<string, () => Promise<HarnessModule>>> = {
  discord: () => inWorkerIfRequested(import("./harnesses/discord.ts")),
  irc: () => inWorkerIfRequested(import("./harnesses/irc.ts")),
  signal: () => inWorkerIfRequested(import("./harnesses/signal.ts")),
  slack: () => inWorkerIfRequested(import("./harnesses/slack.ts")),
  telegram: () => inWorkerIfRequested(import("./harnesses/telegram.ts")),
  webchat: () => import("./harnesses/webchat.ts"),
  webhook: () => inWorkerIfRequested(import("./harnesses/webhook.ts")),
};

/** What can be played: the channels, and what is played like one. */
export const testableChannels: readonly string[] = [...new Set<string>([...channelIds, ...Object.keys(HARNESSES)])];

export async function describeChannel(id: string): Promise<{ label: string; capabilities: ChannelCapabilities }> {
  const channel = await loadChannel(id as (typeof channelIds)[number]);
  if (channel) return channel;
  const { label, capabilities } = await HARNESSES[id]!();
  if (label === undefined || capabilities === undefined) throw new Error(`nothing is known about ${id}`);
  return { label, capabilities };
}

/** The channels that this run is about: those of `CHANNEL_KIT`, or all. */
export const selectedChannels = (): readonly string[] => {
  const named = process.env["CHANNEL_KIT"]?.split(",").filter(Boolean) ?? [];
  return Object.keys(HARNESSES).filter((id) => named.length === 0 || named.includes(id));
};
