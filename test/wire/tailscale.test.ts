// Tailscale Serve and Funnel with a scripted `tailscale` (test/tailscale-program.ts): a real one was not available.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { request } from "node:http";
import { test, type TestContext } from "node:test";
import WebSocket from "ws";
import { toSignedText } from "../../src/client/signed-text.ts";
import { createDevice, toSigner } from "../../src/client/device.ts";
import { createTailscale, type TailscaleState } from "../tailscale-program.ts";
import { dropHome, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

const HOST = "vm.tail1.ts.net";
const PEER = "100.64.0.2";
const FORWARDED = { host: HOST, "x-forwarded-for": PEER, "x-forwarded-proto": "https", "x-forwarded-host": HOST };
const LOGIN = { "tailscale-user-login": "ann@example.com", "tailscale-user-name": "Ann" };

type Part = { name: string; state: string; cause: string | null };

async function partOf(gateway: GatewayUnderTest, name: string): Promise<Part | undefined> {
  const answer = await fetch(`${gateway.http}/readyz`);
  return ((await answer.json()) as { parts: Part[] }).parts.find((part) => part.name === name);
}

async function start(t: TestContext, config: Record<string, unknown>, state: Partial<TailscaleState> = {}, args: string[] = []) {
  const tailscale = createTailscale({ people: { [PEER]: "Ann@Example.com" }, ...state });
  const home = newHome();
  const gateway = await startGateway({ home, config: { gateway: config }, env: tailscale.env, args });
  t.after(async () => {
    await gateway.kill();
    dropHome(home);
    tailscale.remove();
  });
  return { gateway, tailscale };
}

function get(port: number, path: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, headers }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

/** `connect` as the page does it, through a proxy with these headers; without a credential. */
async function connectPage(port: number, headers: Record<string, string>, withDevice = true): Promise<Record<string, unknown>> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers, origin: `https://${HOST}` });
  const device = toSigner(createDevice());
  try {
    return await new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as Record<string, unknown> & { payload: { nonce: string; ts: number } };
        if (frame["type"] === "res") return resolve(frame);
        const { nonce, ts: signedAt } = frame.payload;
        const client = { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" };
        const fields = { role: "operator", scopes: ["operator.read"], signedAt, nonce, token: "" };
        const signed = toSignedText(device.id, { ...fields, clientId: client.id, clientMode: client.mode, platform: client.platform });
        void Promise.resolve(device.sign(signed)).then((signature) => {
          const proof = { id: device.id, publicKey: device.publicKey, signature, signedAt, nonce };
          const params = {
            minProtocol: 4,
            maxProtocol: 4,
            client,
            role: "operator",
            scopes: ["operator.read"],
            ...(withDevice && { device: proof }),
          };
          socket.send(JSON.stringify({ type: "req", id: "1", method: "connect", params }));
        });
      });
    });
  } finally {
    socket.terminate();
  }
}

test("serve claims the gateway's own listener, signs in whom whois confirms, and refuses everyone else's headers", async (t) => {
  const { gateway, tailscale } = await start(t, {}, {}, ["--tailscale", "serve"]);
  await until("it is served", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
  const port = tailscale.claimedPort()!;
  assert.notEqual(port, gateway.port);
  assert.ok(tailscale.state().calls.includes(`serve --yes --bg=false --https=443 ${port}`));

  assert.equal((await get(port, "/healthz", { ...FORWARDED, ...LOGIN })).status, 200);
  const bare = await get(port, "/healthz", {});
  assert.equal(bare.status, 403);
  assert.match(bare.body, /proxy_attribution_required/);
  const ordinary = await get(gateway.port, "/healthz", { ...FORWARDED, ...LOGIN, host: "127.0.0.1" });
  assert.equal(ordinary.status, 403);
  assert.match(ordinary.body, /127\.0\.0\.1 sent x-forwarded-for, .*tailscale-user-login.*gateway\.trustedProxies/);

  const signedIn = await connectPage(port, { ...FORWARDED, ...LOGIN });
  assert.equal(signedIn["ok"], true, JSON.stringify(signedIn));
  const { auth } = signedIn["payload"] as { auth: { method: string; scopes: string[] } };
  assert.deepEqual([auth.method, auth.scopes], ["tailscale", ["operator.read"]]);
  const asBob = await connectPage(port, { ...FORWARDED, "tailscale-user-login": "bob@example.com" });
  assert.equal(asBob["ok"], false);
  const fromStranger = await connectPage(port, { ...FORWARDED, ...LOGIN, "x-forwarded-for": "100.64.0.9" });
  assert.equal(fromStranger["ok"], false);
  const withoutDevice = await connectPage(port, { ...FORWARDED, ...LOGIN }, false);
  assert.equal(withoutDevice["ok"], false);
  // HTTP routes always need a credential.
  assert.equal((await get(port, "/metrics", { ...FORWARDED, ...LOGIN })).status, 401);
});

test("a claim that ends is made again, and the part says so meanwhile", async (t) => {
  const { gateway, tailscale } = await start(t, { tailscale: { mode: "serve" } });
  await until("it is served", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
  const [session] = Object.keys(tailscale.state().foreground);
  tailscale.change((state) => {
    state.foreground = {};
    state.backendState = "Stopped";
  });
  await until("the loss is reported", async () => (await partOf(gateway, "tailscale"))?.state === "degraded");
  assert.match((await partOf(gateway, "tailscale"))!.cause!, /not reached over Tailscale/);
  assert.equal((await fetch(`${gateway.http}/readyz`)).status, 200);
  tailscale.change((state) => (state.backendState = "Running"));
  await until("it is served again", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
  assert.notEqual(Object.keys(tailscale.state().foreground)[0], session);
});

test("a claim ends with the gateway, also when it is killed", async (t) => {
  const { gateway, tailscale } = await start(t, { tailscale: { mode: "serve" } });
  await until("it is served", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
  await gateway.kill("SIGKILL");
  await until("the claim is gone", () => tailscale.claimedPort() === null);
});

test("what belongs to someone else is left alone, and a route of the gateway itself is taken over", async (t) => {
  const { gateway, tailscale } = await start(t, { tailscale: { mode: "serve" } }, { web: { [`${HOST}:443`]: "http://127.0.0.1:9999" } });
  await until("the conflict is reported", async () =>
    /leads to http:\/\/127\.0\.0\.1:9999 already/.test((await partOf(gateway, "tailscale"))?.cause ?? ""),
  );
  assert.ok(!tailscale.state().calls.some((call) => call.endsWith("off")));
  tailscale.change((state) => (state.web = { [`${HOST}:443`]: `http://127.0.0.1:${gateway.port}` }));
  await until("it is served", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
  assert.ok(tailscale.state().calls.includes("serve --yes --https=443 --set-path=/ off"));
});

test("funnel needs a password, and names no person", async (t) => {
  const { gateway } = await start(t, { tailscale: { mode: "funnel" } });
  await until("the refusal is reported", async () =>
    /needs gateway\.auth\.mode password/.test((await partOf(gateway, "tailscale"))?.cause ?? ""),
  );
  const open = await start(t, {
    tailscale: { mode: "funnel" },
    auth: { mode: "password", password: "a long enough password", allowTailscale: true },
  });
  await until("it is served", async () => (await partOf(open.gateway, "tailscale"))?.state === "ready");
  const answer = await connectPage(open.tailscale.claimedPort()!, { ...FORWARDED, ...LOGIN, "tailscale-funnel-request": "?1" });
  assert.equal(answer["ok"], false);
});

test("a refusal of Tailscale is reported with what helps", async (t) => {
  const { gateway } = await start(t, { tailscale: { mode: "serve" } }, { refusal: "error: Access denied: serve config denied" });
  await until("it is reported", async () => /tailscale set --operator=\$USER/.test((await partOf(gateway, "tailscale"))?.cause ?? ""));
});

test(
  "another user of this machine does not reach the listener for Tailscale",
  { skip: process.getuid?.() === 0 ? false : "needs root" },
  async (t) => {
    const { gateway, tailscale } = await start(t, { tailscale: { mode: "serve" } });
    await until("it is served", async () => (await partOf(gateway, "tailscale"))?.state === "ready");
    const headers = Object.entries({ ...FORWARDED, ...LOGIN }).map(([name, value]) => `${name}: ${value}\r\n`);
    const script = `exec 3<>/dev/tcp/127.0.0.1/${tailscale.claimedPort()}; printf '%s' "$1" >&3; cat <&3`;
    const sent = `GET /healthz HTTP/1.1\r\n${headers.join("")}connection: close\r\n\r\n`;
    const asNobody = spawnSync("bash", ["-c", script, "bash", sent], { uid: 65_534, gid: 65_534, encoding: "utf8", cwd: "/" });
    assert.ok(!asNobody.stdout.includes("HTTP/1.1 200"), asNobody.stdout);
    const asRoot = spawnSync("bash", ["-c", script, "bash", sent], { encoding: "utf8" });
    assert.match(asRoot.stdout, /HTTP\/1\.1 200/);
  },
);
