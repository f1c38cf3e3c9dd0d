// The real process in a network whose only way out is an HTTP proxy.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startHttpProxy, type HttpProxy } from "../fakes/http-proxy.ts";
import { startModelServer } from "../model-server.ts";
import { dropHome, modelConfig, startGateway, until } from "./gateway-process.ts";

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.toReversed()) await close();
});

const channels = (proxy?: string): object => ({
  telegram: { botToken: `123456789:${"A".repeat(35)}`, ...(proxy && { proxy }) },
  discord: { token: `MTIzNDU2Nzg5MDEyMzQ1Njc4.Gxxxxx.${"y".repeat(38)}`, ...(proxy && { proxy }) },
  slack: { botToken: "xoxb-1-1-aaaaaaaaaaaaaaaaaaaaaaaa", appToken: "xapp-1-A1-1-aaaaaaaa", ...(proxy && { proxy }) },
});

async function start(options: { config: object; env?: Record<string, string> }): Promise<Awaited<ReturnType<typeof startGateway>>> {
  const gateway = await startGateway(options);
  closers.push(async () => {
    await gateway.kill();
    dropHome(gateway.home);
  });
  return gateway;
}

async function refusingProxy(): Promise<HttpProxy> {
  const proxy = await startHttpProxy(() => 1, { status: 403 });
  closers.push(proxy.close);
  return proxy;
}

const PLATFORMS = ["CONNECT api.telegram.org:443", "CONNECT discord.com:443", "CONNECT slack.com:443"];
const allAsked = (proxy: HttpProxy): Promise<boolean> =>
  until("every platform to be asked through the proxy", () => PLATFORMS.every((each) => proxy.asked.includes(each)));

test("every channel connects through the proxy of the environment, and the model on this machine does not", async () => {
  const model = await startModelServer();
  closers.push(() => model.close());
  const proxy = await refusingProxy();
  const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.1" };
  const gateway = await start({ config: { ...modelConfig(model.url), channels: channels() }, env });
  await allAsked(proxy);
  const client = await gateway.connect();
  closers.push(() => client.close());
  const { runId } = (await client.request("chat.send", { sessionKey: "agent:main:main", message: "hello", idempotencyKey: "k1" })) as {
    runId: string;
  };
  const ended = (await client.request("agent.wait", { runId, timeoutMs: 60_000 })) as { status: string };
  assert.equal(ended.status, "ok");
  assert.ok(
    proxy.asked.every((each) => PLATFORMS.includes(each)),
    proxy.asked.join(),
  );
});

test("the proxy of an account is used without any in the environment", async () => {
  const proxy = await refusingProxy();
  await start({ config: { channels: channels(proxy.url) } });
  await allAsked(proxy);
});

test("an unusable proxy is reported, and no request bypasses it", async () => {
  const gateway = await start({ config: { channels: channels() }, env: { HTTPS_PROXY: "socks5://127.0.0.1:1080" } });
  await until("the cause in the log", () => /HTTPS_PROXY names a SOCKS proxy/.test(gateway.output()));
  const client = await gateway.connect();
  closers.push(() => client.close());
  const status = JSON.stringify(await client.request("channels.status", {}));
  assert.match(status, /HTTPS_PROXY names a SOCKS proxy/);
});
