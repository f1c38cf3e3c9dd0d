// Group: wire
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browserHost, localSite, noBrowser, refOf } from "../../../test/fakes/browser-host.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { until } from "../../../test/until.ts";
import { BROWSER_LIMITS } from "./limits.ts";

const PAGE = `<button onclick="const end = Date.now() + 60000; while (Date.now() < end);">Work</button><p>text</p>`;
let site: Awaited<ReturnType<typeof localSite>>;
before(async () => {
  site = await localSite((request, response) => {
    if (request.url === "/never-answered") return;
    response.setHeader("content-type", "text/html");
    response.setHeader("set-cookie", "kept=1; Max-Age=100000");
    response.end(`${PAGE}<h1>${request.headers.cookie ?? "nothing"}</h1>`);
  });
});
after(() => site.close());

/** The processes whose environment names a marker: pid -> arguments. */
function marked(marker: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/environ`, "latin1").includes(`OPENCLAW_RUNNER=${marker}`))
        found.set(Number(name), readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " "));
    } catch {
      // It has ended.
    }
  }
  return found;
}
/** The processes whose arguments name a directory: of a browser also those that have no environment to read. */
function processesOf(directory: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "latin1");
      if (line.includes(directory)) found.set(Number(name), line);
    } catch {
      // It has ended.
    }
  }
  return found;
}
const mainBrowser = (marker: string): number =>
  [...marked(marker)].find(([, line]) => /--remote-debugging-pipe/.test(line) && !/--type=/.test(line))![0];
const driverOf = (marker: string): number => [...marked(marker)].find(([, line]) => /driver.main\.ts/.test(line))![0];

test("a browser that ends in the middle of a call is an error of that call, and the next one works", { skip: noBrowser }, async (t) => {
  const host = browserHost();
  t.after(host.close);
  host.settings({ evaluateEnabled: true });
  for (const victim of [mainBrowser, driverOf]) {
    const page = await host.run({ action: "open", targetUrl: site.origin });
    const ref = refOf(page, "Work");
    const first = await host.call({ action: "act", kind: "hover", ref });
    assert.equal(first.isError, false);
    const requests = site.requests.length;
    const running = host.call({ action: "act", kind: "evaluate", fn: `fetch("/never-answered")` }).catch((err: unknown) => ({
      text: String(err),
    }));
    await until("the call in the page", () => site.requests.indexOf("GET /never-answered", requests) >= 0);
    process.kill(victim(host.marker), "SIGKILL");
    const { text } = await running;
    assert.match(text, /The browser ended during the call/);
  }
  const page = await host.run({ action: "open", targetUrl: site.origin });
  assert.match(page, /\[t1 is the current tab; status 200\.\]/);
});

/** Kills a process that may have ended since it was listed. */
function killIfRunning(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ESRCH") throw err;
  }
}

test("a page that crashes is an error of the call in it, and is opened again in a new tab", { skip: noBrowser }, async (t) => {
  const host = browserHost();
  t.after(host.close);
  await host.run({ action: "open", targetUrl: site.origin });
  let ended = "";
  void host.call({ action: "act", kind: "wait", text: "never", timeoutMs: 60_000 }).then(({ text }) => (ended = text));
  await until("the end of the pages", () => {
    for (const [pid, line] of processesOf(host.directory)) if (/--type=renderer/.test(line)) killIfRunning(pid);
    return ended;
  });
  // The first page may have crashed before the call has reached it.
  assert.match(ended, /(?:wait failed: .*|The page of t1 has )crashed/);
  assert.match((await host.call({ action: "snapshot" })).text, /The page of t1 has crashed/);
  assert.match(await host.run({ action: "navigate", targetUrl: site.origin }), /\[t2 is the current tab; status 200\.\]/);
});

test("the driver and its browsers end when no call has come for a while, and when the tool is stopped", { skip: noBrowser }, async (t) => {
  const clock = new FakeClock();
  const host = browserHost({ clock });
  t.after(host.close);
  await host.run({ action: "open", targetUrl: site.origin });
  clock.advance(BROWSER_LIMITS.idleMs - 1);
  assert.match(await host.run({ action: "tabs" }), /t1/);
  clock.advance(BROWSER_LIMITS.idleMs);
  await until("the end of the driver", () => marked(host.marker).size === 0 && processesOf(host.directory).size === 0);
  assert.equal(await host.run({ action: "tabs" }), "No tab is open.");
  assert.match(await host.run({ action: "open", targetUrl: site.origin }), /heading "kept=1"/, "what a site has just stored is kept");
});

const url = (path: string): string => JSON.stringify(join(import.meta.dirname, path));
/** A gateway with the tool, which opens a page and acts in it without end. */
const GATEWAY = `
import { browserHost } from ${url("../../../test/fakes/browser-host.ts")};
const host = browserHost();
await host.run({ action: "open", targetUrl: process.argv[1] });
console.log(JSON.stringify([host.marker, host.directory]));
await host.run({ action: "act", kind: "wait", textGone: "text", timeoutMs: 60_000 });
`;

test("when the gateway is killed, the driver and the browser end", { skip: noBrowser }, async (t) => {
  const gateway = spawn(process.execPath, ["--input-type=module", "-e", GATEWAY, site.origin], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => gateway.kill("SIGKILL"));
  let printed = "";
  gateway.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const [marker, directory] = JSON.parse(await until("the page", () => /^\[.*\]$/m.exec(printed)?.[0])) as [string, string];
  const browsers = processesOf(directory);
  assert.ok(browsers.size >= 3 && marked(marker).size >= 2);
  gateway.kill("SIGKILL");
  await until("the end of all", () => marked(marker).size === 0 && processesOf(directory).size === 0);
});
