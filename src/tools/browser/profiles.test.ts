// Group: wire
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { browserHost, localSite, noBrowser } from "../../../test/fakes/browser-host.ts";
import { until } from "../../../test/until.ts";
import type { BrowserConfig } from "../../config/schema.ts";
import { BROWSER_DEFAULTS } from "../../config/schema/browser.ts";
import { Secret } from "../../core/secret.ts";
import { findBrowser } from "./find-browser.ts";
import { findProfile, listProfiles } from "./profiles.ts";

type ProfileConfig = BrowserConfig["profiles"][string];
const profile = (given: Partial<ProfileConfig>): ProfileConfig => ({
  driver: "openclaw",
  dangerouslyAllowUnguardedNetwork: false,
  useOpenTabs: false,
  color: "#FF4500",
  ...given,
});
const withProfiles = (profiles: Record<string, Partial<ProfileConfig>>, more: Partial<BrowserConfig> = {}): BrowserConfig => ({
  ...BROWSER_DEFAULTS,
  ...more,
  profiles: Object.fromEntries(Object.entries(profiles).map(([name, given]) => [name, profile(given)])),
});
const running = (url: string, more: Partial<ProfileConfig> = {}): Partial<ProfileConfig> => ({
  cdpUrl: new Secret(url),
  dangerouslyAllowUnguardedNetwork: true,
  ...more,
});

let site: Awaited<ReturnType<typeof localSite>>;
before(async () => {
  site = await localSite((request, response) => {
    response.setHeader("content-type", "text/html");
    response.setHeader("set-cookie", "kept=1; Max-Age=100000");
    response.end(
      `<title>${request.url}</title><h1>${request.headers.cookie ?? "no cookie"}</h1><a href="/other" target="_blank">Window</a>`,
    );
  });
});
after(() => site.close());

/** A browser of a person, with a page that the person has opened. */
async function personsBrowser(t: TestContext, page: string): Promise<{ url: string; port: number; process: ChildProcess }> {
  const directory = mkdtempSync(join(tmpdir(), "person-"));
  const found = findBrowser(undefined, process.env["PATH"]);
  const flags = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", `--user-data-dir=${directory}`, "--no-first-run", page];
  const child = spawn("path" in found ? found.path : "", flags, { stdio: "ignore", detached: true });
  t.after(async () => {
    process.kill(-child.pid!, "SIGKILL");
    await until("the end of the browser of the person", () => child.exitCode !== null || child.signalCode !== null);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const file = join(directory, "DevToolsActivePort");
  const text = await until(
    "the debugging port",
    () => existsSync(file) && /^\d+\n\//.test(readFileSync(file, "utf8")) && readFileSync(file, "utf8"),
  );
  const port = Number(text.split("\n")[0]);
  return { url: `http://127.0.0.1:${port}`, port, process: child };
}

/** The addresses of the pages of a browser, as its debugging port lists them. */
async function pagesOf(url: string): Promise<string[]> {
  const targets = (await (await fetch(`${url}/json/list`)).json()) as { type: string; url: string }[];
  return targets.filter(({ type }) => type === "page").map((each) => each.url);
}

test("a profile is a browser of the agent, or a running one, and says why it cannot be used", () => {
  const config = withProfiles(
    {
      work: { color: "#0066CC" },
      desk: running("http://127.0.0.1:9222"),
      far: running("wss://user:pw@browsers.example/session?token=hidden"),
      quiet: { cdpUrl: new Secret("http://127.0.0.1:9222") },
      port: { attachOnly: true, cdpPort: 9333, dangerouslyAllowUnguardedNetwork: true },
      lost: { driver: "existing-session" },
      plugin: { driver: "extension" },
      odd: running("file:///etc/passwd"),
    },
    { defaultProfile: "work" },
  );
  const rows = listProfiles(config).map(({ name, isDefault, attach, address, isRemote, problem }) => [
    name,
    isDefault,
    attach?.url ?? null,
    address,
    isRemote,
    problem?.what.replace(/,? (?:whose|and|which).*/, "") ?? null,
  ]);
  assert.deepEqual(rows, [
    ["work", true, null, null, false, null],
    ["openclaw", false, null, null, false, null],
    ["desk", false, "http://127.0.0.1:9222", "http://127.0.0.1:9222", false, null],
    ["far", false, "wss://user:pw@browsers.example/session?token=hidden", "wss://browsers.example", true, null],
    [
      "quiet",
      false,
      "http://127.0.0.1:9222",
      "http://127.0.0.1:9222",
      false,
      "The profile quiet is a running browser (http://127.0.0.1:9222)",
    ],
    ["port", false, "http://127.0.0.1:9333", "http://127.0.0.1:9333", false, null],
    ["lost", false, null, null, false, "The profile lost only uses a running browser"],
    ["plugin", false, null, null, false, "The profile plugin has the driver extension"],
    ["odd", false, "file:///etc/passwd", null, false, "browser.profiles.odd.cdpUrl is not an address with http, https, ws or wss."],
  ]);
  const missing = findProfile(config, "constructor");
  assert.ok("what" in missing && /no browser profile "constructor"\. Profiles: work, /.test(missing.what));
});

test("each profile has cookies of its own, and a reset moves them to the trash", { skip: noBrowser }, async (t) => {
  const host = browserHost();
  t.after(host.close);
  host.settings({ profiles: withProfiles({ work: {} }).profiles });
  const open = (name?: string): Promise<string> =>
    host.run({ action: "open", targetUrl: site.origin, ...(name !== undefined && { profile: name }) });
  assert.match(await open(), /no cookie/);
  assert.match(await open(), /kept=1/);
  assert.match(await open("work"), /no cookie/);
  assert.match(await host.run({ action: "tabs", profile: "work" }), /^> t1 \(current\)/m);
  assert.match((await host.call({ action: "snapshot", profile: "gone" })).text, /no browser profile "gone". Profiles: openclaw, work/);
  assert.match(
    await host.run({ action: "profiles" }),
    /^openclaw: running \(2 tabs\) \[default\], a browser of the agent\nwork: running \(1 tab\)/,
  );
  const trash = await host.browsers.reset({ agent: "main", profile: "openclaw" });
  assert.equal(trash, join(host.directory, "main", "trash", "openclaw"));
  assert.ok(existsSync(trash));
  assert.match((await host.call({ action: "snapshot" })).text, /no open tab\. .* Tabs are open with profile work\./);
  assert.match(await open(), /no cookie/);
  assert.match(await open("work"), /kept=1/);
  assert.equal(await host.browsers.reset({ agent: "other", profile: "work" }), null);
});

test("a running browser is used only when its profile accepts that it is not guarded", { skip: noBrowser }, async (t) => {
  const host = browserHost();
  t.after(host.close);
  const person = await personsBrowser(t, `${site.origin}/persons`);
  await until("the page of the person", async () => (await pagesOf(person.url)).includes(`${site.origin}/persons`));
  host.settings({ profiles: withProfiles({ desk: { cdpUrl: new Secret(person.url) } }).profiles });
  const refused = await host.call({ action: "open", profile: "desk", targetUrl: site.origin });
  assert.match(refused.text, /do not pass the gateway's proxy.*browser\.profiles\.desk\.dangerouslyAllowUnguardedNetwork/);
  host.settings({ profiles: withProfiles({ desk: running(person.url) }).profiles });
  assert.match(
    await host.run({ action: "doctor", profile: "desk" }),
    /running browser at http:\/\/127\.0\.0\.1:\d+\. Its requests do not pass/,
  );
  assert.match(await host.run({ action: "doctor", profile: "desk", deep: true }), /running browser answers: Chromium \d+/);
});

test("in a running browser an agent has only its own tabs, and the browser stays when the agent ends", { skip: noBrowser }, async (t) => {
  const host = browserHost();
  t.after(host.close);
  const person = await personsBrowser(t, `${site.origin}/persons`);
  const pages = (): Promise<string[]> => pagesOf(person.url);
  await until("the page of the person", async () => (await pages()).includes(`${site.origin}/persons`));
  host.settings({ profiles: withProfiles({ desk: running(person.url) }).profiles });
  const run = (args: object): Promise<string> => host.run({ profile: "desk", ...args });
  assert.match(
    await run({ action: "open", targetUrl: `${site.origin}/agents` }),
    /> - heading "kept=1"/,
    "it has the logins of the person",
  );
  assert.equal((await run({ action: "tabs" })).match(/^> t/gm)?.length, 1);
  const blocked = await host.call({ action: "open", profile: "desk", targetUrl: "http://169.254.169.254/latest" });
  assert.match(blocked.text, /169\.254\.169\.254 was not opened: it is not on the public internet/);
  assert.match((await host.call({ action: "download", profile: "desk" })).text, /not served with a running browser/);
  assert.match(await run({ action: "stop" }), /The running browser was released; it goes on/);
  assert.deepEqual(await pages(), [`${site.origin}/persons`], "only what the agent opened was closed");
  await run({ action: "open", targetUrl: `${site.origin}/again` });
  await host.tool.stop?.();
  assert.deepEqual(await pages(), [`${site.origin}/persons`]);
  assert.equal(person.process.exitCode, null);
});

test(
  "tabs that others opened are used where the profile allows it, and are not closed with the conversation",
  { skip: noBrowser },
  async (t) => {
    const host = browserHost();
    t.after(host.close);
    const person = await personsBrowser(t, `${site.origin}/persons`);
    await until("the page of the person", async () => (await pagesOf(person.url)).includes(`${site.origin}/persons`));
    host.settings({
      profiles: withProfiles({
        port: { driver: "existing-session", cdpPort: person.port, dangerouslyAllowUnguardedNetwork: true, useOpenTabs: true },
      }).profiles,
    });
    const run = (args: object): Promise<string> => host.run({ profile: "port", ...args });
    await run({ action: "start" });
    const id = /^> (t\d+) .*\/persons$/m.exec(await run({ action: "tabs" }))?.[1];
    assert.equal(await run({ action: "focus", targetId: id }), `The current tab is ${id}.`);
    assert.match(await run({ action: "snapshot" }), /link "Window"/);
    host.browsers.endSession("agent:main:main");
    assert.equal(await run({ action: "stop" }), "The running browser was released; it goes on.");
    assert.deepEqual(await pagesOf(person.url), [`${site.origin}/persons`]);
  },
);
