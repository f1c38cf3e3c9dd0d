import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolClient } from "../client/client.ts";
import { checkLinks } from "./doctor-peers.ts";
import type { LinkView } from "./peers.ts";

const NOW = 10_000_000;
const LINK: LinkView = {
  name: "office",
  state: "up",
  cause: null,
  since: 0,
  direction: "outbound",
  url: "wss://office.example:18789",
  fingerprint: "1a2b",
  shownFingerprint: null,
  queued: 0,
  unanswered: 0,
  oldestAt: null,
};

async function severities(link: Partial<LinkView>): Promise<[string, string][]> {
  const client = { serves: () => true, request: () => Promise.resolve({ links: [{ ...LINK, ...link }] }) };
  const findings = await checkLinks(client as unknown as ProtocolClient, NOW);
  return findings.map(({ check, severity }) => [check, severity]);
}

test("a link that a person has to look at is a finding", async () => {
  assert.deepEqual(await severities({}), [["link:office", "ok"]]);
  assert.deepEqual(await severities({ state: "unpaired" }), [["link:office", "warning"]]);
  assert.deepEqual(await severities({ state: "key-changed", shownFingerprint: "3c4d" }), [["link:office", "problem"]]);
  assert.deepEqual(await severities({ state: "down" }), [["link:office", "ok"]]);
  assert.deepEqual(await severities({ state: "down", queued: 2 }), [["link:office", "warning"]]);
  assert.deepEqual(await severities({ state: "down", queued: 2, since: NOW }), [["link:office", "ok"]]);
});

test("a link that is not encrypted is a finding, unless it stays on this machine", async () => {
  assert.deepEqual(await severities({ url: "ws://office.example:18789" }), [
    ["link:office", "ok"],
    ["link-encryption:office", "warning"],
  ]);
  assert.deepEqual(await severities({ url: "ws://127.0.0.1:18789" }), [["link:office", "ok"]]);
});
