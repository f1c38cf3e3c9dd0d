// Group: wire
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { localSite, noBrowser } from "../../../../test/fakes/browser-host.ts";
import { until } from "../../../../test/until.ts";
import { findBrowser } from "../find-browser.ts";
import { findUserPrograms, isRootOfMachine } from "../user-programs.ts";
import type { BrowserSettings, DriverAnswer } from "../records.ts";
import { Browsers } from "./browsers.ts";

/** A name that Chromium trusts as much as https, so that it has service workers. */
const SITE = "site.localhost";
const OWN = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
/** Names of the victim, which is on all addresses of this machine. */
const HOSTS = [
  ..."127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0.0.0.0 0 127.255.255.254 ①②⑦.0.0.1".split(" "),
  ..."[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:0:0:1]".split(" "),
  ..."localhost localhost. any.localhost victim.example mixed.example rebind.example".split(" "),
  ...(OWN ? [OWN] : []),
];

type Ways = { victim: string; port: number; udp: number };

/** A page that tries every way to reach the victim. */
const attack = ({ victim, port, udp }: Ways): string => `<!doctype html><title>start</title>
<link rel="stylesheet" href="http://${victim}/css"><link rel="preload" as="image" href="http://${victim}/preload">
<link rel="prefetch" href="http://${victim}/prefetch"><link rel="preconnect" href="http://${victim}">
<link rel="dns-prefetch" href="//${victim}"><link rel="icon" href="http://${victim}/icon"><link rel="manifest" href="http://${victim}/manifest">
<style>@import url(http://${victim}/import); body { background: url(http://${victim}/background) }
@font-face { font-family: x; src: url(http://${victim}/font) } p { font-family: x }</style><p>x</p>
<img src="http://${victim}/img"><img src="/to?http://${victim}/redirected"><script src="http://${victim}/script"></script>
<iframe src="http://${victim}/frame"></iframe><iframe src="/to?http://${victim}/frame-redirected"></iframe>
<iframe src="data:text/html,<img src=http://${victim}/data>"></iframe><iframe srcdoc="<meta http-equiv=refresh content='0;http://${victim}/meta'>"></iframe>
<object data="http://${victim}/object"></object><embed src="http://${victim}/embed"><video src="http://${victim}/video"></video>
<audio src="http://${victim}/audio"></audio><svg><use href="http://${victim}/use"/><image href="http://${victim}/image"/></svg>
<form action="http://${victim}/form" method="post" target="f"><input name="a"></form><iframe name="f"></iframe>
<a id="a" href="/nothing" ping="http://${victim}/ping" target="g">x</a><iframe name="g"></iframe>
<script>
const tries = [];
const attempt = (work) => { try { tries.push(Promise.resolve(work()).catch(() => {})); } catch {} };
attempt(() => fetch("http://${victim}/fetch", { mode: "no-cors" }));
attempt(() => fetch("https://${victim}/tls", { mode: "no-cors" }));
attempt(() => fetch("/to?http://${victim}/fetch-redirected", { mode: "no-cors" }));
attempt(() => fetch("/to?/to?http://${victim}/twice", { mode: "no-cors" }));
attempt(() => fetch("http://${victim}/keepalive", { mode: "no-cors", keepalive: true, method: "POST", body: "x" }));
attempt(() => new Promise((done) => { const x = new XMLHttpRequest(); x.onloadend = done; x.open("GET", "http://${victim}/xhr"); x.send(); }));
attempt(() => new Promise((done) => { const w = new WebSocket("ws://${victim}/ws"); w.onclose = done; }));
attempt(() => new Promise((done) => { const w = new WebSocket("wss://${victim}/wss"); w.onclose = done; }));
attempt(() => new Promise((done) => { const e = new EventSource("http://${victim}/events"); e.onerror = () => (e.close(), done()); }));
attempt(() => navigator.sendBeacon("http://${victim}/beacon", "x"));
attempt(() => new Promise((done) => { const w = new Worker("/worker.js?" + encodeURIComponent("${victim}")); w.onmessage = done; }));
attempt(async () => {
  const { installing, active } = await navigator.serviceWorker.register("/service.js?" + encodeURIComponent("${victim}"), { scope: "/scope" });
  if (!active) await new Promise((done) => (installing.onstatechange = () => installing.state === "activated" && done()));
  const f = document.createElement("iframe");
  f.src = "/scope";
  await new Promise((done) => { f.onload = done; document.body.append(f); });
});
attempt(async () => {
  const c = new RTCPeerConnection({ iceServers: [{ urls: "stun:${victim.replace(/:\d+$/, "")}:${udp}" }, { urls: "turn:127.0.0.1:${port}?transport=tcp", username: "u", credential: "p" }] });
  c.createDataChannel("x");
  await c.setLocalDescription(await c.createOffer());
  await new Promise((end) => { c.onicegatheringstatechange = () => c.iceGatheringState === "complete" && end(); setTimeout(end, 1500); });
});
attempt(async () => { await new WebTransport("https://${victim.replace(/:\d+$/, "")}:${udp}/quic").ready; });
attempt(() => { document.forms[0].submit(); document.getElementById("a").click(); });
attempt(() => { const f = document.createElement("iframe"); document.body.append(f); f.contentWindow.location = "http://${victim}/location"; });
attempt(() => window.open("http://${victim}/window"));
Promise.all(tries).then(() => (document.title = "done"));
</script>`;

/** What answers the requests of the attacking page. */
function site(ways: Ways): Parameters<typeof localSite>[0] {
  return (request, response) => {
    const url = request.url ?? "";
    const victim = decodeURIComponent(url.split("?")[1] ?? "");
    response.setHeader("cache-control", "no-store");
    if (url.startsWith("/to?")) return void response.writeHead(302, { location: url.slice(4) }).end();
    if (url.endsWith(".js") || url.includes(".js?")) response.setHeader("content-type", "text/javascript");
    else response.setHeader("content-type", "text/html");
    if (url.startsWith("/worker.js"))
      return void response.end(
        `fetch("http://${victim}/worker", { mode: "no-cors" }).catch(() => {}).then(() => postMessage(1)); try { importScripts("http://${victim}/scripts"); } catch {}`,
      );
    if (url.startsWith("/service.js"))
      return void response.end(
        `oninstall = () => skipWaiting(); onfetch = (e) => e.respondWith(fetch("http://${victim}/service", { mode: "no-cors" }).catch(() => 0).then(() => new Response("")));`,
      );
    response.end(url === "/" ? attack(ways) : "nothing");
  };
}

test("no trick of a page reaches an address that is not public", { skip: noBrowser }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "openclaw-egress-"));
  const reached: string[] = [];
  const victim = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (chunk) => {
      reached.push(String(chunk).split("\r\n", 1)[0]!);
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\r\nhi");
    });
  });
  let connections = 0;
  victim.on("connection", () => (connections += 1));
  await new Promise<void>((ready) => victim.listen(0, "::", ready));
  const udp = createSocket("udp4");
  let packets = 0;
  udp.on("message", () => (packets += 1));
  await new Promise<void>((ready) => udp.bind(0, "127.0.0.1", ready));
  const { port } = victim.address() as AddressInfo;
  const ways: Ways = { victim: `victim.example:${port}`, port, udp: udp.address().port };
  const pages = await localSite(site(ways));
  let rebinds = 0;
  const asked = new Set<string>();
  const browsers = new Browsers({
    env: { PATH: process.env["PATH"] ?? "", OPENCLAW_RUNNER: "egress-test" },
    resolve: async (host) => {
      asked.add(host);
      // Each look-up gives another answer: the first is public.
      if (host === "rebind.example") return (rebinds += 1) % 2 === 1 ? ["192.88.98.1"] : ["127.0.0.1"];
      return host === "mixed.example" ? ["192.88.98.1", "127.0.0.1"] : ["127.0.0.1"];
    },
  });
  t.after(async () => {
    await browsers.close();
    for (const each of [victim, udp, pages]) each.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const found = findBrowser(undefined, process.env["PATH"]);
  const settings: BrowserSettings = {
    executable: "path" in found ? found.path : "",
    headless: true,
    noSandbox: false,
    otherUser: isRootOfMachine() ? findUserPrograms() : null,
    extraArgs: [],
    attach: null,
    evaluateEnabled: true,
    proxies: { http: null, https: null, noProxy: "", problems: [] },
    allowPrivateNetwork: false,
    allowedHostnames: [SITE],
  };
  let id = 0;
  const run = (action: string, args: object, changes: Partial<BrowserSettings> = {}): Promise<DriverAnswer> =>
    browsers.run(
      {
        id: (id += 1),
        agent: "main",
        profile: "openclaw",
        session: "s",
        directory,
        action,
        args: { ...args },
        settings: { ...settings, ...changes },
      },
      new AbortController().signal,
    );
  const home = `http://${SITE}:${pages.port}/`;
  const isDone = async (changes: Partial<BrowserSettings>): Promise<boolean> =>
    JSON.stringify(await run("act", { kind: "evaluate", fn: "document.title", targetId: "t1" }, changes)).includes("done");

  await run("open", { targetUrl: home });
  await until("all tries", () => isDone({}));
  for (const host of HOSTS) {
    await run("act", {
      kind: "evaluate",
      fn: `fetch("http://${host}:${port}/", { mode: "no-cors" }).catch(() => 0).then(() => 1)`,
      targetId: "t1",
    });
    const opened = run("navigate", { targetUrl: `http://${host}:${port}/`, targetId: "t1", timeoutMs: 2_000 });
    await assert.rejects(opened, /was not opened|was not found|status|stopped/, host);
    await run("navigate", { targetUrl: `${home}quiet`, targetId: "t1" });
  }
  for (const host of [`to?http://127.0.0.1:${port}/`, `to?http://[::1]:${port}/`, "to?file:///etc/passwd"])
    await assert.rejects(run("navigate", { targetUrl: home + host, targetId: "t1" }), /was not opened/, host);
  assert.deepEqual([connections, packets, reached], [0, 0, []]);
  assert.ok(asked.has("victim.example") && rebinds > 0, "the tries were made");

  // The same page does reach it where the configuration allows that: the tries are real.
  const open = { allowPrivateNetwork: true };
  await run("navigate", { targetUrl: home, targetId: "t1" }, open);
  await until("all tries", () => isDone(open));
  const paths = new Set(reached.map((line) => /^\w+ \/([a-z-]+)/.exec(line)?.[1]).filter((path) => path !== undefined));
  assert.ok(paths.size >= 25, [...paths].join(" "));
  assert.equal(packets, 0, "what does not pass the proxy stays refused");
});
