import type { Config } from "../config/schema.ts";
import type { ChatId, SenderId } from "../core/ids.ts";

/** Every key may be absent: routing decides from what is there, and `{}` is the configuration of a gateway without a file. */
type Parts<T> = T extends readonly (infer Item)[]
  ? readonly Item[]
  : T extends object
    ? { readonly [K in keyof T]?: Parts<Exclude<T[K], undefined>> | undefined }
    : T;

/** The parts of the configuration that routing reads. */
export type RoutingConfig = Parts<Pick<Config, "agents" | "session" | "accessGroups" | "commands" | "broadcast" | "messages">> & {
  readonly bindings?: readonly RoutingBinding[] | undefined;
  /** Read key by key in `account-policy.ts`: a channel plugin has no schema. */
  readonly channels?: Readonly<Record<string, unknown>> | undefined;
  readonly peers?: Readonly<Record<string, unknown>> | undefined;
};

export type RoutingAgent = Parts<Config["agents"]["entries"][string]>;

type Binding = Config["bindings"][number];
export type RoutingBinding = Parts<Omit<Binding, "agentId" | "match">> & {
  readonly agentId: string;
  readonly match: Parts<Omit<Binding["match"], "channel">> & Pick<Binding["match"], "channel">;
};

export type SessionScopes = Parts<Config["session"]>;
export type DmScope = Config["session"]["dmScope"];
export type GroupScope = Config["session"]["groupScope"];
export type QueueConfig = Parts<Config["messages"]["queue"]>;

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
