import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { createMetrics } from "../observe/metrics.ts";
import { emptyBacklog } from "../store/account-backlog.ts";
import { sampleChannels } from "./channel-metrics.ts";

test("the rows of the accounts are read once for a scrape, and for scrapes within a second", () => {
  const clock = new FakeClock(1_800_000_000_000);
  const metrics = createMetrics();
  let reads = 0;
  const loads = () => {
    reads++;
    return [{ ...emptyBacklog("irc", "default"), waiting: reads }];
  };
  sampleChannels(metrics, { status: () => [], loads, clock });
  const waiting = (): string | undefined => /gateway_channels_inbox_rows\{[^}]*state="waiting"\} (\d+)/.exec(metrics.render())?.[1];
  assert.equal(waiting(), "1");
  assert.equal(waiting(), "1");
  clock.advance(1_000);
  assert.equal(waiting(), "2");
  assert.equal(reads, 2);
});
