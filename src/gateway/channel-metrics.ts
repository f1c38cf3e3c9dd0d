import type { AccountStatus } from "../channels/account-types.ts";
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../core/metrics.ts";
import { cacheReads } from "../core/cache-reads.ts";
import type { AccountBacklog } from "../store/account-backlog.ts";

type Sample = { labels: Record<string, string>; value: number };

/** Figures of each channel account, read from the rows when the metrics are scraped. */
export function sampleChannels(
  metrics: Metrics,
  { status, loads: read, clock }: { status: () => readonly AccountStatus[]; loads: () => readonly AccountBacklog[]; clock: Clock },
): void {
  const loads = cacheReads(read, clock);
  const each = (value: (load: AccountBacklog) => number | null): Sample[] =>
    loads()
      .filter((load) => load.account !== "")
      .flatMap((load) => {
        const found = value(load);
        return found === null ? [] : [{ labels: { channel: load.channel, account: load.account }, value: found }];
      });
  const age = (at: number | null): number | null => (at === null ? null : Math.max(0, (clock.now() - at) / 1_000));
  const byState = (states: Readonly<Record<string, (load: AccountBacklog) => number>>): Sample[] =>
    Object.entries(states).flatMap(([state, count]) => each(count).map(({ labels, value }) => ({ labels: { ...labels, state }, value })));
  metrics.sample("gateway_channels_inbox_rows", () => byState({ waiting: (load) => load.waiting, parked: (load) => load.parked }));
  metrics.sample("gateway_channels_oldest_waiting_seconds", () => each((load) => age(load.oldestWaitingAt)));
  metrics.sample("gateway_channels_outbox_rows", () =>
    byState({ waiting: (load) => load.outboxWaiting, parked: (load) => load.outboxParked, unknown: (load) => load.outboxUnknown }),
  );
  metrics.sample("gateway_channels_outbox_oldest_seconds", () => each((load) => age(load.outboxOldestAt)));
  metrics.sample("gateway_channels_account_up", () =>
    status().map(({ channel, account, state }) => ({ labels: { channel, account, state }, value: state === "ready" ? 1 : 0 })),
  );
}
