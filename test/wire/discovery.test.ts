// Multicast DNS between two network namespaces, with a real avahi-daemon as the other side.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { toHostLabel } from "../../src/remote/discovery/service.ts";
import { networkPairSkip, startNetworkPair } from "../network-pair.ts";
import { dropHome, MAIN, newHome, stateDir, until } from "./gateway-process.ts";

const skip = networkPairSkip();
const NAME = hostname().split(".")[0]!;
const INSTANCE = `${NAME} (OpenClaw)`;
const PORT = 21_499;

type Pair = Awaited<ReturnType<typeof startNetworkPair>>;

/** A gateway on the first machine. */
async function startNear(t: TestContext, pair: Pair, gateway: Record<string, unknown>, mode: string, env: Record<string, string> = {}) {
  const home = newHome();
  mkdirSync(stateDir(home), { recursive: true });
  writeFileSync(
    join(stateDir(home), "openclaw.json"),
    JSON.stringify({ gateway: { port: PORT, ...gateway }, discovery: { mdns: { mode } } }),
  );
  const [program = "", ...before] = pair.near;
  const base = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir(), OPENCLAW_DISCOVER_LOCAL_MODELS: "0", ...env };
  const child = spawn(program, [...before, process.execPath, MAIN, "gateway", "--json"], { env: base, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  t.after(async () => {
    await stop();
    dropHome(home);
  });
  await until("it listens", () => /"url"/.test(text) || child.exitCode !== null);
  assert.equal(child.exitCode, null, text);
  return { home, pid: child.pid!, stop, output: () => text };
}

function discover(side: readonly string[], home: string): { count: number; beacons: Record<string, unknown>[] } {
  const [program = "", ...before] = side;
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir() };
  const run = spawnSync(program, [...before, process.execPath, MAIN, "gateway", "discover", "--json"], { env, encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as { count: number; beacons: Record<string, unknown>[] };
}

test("avahi sees a gateway with exactly the keys of its mode, and loses it when it stops", { skip }, async (t) => {
  const pair = await startNetworkPair();
  t.after(() => pair.stop());
  const gateway = await startNear(t, pair, { bind: "lan", tls: { enabled: true } }, "minimal");
  await until("avahi sees it", () => pair.seen().length === 1);
  const { tlsFingerprint } = JSON.parse(readFileSync(join(stateDir(gateway.home), "gateway", "owner.json"), "utf8")) as {
    tlsFingerprint: string;
  };
  const label = toHostLabel(hostname());
  const [seen] = pair.seen();
  assert.deepEqual(seen, {
    instance: INSTANCE,
    host: `${label}.local`,
    address: "10.77.0.1",
    port: PORT,
    txt: [
      `displayName=${NAME}`,
      "gatewayDirectReachable=1",
      `gatewayPort=${PORT}`,
      "gatewayTls=1",
      `gatewayTlsSha256=${tlsFingerprint}`,
      `lanHost=${label}.local`,
      "role=gateway",
      "transport=gateway",
    ],
  });

  const stranger = newHome();
  t.after(() => dropHome(stranger));
  const found = discover(pair.far, stranger);
  assert.equal(found.count, 1);
  const [beacon] = found.beacons;
  assert.equal(beacon?.["wsUrl"], `wss://10.77.0.1:${PORT}`);
  assert.equal(beacon?.["pin"], "none-stored");
  mkdirSync(stateDir(stranger), { recursive: true });
  for (const [pin, expected] of [
    [tlsFingerprint, "same"],
    ["0".repeat(64), "different"],
  ] as const) {
    writeFileSync(join(stateDir(stranger), "openclaw.json"), JSON.stringify({ gateway: { remote: { tlsFingerprint: pin } } }));
    assert.equal(discover(pair.far, stranger).beacons[0]?.["pin"], expected);
  }
  await gateway.stop();
  await until("avahi has lost it", () => pair.seen().length === 0);
});

test(
  "mode full has the tailnet name, the program and the port of SSH, and a gateway of loopback is not called reachable",
  { skip },
  async (t) => {
    const pair = await startNetworkPair();
    t.after(() => pair.stop());
    const env = {
      OPENCLAW_TAILNET_DNS: "vm.tail1.ts.net",
      OPENCLAW_CLI_PATH: "/opt/openclaw",
      OPENCLAW_SSH_PORT: "2222",
      OPENCLAW_MDNS_HOSTNAME: "desk",
    };
    await startNear(t, pair, {}, "full", env);
    await until("avahi sees it", () => pair.seen().length === 1);
    const [seen] = pair.seen();
    assert.equal(seen?.host, "desk.local");
    const expected = [
      "cliPath=/opt/openclaw",
      `displayName=${NAME}`,
      `gatewayPort=${PORT}`,
      "lanHost=desk.local",
      "role=gateway",
      "sshPort=2222",
      "tailnetDns=vm.tail1.ts.net",
      "transport=gateway",
    ];
    assert.deepEqual(seen?.txt, expected);
  },
);

test("questions of other networks are not answered", { skip }, async (t) => {
  const pair = await startNetworkPair();
  t.after(() => pair.stop());
  pair.addFarAddress("192.0.2.7");
  await startNear(t, pair, { bind: "lan" }, "minimal");
  await until("avahi sees it", () => pair.seen().length === 1);
  // A question in one packet to port 5353 of the gateway's machine, as anyone can send it who names another sender.
  const ask = `
    const { createSocket } = require("node:dgram");
    const name = ["_openclaw-gw", "_tcp", "local"].map((label) => String.fromCharCode(label.length) + label).join("") + "\\0";
    const question = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Buffer.from(name, "latin1"), Buffer.from([0, 12, 0, 1])]);
    const socket = createSocket("udp4");
    const end = (text) => (console.log(text), socket.close());
    socket.on("message", () => end("answered"));
    socket.bind(0, process.argv[1], () => socket.send(question, 5353, "10.77.0.1"));
    setTimeout(end, 2_000, "silent").unref();`;
  const [program = "", ...before] = pair.far;
  const answerTo = (address: string): string =>
    spawnSync(program, [...before, process.execPath, "-e", ask, address], { encoding: "utf8" }).stdout.trim();
  assert.equal(answerTo("10.77.0.2"), "answered");
  assert.equal(answerTo("192.0.2.7"), "silent");
});

test("a name that another machine has is left to it, and the interface may go away and come back", { skip }, async (t) => {
  const pair = await startNetworkPair();
  t.after(() => pair.stop());
  pair.publish(INSTANCE, 1_234);
  await until("the other one is there", () => pair.seen().length > 0 || discover(pair.far, tmpdir()).count > 0, 60_000);
  const gateway = await startNear(t, pair, { bind: "lan" }, "minimal");
  const found = (): unknown[] => discover(pair.far, tmpdir()).beacons.map(({ instanceName, port }) => [instanceName, port]);
  await until("both are there", () => found().length === 2, 60_000);
  assert.deepEqual(found(), [
    [INSTANCE, 1_234],
    [`${INSTANCE}-2`, PORT],
  ]);

  pair.setLink("down");
  const log = (): string => readFileSync(join(stateDir(gateway.home), "gateway", "logs", "gateway.log"), "utf8");
  const state = (): string =>
    spawnSync(pair.near[0]!, [...pair.near.slice(1), process.execPath, MAIN, "health", "--json"], {
      env: { PATH: process.env["PATH"] ?? "", HOME: gateway.home, TMPDIR: tmpdir() },
      encoding: "utf8",
    }).stdout;
  await until("the gateway goes on without it", () => /"ok": ?true/.test(state()));
  pair.setLink("up");
  pair.setAddress();
  await until("both are there again", () => found().length === 2);
  const warnings = log()
    .split("\n")
    .filter((line) => /multicast DNS failed/.test(line));
  assert.ok(warnings.length <= 2, warnings.join("\n"));
});
