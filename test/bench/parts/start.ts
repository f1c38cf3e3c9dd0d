import { anonymousOf, cpuOf, pssOf } from "../measure.ts";
import type { Part } from "../subject.ts";

export const start: Part = {
  name: "start",
  about: "Spawn to the first `health`, with an empty configuration; memory of the gateway process at that time.",
  discardFirst: true,
  measure: (subject) =>
    subject.withGateway(null, async (gateway) => {
      const client = await gateway.connect({ scopes: ["operator.read"] });
      await client.request("health");
      subject.record("start to the first health", "s CPU", cpuOf(gateway.pid), 0.2);
      subject.record("gateway process when ready", "MiB PSS", pssOf(gateway.pid), 45);
      subject.record("gateway process when ready, without mapped files", "MiB", anonymousOf(gateway.pid));
      client.close();
    }),
};
