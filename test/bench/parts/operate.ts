import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { openClient, type ProtocolClient } from "../../../src/client/client.ts";
import { Secret } from "../../../src/core/secret.ts";
import { dropHome, newHome, stateDir, until, type GatewayUnderTest } from "../../wire/gateway-process.ts";
import { OtlpCollector } from "../../wire/otlp-collector.ts";
import { cpuOf, pssOf, sleep } from "../measure.ts";
import type { Part, Subject } from "../subject.ts";

/** Time in which what was configured may still be loading. */
const SETTLED_MS = 2_500;

export const operate: Part = {
  name: "operate",
  onRequest: true,
  about: "What OTLP, a Prometheus scrape, TLS and one link add to a start, beyond one with nothing configured.",
  discardFirst: true,
  async measure(subject) {
    const bare = await costOfStart(subject, null);
    const collector = await new OtlpCollector().start();
    try {
      const full = await costOfStart(subject, collector.url);
      subject.record("added by OTLP, Prometheus, TLS and one link", "MiB PSS", full.pss - bare.pss, 12);
      subject.record("added by OTLP, Prometheus, TLS and one link until the first scrape", "s CPU", full.cpu - bare.cpu, 0.05);
    } finally {
      await collector.close();
    }
  },
};

const SCOPES = ["operator.admin", "operator.read", "operator.write"];

function connect(gateway: GatewayUnderTest): Promise<ProtocolClient> {
  const { url, tlsFingerprint } = JSON.parse(readFileSync(join(stateDir(gateway.home), "gateway", "owner.json"), "utf8")) as {
    url: string;
    tlsFingerprint: string | null;
  };
  return openClient({
    url,
    credentials: { token: new Secret(gateway.token()) },
    scopes: SCOPES,
    ...(tlsFingerprint && { tlsFingerprint }),
  });
}

/** The second start of a state, so that neither keys nor pairings are made in it. */
async function costOfStart(subject: Subject, collector: string | null): Promise<{ cpu: number; pss: number }> {
  const [home, far] = [newHome(), newHome()];
  const office = await subject.start(far, null);
  const otel = { enabled: true, endpoint: collector, protocol: "http/json", logs: true };
  const links = { office: { url: office.url, send: { agents: ["*"] } } };
  const config = collector === null ? null : { gateway: { tls: { enabled: true } }, diagnostics: { otel }, peers: links };
  try {
    const first = await subject.start(home, config);
    if (collector !== null) await pair(first, office);
    await first.kill("SIGTERM");
    const gateway = await subject.start(home, null);
    const client = await connect(gateway);
    await client.request("health");
    if (collector !== null) {
      await untilUp(client);
      await scrape(gateway);
    }
    await sleep(SETTLED_MS);
    const cost = { cpu: cpuOf(gateway.pid), pss: pssOf(gateway.pid) };
    await client.close();
    await gateway.kill();
    return cost;
  } finally {
    await office.kill();
    for (const each of [home, far]) dropHome(each);
  }
}

async function pair(home: GatewayUnderTest, office: GatewayUnderTest): Promise<void> {
  const [near, far] = [await connect(home), await connect(office)];
  await far.request("peers.add", { name: "home", accept: ["main"] });
  const { code } = await far.request<{ code: string }>("peers.pair", { name: "home" });
  await near.request("peers.pair", { name: "office", code });
  await untilUp(near);
  await Promise.all([near.close(), far.close()]);
}

const untilUp = (client: ProtocolClient): Promise<unknown> =>
  until("the link", async () => (await client.request<{ links: { state: string }[] }>("peers.list", {})).links[0]?.state === "up");

const scrape = (gateway: GatewayUnderTest): Promise<void> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${gateway.token()}` };
    request({ host: "127.0.0.1", port: gateway.port, path: "/metrics", headers, rejectUnauthorized: false }, (response) => {
      response.resume();
      response.on("end", resolve);
    })
      .on("error", reject)
      .end();
  });
