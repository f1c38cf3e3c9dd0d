import { asId, type AccountId, type ChannelId, type ChatId, type SenderId } from "../core/ids.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { decide, formatDecision, type RoutingDecision, type RoutingInput } from "../routing/decide.ts";
import type { RoutingConfig } from "../routing/types.ts";

export type RoutesDeps = {
  config: () => RoutingConfig;
  isPaired: (channel: string, account: string, sender: string) => boolean;
  /** How the channel compares ids, and who its owners are. */
  botFacts: (channel: ChannelId, account: AccountId) => RoutingInput["accessContext"];
  /** Whether the text calls the bot of that account by its name on the platform. */
  isAddressed: (channel: ChannelId, account: AccountId, text: string) => boolean;
  now: () => number;
};

/** route.explain: what would happen to a message, decided by the code that decides about real ones. */
export function routesMethods(deps: RoutesDeps) {
  return {
    "route.explain": {
      scope: "operator.read",
      run: (params) => {
        const config = deps.config();
        const answer = decideMessage(deps, params);
        return { ...answer, lines: formatDecision(answer, config) };
      },
    },
  } satisfies MethodTable;
}

/** A message as a person would describe it. */
export type DescribedMessage = MethodParams<"route.explain">;

/** What the gateway would decide about a message. `addressed`: whether it calls the bot; default: as its text does. */
export const decideMessage = (deps: RoutesDeps, message: DescribedMessage, addressed?: boolean): RoutingDecision =>
  decide(toRoutingInput(deps, message, addressed), deps.config());

/** With `group`, `peer` is the room and an unknown person speaks in it; otherwise `peer` is the person. */
function toRoutingInput(deps: RoutesDeps, params: DescribedMessage, addressed?: boolean): RoutingInput {
  const channel = asId<ChannelId>(params.channel);
  const account = asId<AccountId>(params.account);
  return {
    channel,
    account,
    message: {
      chat: { kind: params.group ? "group" : "direct", id: asId<ChatId>(params.peer) },
      sender: { id: asId<SenderId>(params.group ? "someone" : params.peer), isBot: false, isSelf: false },
      text: params.text ?? "",
      mentionsSelf: addressed ?? (!params.group || deps.isAddressed(channel, account, params.text ?? "")),
      sentAt: deps.now(),
      origin: "live",
    },
    isPaired: (sender) => deps.isPaired(channel, account, sender),
    accessContext: deps.botFacts(channel, account),
  };
}
