// A real Prometheus scrapes the real process, and promtool checks the metrics, the alerts and the queries of the dashboard.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "../channel-kit/ngircd.ts";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

const root = join(import.meta.dirname, "../..");
const findProgram = (name: string): string | undefined =>
  [join(root, ".cache/prometheus/usr/bin"), ...(process.env["PATH"] ?? "").split(delimiter)]
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
const promtool = findProgram("promtool");
const prometheus = findProgram("prometheus");
const skip = promtool && prometheus ? false : "Prometheus is not there; npm run setup:tests unpacks it on Debian";

let peer: WebhookPeer;
let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();
const dir = mkdtempSync(join(tmpdir(), "prometheus-"));

const config = (): Record<string, unknown> => {
  const webhook = { secret: peer.secret, outboundUrl: peer.url, dmPolicy: "allowlist", allowFrom: ["customer-17"] };
  return { ...modelConfig(model.url), channels: { webhook } };
};

before(async () => {
  if (skip) return;
  peer = await new WebhookPeer().start();
  model = await startModelServer();
  gateway = await startGateway({ home, config: config() });
  const person = { id: "customer-17", name: "Ann" };
  peer.door = `${gateway.http}/channels/webhook`;
  await peer.push({ type: "message", chat: { kind: "direct", id: person.id }, sender: person, text: "hello" });
  await until("the answer", () => peer.messages.some(({ text }) => text === "You said: hello"));
});
after(async () => {
  await gateway?.kill();
  await model?.close();
  await peer?.close();
  dropHome(home);
  rmSync(dir, { recursive: true, force: true });
});

const check = (args: readonly string[], input?: string) =>
  spawnSync(promtool!, args, { encoding: "utf8", cwd: root, ...(input !== undefined && { input }) });

test("promtool finds nothing to improve in the metrics", { skip }, async () => {
  const answer = await fetch(`${gateway.http}/api/diagnostics/prometheus`, { headers: { authorization: `Bearer ${gateway.token()}` } });
  const text = await answer.text();
  for (const name of ["openclaw_message_delivery_total", "openclaw_webhook_received_total", "openclaw_run_duration_seconds_bucket"])
    assert.ok(text.includes(`\n${name}{`), name);
  assert.ok(!text.includes("customer-17") && !text.includes("agent:main"));
  const { status, stdout, stderr } = check(["check", "metrics"], text);
  assert.deepEqual([status, stdout, stderr], [0, "", ""]);
});

test("the rules and the configuration of deploy/ are valid, and the rules do what their tests say", { skip }, () => {
  for (const args of [
    ["check", "rules", "deploy/prometheus/alerts.yml"],
    ["test", "rules", "deploy/prometheus/alerts.test.yml"],
    ["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml"],
  ]) {
    const { status, stdout, stderr } = check(args);
    assert.equal(status, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  }
});

type Rules = { groups: { name: string; rules: { record: string; expr: string }[] }[] };

test("the queries of the dashboard are valid PromQL", { skip }, () => {
  const dashboard = JSON.parse(readFileSync(join(root, "deploy/grafana/openclaw-gateway.json"), "utf8")) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "1m")));
  const rules: Rules = { groups: [{ name: "queries", rules: queries.map((expr, n) => ({ record: `query:n${n}`, expr })) }] };
  const file = join(dir, "queries.yml");
  writeFileSync(file, JSON.stringify(rules));
  const { status, stdout, stderr } = check(["check", "rules", file]);
  assert.equal(status, 0, stdout + stderr);
});

// As in deploy/, but with the test's addresses and without the waiting.
const fast = (path: string): string => readFileSync(join(root, "deploy/prometheus", path), "utf8").replaceAll(/for: \d+m/g, "for: 0s");

test("a Prometheus with the documented configuration scrapes the gateway, and an alert fires when it is gone", { skip }, async () => {
  const port = await freePort();
  const token = join(dir, "token");
  writeFileSync(token, gateway.token());
  writeFileSync(join(dir, "alerts.yml"), fast("alerts.yml"));
  writeFileSync(
    join(dir, "prometheus.yml"),
    fast("prometheus.yml")
      .replaceAll("30s", "1s")
      .replace("/etc/prometheus/openclaw.token", token)
      .replace("127.0.0.1:18789", `127.0.0.1:${gateway.port}`),
  );
  const args = [
    `--config.file=${join(dir, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(dir, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn(prometheus!, args, { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const get = async <T>(path: string): Promise<T | null> => {
    try {
      return ((await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as { data: T }).data;
    } catch (err) {
      // It does not listen yet, or answers that it is not ready.
      if (err instanceof TypeError || err instanceof SyntaxError) return null;
      throw err;
    }
  };
  try {
    const value = await until("a scrape", async () => {
      const found = await get<{ result: { value: [number, string] }[] }>("/api/v1/query?query=sum(openclaw_message_received_total)");
      return found?.result[0]?.value[1];
    });
    assert.equal(value, "1");
    await gateway.kill();
    const alert = await until("the alert", async () => {
      const found = await get<{ alerts: { labels: Record<string, string>; state: string }[] }>("/api/v1/alerts");
      return found?.alerts.find(({ labels, state }) => labels["alertname"] === "GatewayDown" && state === "firing");
    });
    assert.equal(alert.labels["instance"], `127.0.0.1:${gateway.port}`);
  } finally {
    child.kill();
    await ended;
  }
});
