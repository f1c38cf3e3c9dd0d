// The real process with the webhook channel: runs the unchanged commands of its documentation.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

const guide = readFileSync(new URL("../../docs/channels/webhook.md", import.meta.url), "utf8");
const lines = /```sh\n(BODY=[\s\S]+?)\n```/.exec(guide)![1]!;
const missing = ["curl --version", "openssl version"].find((command) => spawnSync("sh", ["-c", command]).status !== 0);

let peer: WebhookPeer;
let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();

before(async () => {
  peer = await new WebhookPeer().start();
  model = await startModelServer();
  const webhook = { secret: peer.secret, outboundUrl: peer.url, dmPolicy: "allowlist", allowFrom: ["customer-17"] };
  gateway = await startGateway({ home, config: { ...modelConfig(model.url), channels: { webhook } } });
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await peer.close();
  dropHome(home);
});

/** What the lines print, with the address of this gateway and a secret. */
function run(secret: string): string {
  const script = lines.replaceAll("http://127.0.0.1:18789", gateway.http);
  return spawnSync("bash", ["-c", script], { env: { ...process.env, SECRET: secret }, encoding: "utf8" }).stdout;
}

test("the lines of the documentation send a message that is answered", { skip: missing && `${missing} does not run` }, async () => {
  const printed = run(peer.secret);
  assert.match(printed, /^HTTP\/1\.1 200 [\s\S]*\{"ok":true\}$/);
  await until("the answer", () => peer.messages.some(({ text }) => text === "You said: Where is my parcel?"));
  assert.ok(!gateway.output().includes(peer.secret), "the secret is never printed");
});

test("with another secret they are refused", { skip: missing && `${missing} does not run` }, () => {
  assert.match(run("another-secret-0123456789"), /^HTTP\/1\.1 401 [\s\S]*X-Webhook-Signature/);
});

test("accounts that are not there and channels that take no requests are nothing", async () => {
  for (const path of ["webhook/other", "irc", "nope"])
    assert.equal((await fetch(`${gateway.http}/channels/${path}`, { method: "POST", body: "{}" })).status, 404);
});
