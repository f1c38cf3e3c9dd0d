import { HARNESSES } from "../../channel-kit/harness-registry.ts";
import { until } from "../../wire/gateway-process.ts";
import { cpuOf, pssOf, sleep } from "../measure.ts";
import type { Part, Subject } from "../subject.ts";

/** Time in which a channel that is connected may still be loading. */
const SETTLED_MS = 2_500;
const MAIN_CHANNELS = ["telegram", "discord", "slack", "signal"];

export const channels: Part = {
  name: "channels",
  about: "What channels add to a gateway that is connected to their scripted servers, beyond one without channels.",
  discardFirst: true,
  async measure(subject) {
    const single = Object.keys(HARNESSES).filter((id) => id !== "webchat");
    const bare = await costOfChannels(subject, []);
    for (const ids of [MAIN_CHANNELS, ...single.map((id) => [id])]) {
      const { cpu, pss } = await costOfChannels(subject, ids);
      const isMain = ids === MAIN_CHANNELS;
      subject.record(`added by ${ids.join(", ")}`, "MiB PSS", pss - bare.pss, isMain ? 40 : undefined);
      subject.record(`added by ${ids.join(", ")} until connected`, "s CPU", cpu - bare.cpu, isMain ? 0.15 : undefined);
    }
  },
};

async function costOfChannels(subject: Subject, ids: readonly string[]): Promise<{ cpu: number; pss: number }> {
  const modules = await Promise.all(ids.map((id) => HARNESSES[id]!()));
  const stages = await Promise.all(modules.map((module) => module.open()));
  const configs = Object.fromEntries(ids.map((id, at) => [id, stages[at]!.config({ dmPolicy: "open", allowFrom: ["*"], room: null })]));
  let cost = { cpu: 0, pss: 0 };
  try {
    await subject.withGateway({ channels: configs }, async (gateway) => {
      for (const stage of stages) stage.onGatewayListening?.(gateway.http, gateway);
      const client = await gateway.connect({ scopes: ["operator.read"] });
      await until("all channels", async () => {
        type Status = { channelAccounts: Record<string, { connected?: boolean }[]> };
        const { channelAccounts } = await client.request<Status>("channels.status", {});
        return ids.every((id) => channelAccounts[id]?.[0]?.connected);
      });
      await sleep(SETTLED_MS);
      cost = { cpu: cpuOf(gateway.pid), pss: pssOf(gateway.pid) };
      client.close();
    });
  } finally {
    for (const stage of stages) await stage.close();
  }
  return cost;
}
