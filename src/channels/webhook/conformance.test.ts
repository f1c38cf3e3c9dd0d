import { testChannel, type Stage } from "../../../test/channel-kit/conformance.ts";
import { WebhookPeer } from "../../../test/channel-kit/webhook-peer.ts";
import { asId, type AccountId, type ChannelId } from "../../core/ids.ts";
import type { Channel } from "../channel.ts";
import { createWebhookChannel } from "./index.ts";

const OTHER_SECRET = "another-secret-of-the-tests-0123456789";
const chat = { kind: "direct" as const, id: "u1" };

/** The peer pushes to the host itself: there is no connection between the two that could break. */
async function openStage(): Promise<Stage> {
  const peer = await new WebhookPeer().start();
  peer.secrets.push(OTHER_SECRET);
  let pushed = 0;
  return {
    config: { secret: peer.secret, outboundUrl: peer.url },
    otherConfig: { secret: OTHER_SECRET, outboundUrl: peer.url },
    refusedConfig: null,
    chat,
    push(text, rig) {
      const body = JSON.stringify({ type: "message", chat, sender: { id: chat.id }, text });
      const headers = peer.sign(`in-${++pushed}`, body);
      const request = { method: "POST", path: "/channels/webhook", query: "", headers, body: Buffer.from(body) };
      void rig.host.receive(asId<ChannelId>("webhook"), asId<AccountId>("default"), request);
    },
    sent: () => peer.messages.map(({ text }) => text),
    close: () => peer.close(),
  };
}

testChannel(createWebhookChannel() as Channel, openStage, false);
