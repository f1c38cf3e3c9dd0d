import type { InboundMessage } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { asId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { resolveAccountPolicy } from "../routing/account-policy.ts";
import { BotLoopGuard } from "../routing/bot-loop.ts";
import { decide, type RoutingDecision } from "../routing/decide.ts";
import type { RoutedMessage, RoutingConfig } from "../routing/types.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { Pairings } from "../store/pairing.ts";
import type { Sessions } from "../store/sessions.ts";
import type { MessageAdmission } from "./admission.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { isServedCommand } from "./commands.ts";
import type { ChannelAccount } from "./event-addressing.ts";

/** Chat migrations that are not on disk yet: new id to old id. */
export type ChatMigrations = ReadonlyMap<string, string>;

export type InboundRouterDeps = {
  sessions: Sessions;
  channelState: ChannelState;
  config: () => RoutingConfig;
  directory: Pick<ChannelLookup, "canonicalId" | "capabilities">;
  pairings: Pick<Pairings, "isPaired">;
  admission: Pick<MessageAdmission, "parseCommand">;
  clock: Clock;
  log: Log;
};

/** Decides about inbound messages with what is stored about their chat: its earlier id, its session, its pairings. */
export class InboundRouter {
  readonly #deps: InboundRouterDeps;
  readonly #botLoops = new BotLoopGuard();

  constructor(deps: InboundRouterDeps) {
    this.#deps = deps;
  }

  /** What the gateway does with one message, and why. `pending`: migrations of the batch that the message belongs to. */
  decide(source: ChannelAccount, event: RoutedMessage, pending: ChatMigrations): RoutingDecision {
    const message = this.#withEarlierId(source, event, pending);
    const first = this.#ask(source, message, undefined, false);
    const session = first.sessionKey ? this.#deps.sessions.get(first.sessionKey) : undefined;
    const activation = session?.activation === "always" || session?.activation === "mention" ? session.activation : undefined;
    // A topic of a forum is a room of its own, not a thread that was opened about one message.
    const isThread = event.thread !== undefined && first.sessionKey?.includes(":thread:") === true;
    const inThread = isThread && session !== undefined && session.last_run_id !== null;
    return activation || inThread ? this.#ask(source, message, activation, inThread) : first;
  }

  #withEarlierId({ channel, account }: ChannelAccount, event: RoutedMessage, pending: ChatMigrations): RoutedMessage {
    const { chat } = event;
    const moved = pending.get(chat.id);
    const formerly = this.#deps.channelState.previousChatId({ channel, account }, moved ?? chat.id) ?? moved;
    return formerly === undefined ? event : { ...event, chat: { ...chat, formerly: asId<typeof chat.id>(formerly) } };
  }

  #ask(source: ChannelAccount, message: RoutedMessage, activation: "always" | "mention" | undefined, inThread: boolean): RoutingDecision {
    const { channel, account } = source;
    const { admission, clock, config, directory, pairings } = this.#deps;
    const accessContext = {
      now: clock.now(),
      isCommand: (text: string) => isServedCommand(admission.parseCommand(text)),
      canonicalId: directory.canonicalId(channel),
      roomAdmitsMembers: directory.capabilities(channel)?.roomAdmitsMembers === true,
      activation,
      inThread,
    };
    const isPaired = (sender: string): boolean => pairings.isPaired(channel, account, sender);
    return decide({ channel, account, message, isPaired, accessContext }, config());
  }

  /** Two bots that answer each other would never end: beyond a budget the pair gets no answers for some time. */
  isBotLoop({ channel, account }: ChannelAccount, { chat, sender }: InboundMessage): boolean {
    if (!sender.isBot) return false;
    const { clock, config, log } = this.#deps;
    const { botLoop } = resolveAccountPolicy(config(), channel, account);
    const { answer, began } = this.#botLoops.check([channel, account, chat.id, sender.id].join("|"), botLoop, clock.monotonic());
    const seconds = botLoop.cooldownSeconds;
    if (began) log.warn("another bot gets no answers for a while", { channel, account, sender: sender.id, seconds });
    return !answer;
  }
}
