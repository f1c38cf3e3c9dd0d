import type { Clock } from "../core/clock.ts";
import type { AccountId, ChannelId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Channel, ChannelEvent, ConnectionState, CredentialVault } from "./channel.ts";
import type { LinkTable } from "./link-table.ts";

export type SupervisorDeps = {
  load(channel: ChannelId): Promise<Channel | null>;
  /** The channel as one account runs it: in a worker thread where that is configured. */
  toWorkerChannel?(channel: Channel, spec: AccountSpec): Promise<Channel>;
  /** Where each account puts its live connection. */
  links: LinkTable;
  /** Commits events and cursor in one transaction. Rejects when nothing was stored. */
  admit(channel: ChannelId, account: AccountId, events: readonly ChannelEvent[], cursor: string | undefined): Promise<void>;
  cursor(channel: ChannelId, account: AccountId): string | null;
  /** Called after every change of state. Must not throw. */
  onState(status: AccountStatus): void;
  /** See ChannelContext.commands in channel.ts. */
  commands: readonly { name: string; description: string }[];
  vault?(channel: ChannelId, account: AccountId): CredentialVault;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** A number from 0 up to 1, for jitter. */
  random(): number;
};

/** One account as configured, secrets resolved. */
export type AccountSpec = {
  channel: ChannelId;
  account: AccountId;
  enabled: boolean;
  config: unknown;
  /** What `channel.parse` made of `config`. Absent, or of another channel object: the account parses it when it starts. */
  parsed?: { channel: Channel; result: ReturnType<Channel["parse"]> };
};

/** Whether messages can be sent and received: `degraded` is a connection with a problem. */
export const isConnected = (state: ConnectionState): boolean => state === "ready" || state === "degraded";

/** What has to be done to the running accounts; every other account stays as it is. */
export type AccountChanges = Readonly<Record<"added" | "removed" | "restarted" | "updated", readonly AccountSpec[]>>;

/** One row of `channels.status`. Times are ms since the epoch; null means never. */
export type AccountStatus = {
  channel: ChannelId;
  account: AccountId;
  enabled: boolean;
  /** It runs in a worker thread. */
  isolated?: boolean;
  state: ConnectionState;
  /** When the state began. */
  since: number;
  /** Why, when not ready; one sentence. */
  cause: string | null;
  /** What the owner can do, for `terminal`. */
  fix: string | null;
  /** When the next attempt starts, in `backoff`. */
  retryAt: number | null;
  /** Last committed message of a person, last committed event of any kind, last sign of life, last accepted send. */
  lastMessageAt: number | null;
  lastEventAt: number | null;
  lastReadAt: number | null;
  lastWriteAt: number | null;
  /** Attempts after the first of this start. */
  reconnects: number;
  /** How often the platform asked to slow down since the start. */
  rateLimits: number;
};

/** The exclusive use of credentials. A credential is free again when its run has ended, not when the run was asked to end. */
export type CredentialLeases = {
  /** Takes the credential, or returns its holder and a promise for its release. */
  acquire(identity: string, holder: string): { release: () => void } | { holder: string; freed: Promise<void> };
};
