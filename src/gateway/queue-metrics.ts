import type { ChannelSupervisor } from "../channels/supervisor.ts";
import { listAccountBacklogs } from "../store/account-backlog.ts";
import type { Turns } from "../turns/create-turns.ts";
import type { GatewayBase } from "./base.ts";
import { sampleChannels } from "./channel-metrics.ts";
import type { Storage } from "./storage.ts";

type QueueMetricsDeps = Pick<GatewayBase, "metrics" | "clock"> &
  Pick<Storage, "store" | "inbox" | "outbox"> & {
    turns: Pick<Turns, "lanes">;
    supervisor: Pick<ChannelSupervisor, "status">;
  };

/** Figures about queues, read from the rows when the metrics are scraped. */
export function sampleQueues({ metrics, clock, store, inbox, outbox, turns: { lanes }, supervisor }: QueueMetricsDeps): void {
  const ageSeconds = (at: number | null): number => (at === null ? 0 : Math.max(0, (clock.now() - at) / 1000));
  metrics.sample("gateway_turns_running", () => lanes.load().running);
  metrics.sample("gateway_turns_waiting", () => lanes.load().waiting);
  metrics.sample("gateway_turns_slot_waits", () => lanes.load().slotWaits.sessions);
  metrics.sample("gateway_turns_lanes", () => lanes.load().lanes);
  metrics.sample("gateway_turns_inbox_rows", () => toSamples(inbox.counts()));
  metrics.sample("gateway_turns_outbox_rows", () => toSamples(outbox.counts()));
  metrics.sample("gateway_turns_oldest_open_seconds", () => ageSeconds(inbox.oldestOpenAt()));
  metrics.sample("gateway_turns_outbox_oldest_seconds", () => ageSeconds(outbox.oldestQueuedAt()));
  sampleChannels(metrics, { status: () => supervisor.status(), loads: () => listAccountBacklogs(store), clock });
}

const toSamples = (counts: readonly { state: string; n: number }[]): { labels: { state: string }; value: number }[] =>
  counts.map(({ state, n }) => ({ labels: { state }, value: n }));
