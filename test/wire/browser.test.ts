// The browser of agents in the real process: a model and the command line use the same tabs, and a kill leaves nothing.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { localSite, noBrowser, refOf } from "../fakes/browser-host.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

const home = newHome();
const session = "agent:main:main";
let model: ModelServer;
let site: Awaited<ReturnType<typeof localSite>>;
let gateway: GatewayUnderTest;

before(async () => {
  model = await startModelServer();
  site = await localSite((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(
      `<title>t</title><h1>Page ${request.url}</h1><input aria-label="Name"><button onclick="document.title='x'">Press</button>`,
    );
  });
  const config = { ...modelConfig(model.url), browser: { ssrfPolicy: { allowedHostnames: ["127.0.0.1"] } } };
  gateway = await startGateway({ home, config });
});

after(async () => {
  await gateway.kill();
  await model.close();
  site.close();
  dropHome(home);
});

const browserProcesses = (): string[] =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").includes(join(stateDir(home), "gateway", "browser"));
    } catch {
      return false;
    }
  });

async function ask(message: string): Promise<string> {
  const client = await gateway.connect();
  try {
    const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey: session, message, idempotencyKey: message });
    await client.request("agent.wait", { runId, timeoutMs: 60_000 });
    return JSON.stringify(await client.request("chat.history", { sessionKey: session }));
  } finally {
    await client.close();
  }
}

test("doctor says which browser there is without a start of it, and with --deep starts it", { skip: noBrowser }, async () => {
  const { findings } = await openclawJson<{ findings: { check: string; severity: string }[] }>(home, "doctor");
  assert.equal(findings.find(({ check }) => check === "browser")?.severity, "ok");
  assert.match((await openclaw(home, "browser", "doctor")).stdout, /^Chromium \d+\.\S+ \(\S+\), which starts without a window and with/);
  assert.ok(!existsSync(join(stateDir(home), "gateway", "browser")), "nothing was started");
  const doctor = await openclaw(home, "browser", "doctor", "--deep");
  assert.equal(doctor.stderr, "");
  assert.match(doctor.stdout, /^Chromium \d+\.\S+ \(\S+\) starts without a window, .* It runs with its own sandbox\.$/m);
  await until("the end of the trial", () => browserProcesses().length === 0);
});

test("a model opens a page, and the command line sees and acts in its tab", { skip: noBrowser }, async () => {
  const history = await ask(`tool:more_tools:{"name":"browser","arguments":{"action":"open","targetUrl":"${site.origin}/first"}}`);
  assert.match(history, /heading \\+"Page \/first/);
  assert.match((await openclaw(home, "browser", "tabs")).stdout, /^> t1 \(current\) http:\/\/127\.0\.0\.1:\d+\/first$/m);
  const page = (await openclaw(home, "browser", "snapshot", "--compact")).stdout;
  assert.equal((await openclaw(home, "browser", "type", refOf(page, "Name"), "Ada")).stdout, "Typed.\n");
  assert.equal((await openclaw(home, "browser", "click", refOf(page, "Press"))).stdout, "Clicked.\n");
  assert.match((await openclaw(home, "browser", "snapshot")).stdout, /textbox "Name" \[ref=e\d+\]: Ada/);
  const picture = join(home, "page.png");
  const { file } = await openclawJson<{ file: string }>(home, "browser", "screenshot", picture);
  assert.equal(file, picture);
  assert.equal(readFileSync(picture).toString("latin1", 1, 4), "PNG");
  assert.match((await openclaw(home, "browser", "pdf", "--out", "page.pdf")).stdout, /^Saved page\.pdf/);
  assert.ok(existsSync(join(stateDir(home), "workspace", "page.pdf")));
  assert.match((await openclaw(home, "browser", "click", "e999")).stderr, /stale_ref/);
  const metrics = await (await fetch(`${gateway.http}/metrics`, { headers: { authorization: `Bearer ${gateway.token()}` } })).text();
  assert.match(metrics, /^gateway_browser_tabs 1$/m);
  assert.match(metrics, /^gateway_browser_calls_total\{action="open",outcome="ok"\} 1$/m);
});

test("the command line makes, uses, resets and deletes a profile", { skip: noBrowser }, async () => {
  assert.match(
    (await openclaw(home, "browser", "create-profile", "--name", "work", "--color", "#0066CC")).stdout,
    /^Created the profile work in /,
  );
  assert.match((await openclaw(home, "browser", "create-profile", "--name", "work")).stderr, /there is a profile work already/);
  const profiles = await until("the profile", async () => {
    const { stdout } = await openclaw(home, "browser", "profiles");
    return stdout.includes("work") && stdout;
  });
  assert.match(profiles, /^openclaw: running \(1 tab\) \[default\]\n.*\nwork: stopped\n  started by the gateway, color: #0066CC\n$/);
  await openclaw(home, "browser", "open", `${site.origin}/work`, "--browser-profile", "work");
  assert.match((await openclaw(home, "browser", "tabs", "--browser-profile", "work")).stdout, /\/work$/m);
  assert.match(
    (await openclaw(home, "browser", "set", "media", "dark", "--browser-profile", "work")).stdout,
    /^Set in t1: color scheme dark/,
  );
  const { paths } = await openclawJson<{ paths: string[] }>(home, "browser", "reset-profile", "--browser-profile", "work");
  assert.ok(paths.length === 1 && existsSync(paths[0]!));
  assert.match((await openclaw(home, "browser", "delete-profile", "--name", "work")).stdout, /^Deleted the profile work in /);
  assert.match((await openclaw(home, "browser", "delete-profile", "--name", "openclaw")).stderr, /always exists/);
  const desk = await openclaw(home, "browser", "create-profile", "--name", "desk", "--cdp-url", "http://127.0.0.1:1/?token=hidden");
  assert.match(desk.stdout + desk.stderr, /do not pass the gateway's proxy: it is not used before/);
  const listed = await until("the profile", async () => {
    const { stdout } = await openclaw(home, "browser", "profiles");
    return stdout.includes("desk") && stdout;
  });
  assert.match(listed, /desk: stopped\n  running browser at http:\/\/127\.0\.0\.1:1, not behind .*\n  Not usable: The profile desk/);
  assert.ok(!listed.includes("hidden"));
  const { findings } = await openclawJson<{ findings: { check: string; severity: string; why?: string }[] }>(home, "doctor");
  assert.match(findings.find(({ check }) => check === "browser-profile:desk")?.why ?? "", /do not pass the gateway's proxy/);
});

test("OpenClaw's command line reaches the browser by its paths", { skip: noBrowser }, async () => {
  const client = await gateway.connect();
  type Tabs = { tabs: { targetId: string; suggestedTargetId: string; url: string; title: string }[] };
  const ask = <T>(method: string, path: string, more: object = {}): Promise<T> =>
    client.request<T>("browser.request", { method, path, ...more });
  const opened = await ask<{ targetId: string; url: string }>("POST", "/tabs/open", {
    body: { url: `${site.origin}/routed` },
    timeoutMs: 20_000,
  });
  assert.equal(opened.url, `${site.origin}/routed`);
  const { tabs } = await ask<Tabs>("GET", "/tabs");
  assert.ok(tabs.some(({ suggestedTargetId, title }) => suggestedTargetId === opened.targetId && title === "t"));
  const { format, snapshot } = await ask<{ format: string; snapshot: string }>("GET", "/snapshot", { query: { format: "ai" } });
  assert.equal(format, "ai");
  assert.match(snapshot, /heading "Page \/routed"/);
  assert.match((await ask<{ message: string }>("POST", "/set/media", { body: { colorScheme: "dark" } })).message, /color scheme dark/);
  const shot = await ask<{ path: string }>("POST", "/screenshot", { body: { type: "png" } });
  assert.match(shot.path, /^downloads\/page(?:-\d+)?\.png$/);
  assert.match((await ask<{ path: string }>("POST", "/pdf")).path, /^downloads\/page(?:-\d+)?\.pdf$/);
  const { requests } = await ask<{ requests: { url: string; ok: boolean }[] }>("GET", "/requests");
  assert.ok(requests.some(({ url, ok }) => ok && url.endsWith("/routed")));
  assert.ok(Array.isArray((await ask<{ errors: object[] }>("GET", "/errors")).errors));
  const made = await ask<Tabs>("POST", "/tabs/action", { body: { action: "list" } });
  assert.equal(
    (await ask<{ tab: { targetId: string } }>("POST", "/tabs/action", { body: { action: "select", index: 0 } })).tab.targetId,
    made.tabs[0]!.targetId,
  );
  await assert.rejects(ask("POST", "/tabs/action", { body: { action: "close", index: 50 } }), /tab 51 was not found/);
  const { running, profile } = await ask<{ running: boolean; profile: string }>("GET", "/");
  assert.deepEqual([running, profile], [true, "openclaw"]);
  await ask("DELETE", `/tabs/${opened.targetId}`);
  assert.ok(!(await ask<Tabs>("GET", "/tabs")).tabs.some(({ targetId }) => targetId === opened.targetId));
  await assert.rejects(ask("GET", "/responsebody"), /GET \/responsebody is not served/);
  await assert.rejects(client.request("browser.request", {}), /neither an action nor a path/);
  await client.close();
});

test("cookies and storage of a page are for administrators only, and no value of them is in the audit", { skip: noBrowser }, async () => {
  const client = await gateway.connect();
  const ask = <T>(method: string, path: string, more: object = {}): Promise<T> =>
    client.request<T>("browser.request", { method, path, ...more });
  await ask("POST", "/tabs/open", { body: { url: `${site.origin}/stored` } });
  await ask("POST", "/cookies/set", { body: { cookie: { name: "login", value: "planted-s3cret" } } });
  const { cookies } = await ask<{ cookies: object[] }>("GET", "/cookies");
  assert.doesNotMatch(JSON.stringify(cookies), /planted/);
  assert.match(JSON.stringify(await ask("GET", "/cookies", { query: { values: true } })), /planted-s3cret/);
  await ask("POST", "/storage/local/set", { body: { key: "token", value: "planted-t0ken" } });
  assert.deepEqual((await ask<{ values: object }>("GET", "/storage/local")).values, { token: null });
  const shown = await openclaw(home, "browser", "storage", "local", "get", "token", "--values");
  assert.equal(shown.stdout, "token = planted-t0ken\n");
  assert.match((await openclaw(home, "browser", "cookies")).stdout, /^login = \(14 characters\) {2}127\.0\.0\.1\//m);
  const refused = await client.request<{ ok: boolean; error: { message: string } }>("tools.invoke", {
    name: "browser",
    args: { action: "cookies", values: true },
  });
  assert.deepEqual([refused.ok, refused.error.message.startsWith("Only operators use cookies")], [false, true]);
  const writer = await gateway.connect({ scopes: ["operator.read", "operator.write"] });
  await assert.rejects(writer.request("browser.request", { action: "cookies" }), /operator\.admin/);
  const audit = JSON.stringify(await client.request("audit.details", {}));
  assert.match(audit, /\[secret\]/);
  assert.doesNotMatch(audit, /planted/);
  await ask("POST", "/cookies/clear");
  assert.deepEqual((await ask<{ cookies: object[] }>("GET", "/cookies")).cookies, []);
  await Promise.all([client.close(), writer.close()]);
});

test("operators see the browsers and a picture of a tab, and reading starts nothing", { skip: noBrowser }, async () => {
  const reader = await gateway.connect({ scopes: ["operator.read"] });
  type Row = { agentId: string; profile: string; hasSandbox: boolean; tabs: { targetId: string; sessionKey: string; url: string }[] };
  const { browsers } = await reader.request<{ browsers: Row[] }>("browser.tabs", {});
  const row = browsers.find(({ profile }) => profile === "openclaw")!;
  const tab = row.tabs.find(({ url }) => url.endsWith("/first"))!;
  assert.equal(tab.sessionKey, session);
  const where = { agentId: row.agentId, profile: row.profile, sessionKey: session };
  const picture = await reader.request<{ mimeType: string; data: string }>("browser.screenshot", { ...where, targetId: tab.targetId });
  assert.equal(picture.mimeType, "image/jpeg");
  assert.equal(Buffer.from(picture.data, "base64").toString("hex", 0, 3), "ffd8ff");
  await assert.rejects(reader.request("browser.screenshot", { ...where, targetId: "t99" }), /the tab was not found/);
  for (const method of ["browser.request", "browser.profiles.reset"])
    await assert.rejects(reader.request(method, { action: "stop" }), /operator\.admin|unexpected/, method);
  await openclaw(home, "browser", "stop");
  await until(
    "the end of the browser",
    async () => !(await reader.request<{ browsers: Row[] }>("browser.tabs", {})).browsers.some(({ profile }) => profile === "openclaw"),
  );
  await reader.close();
  await openclaw(home, "browser", "open", `${site.origin}/again`);
});

test("a new conversation has none of the tabs of the one before", { skip: noBrowser }, async () => {
  await ask("/new");
  await until("the end of the tabs", async () => /No tab is open/.test((await openclaw(home, "browser", "tabs")).stdout));
});

test("a read-only session and senders of channels have no browser, and the setting that decides is named", async () => {
  type Explained = { tools: { tool: string; isGranted: boolean; rule: string }[] };
  const own = await openclawJson<Explained>(home, "tools", "explain");
  assert.equal(own.tools.find(({ tool }) => tool === "browser")!.isGranted, true);
  const channel = await openclawJson<Explained>(home, "tools", "explain", "--channel", "irc");
  assert.equal(channel.tools.find(({ tool }) => tool === "browser")!.isGranted, false);
  const client = await gateway.connect({ scopes: ["operator.read", "operator.write"] });
  await assert.rejects(client.request("browser.request", { action: "tabs" }), /operator\.admin/);
  await client.close();
});

test("when the gateway is killed, its browser ends as well", { skip: noBrowser }, async () => {
  await ask(`tool:more_tools:{"name":"browser","arguments":{"action":"open","targetUrl":"${site.origin}/second"}}`);
  assert.ok(browserProcesses().length >= 3);
  await gateway.kill("SIGKILL");
  await until("the end of the browser", () => browserProcesses().length === 0);
});
