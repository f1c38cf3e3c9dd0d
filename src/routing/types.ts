import type { ChatId, SenderId } from "../core/ids.ts";

/** The parts of the configuration that routing reads. The real `Config` fits by its structure. */
export type RoutingConfig = {
  readonly agents?:
    | {
        readonly ownership?: string | undefined;
        readonly entries?: Readonly<Record<string, RoutingAgent | undefined>> | undefined;
        /** The older form of `entries`. Read only when `entries` is absent. */
        readonly list?: readonly (RoutingAgent & { readonly id: string })[] | undefined;
      }
    | undefined;
  readonly bindings?: readonly RoutingBinding[] | undefined;
  readonly session?: SessionScopes | undefined;
  readonly channels?: Readonly<Record<string, unknown>> | undefined;
  readonly accessGroups?: Readonly<Record<string, RoutingAccessGroup | undefined>> | undefined;
  readonly commands?:
    | {
        readonly ownerAllowFrom?: readonly (string | number)[] | undefined;
        readonly allowFrom?: Readonly<Record<string, readonly (string | number)[] | undefined>> | undefined;
      }
    | undefined;
  /** `strategy`, and lists of agents by the id of a chat. */
  readonly broadcast?: Readonly<Record<string, unknown>> | undefined;
  readonly messages?:
    | {
        readonly queue?: QueueConfig | undefined;
        readonly groupChat?: { readonly mentionPatterns?: readonly string[] | undefined } | undefined;
      }
    | undefined;
};

export type RoutingAgent = {
  readonly default?: boolean | undefined;
  readonly identity?: { readonly name?: string | undefined; readonly emoji?: string | undefined } | undefined;
  readonly groupChat?: { readonly mentionPatterns?: readonly string[] | undefined } | undefined;
  readonly tools?: unknown;
};

export type DmScope = "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer";
export type GroupScope = "main" | "per-group";

export type SessionScopes = {
  readonly dmScope?: string | undefined;
  readonly groupScope?: string | undefined;
  /** `global`: every message is one of the agent's main conversation. */
  readonly scope?: string | undefined;
  readonly identityLinks?: Readonly<Record<string, readonly string[] | undefined>> | undefined;
};

export type RoutingBinding = {
  readonly agentId: string;
  readonly type?: string | undefined;
  readonly comment?: string | undefined;
  readonly match: {
    readonly channel: string;
    readonly accountId?: string | undefined;
    readonly peer?: { readonly kind: string; readonly id: string | number } | undefined;
    readonly guildId?: string | undefined;
    readonly teamId?: string | undefined;
    readonly roles?: readonly string[] | undefined;
  };
  readonly session?: { readonly dmScope?: string | undefined; readonly groupScope?: string | undefined } | undefined;
};

export type RoutingAccessGroup = {
  readonly type?: string | undefined;
  readonly members?: Readonly<Record<string, readonly (string | number)[] | undefined>> | undefined;
};

export type QueueConfig = {
  readonly mode?: string | undefined;
  readonly debounceMs?: number | undefined;
  readonly byChannel?: Readonly<Record<string, string | undefined>> | undefined;
  readonly debounceMsByChannel?: Readonly<Record<string, number | undefined>> | undefined;
};

/** What routing reads of a message. A channel's `Inbound` fits by its structure. */
export type RoutedMessage = {
  /** `formerly`: the id under which the chat was first known, where the platform has given it another one. Rules for either count. */
  readonly chat: { readonly kind: "direct" | "group" | "channel"; readonly id: ChatId; readonly formerly?: ChatId | undefined };
  readonly thread?: { readonly id: string } | undefined;
  readonly parent?: { readonly kind: "direct" | "group" | "channel"; readonly id: ChatId } | undefined;
  readonly guildId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly sender: {
    readonly id: SenderId;
    readonly aliases?: readonly SenderId[] | undefined;
    readonly name?: string | undefined;
    readonly isBot: boolean;
    readonly isSelf: boolean;
    readonly roles?: readonly string[] | undefined;
  };
  readonly text: string;
  readonly mentionsSelf: boolean;
  readonly replyTo?: { readonly isSelf: boolean } | undefined;
  readonly sentAt: number;
  readonly origin: "live" | "backfill";
};

/** A value of a record that may carry hostile keys: only own properties count, so `__proto__` is just a name. */
export function ownProperty<T>(record: Readonly<Record<string, T>> | undefined | null, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined;
}
