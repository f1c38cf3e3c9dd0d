import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium, type Page } from "playwright-core";
import { until } from "../wire/gateway.ts";
import type { Stage } from "./stage.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** The built page on a web server of its own; every path that is no file is the page. */
export async function servePage(dir: string): Promise<{ origin: string; close: () => void }> {
  const index = (): Buffer => Buffer.from(readFileSync(join(dir, "index.html"), "utf8").replaceAll('="./', '="/'));
  const server: Server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, "http://page").pathname));
    const type = TYPES[extname(path)];
    try {
      if (!type || path.includes("..")) throw Object.assign(new Error("the page"), { code: "ENOENT" });
      response.writeHead(200, { "content-type": type }).end(readFileSync(join(dir, path)));
    } catch (err) {
      const { code } = err as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "EISDIR") throw err;
      if (type) response.writeHead(404).end();
      else response.writeHead(200, { "content-type": "text/html" }).end(index());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Pages whose capability this gateway serves, and a word that stands on each. */
const PAGES: Readonly<Record<string, RegExp>> = {
  "/sessions": /Sessions/i,
  "/agents": /main/i,
  "/logs": /logs/i,
  "/settings/channels": /Telegram|IRC/i,
  "/settings/communications": /session|message/i,
  "/settings/devices": /device/i,
  "/settings/connection": /ws:\/\//i,
};

export async function driveControlUi(stage: Stage, origin: string): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "official-page-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"],
    viewport: { width: 1_280, height: 900 },
  });
  const page = await context.newPage();
  const crashes: string[] = [];
  page.on("pageerror", (err) => crashes.push(err.message));
  try {
    await drive(stage, page, origin);
    await stage.task("Control UI", "no script failed", async () => {
      if (crashes.length > 0) throw new Error(crashes[0]);
      return "";
    });
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

async function drive({ task, gateway }: Stage, page: Page, origin: string): Promise<void> {
  const text = (): Promise<string> => page.locator("body").innerText();
  const shows = (wanted: RegExp, limitMs = 60_000): Promise<boolean> =>
    until(`${String(wanted)} on the page`, async () => wanted.test(await text()), limitMs);
  await task("Control UI", "signs in with the token", async () => {
    await page.goto(`${origin}/?gatewayUrl=${encodeURIComponent(gateway.url)}#token=${gateway.token()}`);
    const confirm = page.getByRole("button", { name: /switch to|connect|confirm/i }).first();
    await confirm.click({ timeout: 15_000 }).catch(() => undefined);
    await page.locator("textarea").first().waitFor({ timeout: 60_000 });
    return "";
  });
  await task("Control UI", "a message is answered", async () => {
    const composer = page.locator("textarea").first();
    await composer.fill("hello from the page");
    await composer.press("Enter");
    await shows(/You said: hello from the page/);
    return "";
  });
  await task("Control UI", "the conversation is there after a reload", async () => {
    await page.reload();
    await shows(/You said: hello from the page/);
    return "";
  });
  for (const [path, word] of Object.entries(PAGES)) {
    await task("Control UI", `page ${path}`, async () => {
      await page.goto(origin + path);
      await shows(word);
      const shown = await text();
      if (/Panel failed to load|Something went wrong/i.test(shown)) throw new Error("the panel failed to load");
      const unknown = /unknown method: [\w.]+/.exec(shown);
      return unknown ? `a part of it says "${unknown[0]}"` : "";
    });
  }
}
