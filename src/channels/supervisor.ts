import { GatewayError } from "../core/errors.ts";
import type { AccountId, ChannelId } from "../core/ids.ts";
import { superviseAccount, type ManagedAccount } from "./account-supervisor.ts";
import type { AccountChanges, AccountSpec, AccountStatus, CredentialLeases, SupervisorDeps } from "./account-types.ts";
import type { WebhookResponse, WebhookRequest, Link } from "./channel.ts";

export type ChannelSupervisor = {
  /**
   * Stops removed accounts and starts, restarts or updates the others, in that order: a credential that moves to another account is
   * free by then. Resolves when the starts have begun.
   */
  apply(changes: AccountChanges): Promise<void>;
  /** The accounts as they were applied. */
  accounts(): readonly AccountSpec[];
  /** Starts an account that an operator stopped, or retries a terminal one. */
  start(channel: ChannelId, account: AccountId): void;
  /** Stops one account until `start`, also across `apply`. Resolves within 2 s. */
  stop(channel: ChannelId, account: AccountId): Promise<void>;
  /** Stops everything. Resolves within 2 s. */
  close(): Promise<void>;
  /** The live connection, looked up for each send; null when there is none. */
  link(channel: ChannelId, account: AccountId): Link | null;
  /** Passes an inbound webhook request to its account. Throws GatewayError when no account handles it. */
  receive(channel: ChannelId, account: AccountId, request: WebhookRequest): Promise<WebhookResponse>;
  /** The header without which an inbound webhook request cannot be genuine, or null. Throws as `receive` does; asked before the body is read. */
  missingHeader(channel: ChannelId, account: AccountId, headers: WebhookRequest["headers"]): string | null;
  status(): readonly AccountStatus[];
};

const keyOf = (channel: ChannelId, account: AccountId): string => JSON.stringify([channel, account]);

/** Supervises every account of every channel. One failing account never affects another. */
export function createChannelSupervisor(deps: SupervisorDeps): ChannelSupervisor {
  const accounts = new Map<string, ManagedAccount>();
  const leases = createCredentialLeases();
  const find = (channel: ChannelId, account: AccountId): ManagedAccount => {
    const found = accounts.get(keyOf(channel, account));
    if (!found)
      throw new GatewayError("NOT_FOUND", `${channel} has no account "${account}"`, { fix: "openclaw channels status lists them." });
    return found;
  };
  deps.metrics.sample("gateway_channels_accounts", () => countStates(accounts.values()));
  return {
    async apply({ added, removed, restarted, updated }) {
      const gone = removed.map(({ channel, account }) => find(channel, account));
      for (const { channel, account } of removed) accounts.delete(keyOf(channel, account));
      await Promise.all(gone.map((account) => account.stop("removed from the configuration")));
      for (const spec of added) accounts.set(keyOf(spec.channel, spec.account), superviseAccount(spec, deps, leases));
      for (const spec of restarted) find(spec.channel, spec.account).restart(spec);
      for (const spec of updated) find(spec.channel, spec.account).update(spec);
    },
    accounts: () => [...accounts.values()].map((account) => account.spec()),
    start: (channel, account) => find(channel, account).start(),
    stop: (channel, account) => find(channel, account).stop("stopped by the operator"),
    async close() {
      await Promise.all([...accounts.values()].map((account) => account.stop("the gateway stops")));
    },
    link: deps.links.get,
    receive: async (channel, account, request) => find(channel, account).receive(request),
    missingHeader: (channel, account, headers) => find(channel, account).missingHeader(headers),
    status: () => [...accounts.values()].map((account) => account.status()),
  };
}

function countStates(accounts: Iterable<ManagedAccount>): readonly { labels: { channel: string; state: string }; value: number }[] {
  const counts = new Map<string, { labels: { channel: string; state: string }; value: number }>();
  for (const account of accounts) {
    const { channel, state } = account.status();
    const row = counts.get(`${channel} ${state}`) ?? { labels: { channel, state }, value: 0 };
    row.value++;
    counts.set(`${channel} ${state}`, row);
  }
  return [...counts.values()];
}

function createCredentialLeases(): CredentialLeases {
  const held = new Map<string, { holder: string; freed: Promise<void> }>();
  return {
    acquire(identity, holder) {
      const current = held.get(identity);
      if (current) return current;
      const freed = Promise.withResolvers<void>();
      held.set(identity, { holder, freed: freed.promise });
      return {
        release: () => {
          held.delete(identity);
          freed.resolve();
        },
      };
    },
  };
}
