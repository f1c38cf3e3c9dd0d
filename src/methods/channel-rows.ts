import { isConnected, type AccountStatus } from "../channels/account-types.ts";
import type { AccountBacklog } from "../store/account-backlog.ts";

/** Words that the published clients know for the health of an account. */
const HEALTH: Readonly<Record<AccountStatus["state"], string>> = {
  ready: "healthy",
  connecting: "connecting",
  degraded: "degraded",
  backoff: "reconnecting",
  terminal: "failed",
  stopped: "stopped",
};

const isRunning = (state: AccountStatus["state"]): boolean => state !== "stopped" && state !== "terminal";

/** One account in channels.status and health. Names up to `lastTransportActivityAt` are the protocol's, the rest is ours. */
export function toAccountRow(status: AccountStatus, load?: AccountBacklog): Record<string, unknown> & { accountId: string } {
  const { state } = status;
  return {
    accountId: status.account,
    enabled: status.enabled,
    configured: true,
    running: isRunning(state),
    connected: isConnected(state),
    healthState: HEALTH[state],
    reconnectAttempts: status.reconnects,
    lastConnectedAt: isConnected(state) ? status.since : null,
    lastError: status.cause,
    lastInboundAt: status.lastMessageAt,
    lastOutboundAt: status.lastWriteAt,
    lastTransportActivityAt: status.lastReadAt,
    state,
    since: status.since,
    rateLimits: status.rateLimits,
    ...(status.isolated && { isolated: true }),
    ...(load && toBacklogRow(load)),
    ...(status.fix === null ? {} : { fix: status.fix }),
    ...(status.retryAt === null ? {} : { retryAt: status.retryAt }),
  };
}

function toBacklogRow(load: AccountBacklog): Record<string, unknown> {
  const { channel: _channel, account: _account, waiting, ...rest } = load;
  return { queueDepth: waiting, ...rest };
}

/** Accounts by channel, channels in alphabetical order. */
export function groupByChannel(statuses: readonly AccountStatus[]): Map<string, AccountStatus[]> {
  const groups = Map.groupBy(statuses, (status) => status.channel as string);
  return new Map([...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** A channel as a whole: as well as its best account. */
export function toChannelRow(accounts: readonly AccountStatus[]): Record<string, unknown> {
  const best = accounts.find((each) => isConnected(each.state)) ?? accounts.find((each) => each.enabled) ?? accounts[0]!;
  const { accountId: _, ...row } = toAccountRow(best);
  return row;
}
