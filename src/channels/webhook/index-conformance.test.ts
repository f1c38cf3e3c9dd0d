import assert from "node:assert/strict";
import { testConformance, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import type { TestHost } from "../../../test/channel-kit/test-host.ts";
import { WebhookPeer } from "../../../test/channel-kit/webhook-peer.ts";
import { asId, type AccountId, type ChannelId } from "../../core/ids.ts";
import type { Channel } from "../channel.ts";
import { createWebhookChannel } from "./index.ts";

const OTHER_SECRET = "another-secret-of-the-tests-0123456789";
const chat = { kind: "direct" as const, id: "u1" };

/** The peer pushes to the host itself: there is no connection between the two that could break. */
async function openStage(): Promise<ConformancePlatform> {
  const peer = await new WebhookPeer().start();
  peer.secrets.push(OTHER_SECRET);
  let pushed = 0;
  const receive = (testHost: TestHost, body: string): ReturnType<TestHost["host"]["receive"]> => {
    const headers = peer.sign(`in-${++pushed}`, body);
    const request = { method: "POST", path: "/channels/webhook", query: "", headers, body: Buffer.from(body) };
    return testHost.host.receive(asId<ChannelId>("webhook"), asId<AccountId>("default"), request);
  };
  return {
    config: { secret: peer.secret, outboundUrl: peer.url },
    otherConfig: { secret: OTHER_SECRET, outboundUrl: peer.url },
    refusedConfig: null,
    chat,
    push: (text, testHost) => void receive(testHost, JSON.stringify({ type: "message", chat, sender: { id: chat.id }, text })),
    sent: () => peer.messages.map(({ text }) => text),
    async sendMalformed(testHost) {
      for (const body of [
        "",
        "{",
        "[]",
        "null",
        "5",
        "{}",
        '{"type":"message"}',
        '{"type":"new_kind"}',
        '{"type":"message","chat":"../x"}',
      ])
        assert.equal((await receive(testHost, body)).status, 400, body);
    },
    close: () => peer.close(),
  };
}

const webhook = createWebhookChannel() as Channel;
testConformance(webhook, openStage, false, { channel: webhook, openStage });
