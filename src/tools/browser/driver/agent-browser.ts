import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import type { EgressProxy } from "../../egress-proxy.ts";
import { reasonOf } from "../../../core/errors.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { BrowserSettings } from "../records.ts";
import { writeLauncher } from "./other-user.ts";
import { ActionProblem, shortReason } from "./problem.ts";

export type LaunchOptions = {
  /** Directory of the agent's browser: its profile, and files on the way. */
  directory: string;
  settings: BrowserSettings;
  proxy: EgressProxy;
  port: number;
  env: Readonly<Record<string, string>>;
};

/** A running Chromium with one profile of one agent. */
export type AgentBrowser = {
  context: BrowserContext;
  version: string;
  /** It ran before, and goes on after the last use; its requests do not pass the proxy. */
  isAttached: boolean;
  /** Why pages are not kept apart from the user that it runs as, as the rest of a sentence; null where they are. */
  sandboxProblem: string | null;
  /** Ends it, or the connection to it. */
  close: () => Promise<void>;
  /** For files that the gateway moves to a workspace. */
  filesDir: string;
  /** Resolves when the browser has ended, in whatever way. */
  closed: Promise<void>;
};

/** Chromium resolves no name and opens no connection itself, but to the proxy. */
const networkFlags = (port: number): string[] => [
  `--proxy-server=http://127.0.0.1:${port}`,
  "--proxy-bypass-list=<-loopback>",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
  "--disable-quic",
  "--dns-prefetch-disable",
  "--webrtc-ip-handling-policy=disable_non_proxied_udp",
  "--force-webrtc-ip-handling-policy",
  "--no-pings",
];

/** Directories of a browser that it may write, and that of files which it only reads. */
const WRITABLE = ["profile", "files", "config", "cache"] as const;
export const UPLOADS = "uploads";

/** How a browser is run; `problem`: why not in a safer way. */
type Way = { executable: string; noSandbox: boolean; env: Readonly<Record<string, string>>; problem: string | null };

/** Starts the browser of an agent, and shows that all of its requests go through the proxy before a page is opened. */
export async function launchBrowser(options: LaunchOptions): Promise<AgentBrowser> {
  const { directory, settings, proxy } = options;
  const filesDir = join(directory, "files");
  for (const each of [filesDir, join(directory, UPLOADS)]) await rm(each, { recursive: true, force: true });
  for (const each of ["", ...WRITABLE, UPLOADS]) await mkdir(join(directory, each), { recursive: true, mode: 0o700 });
  const { context, way } = await launchInBestWay(options, filesDir);
  try {
    const [page = await context.newPage()] = context.pages();
    await signIn(context, page, proxy);
    // It stays open: a browser without a page may end.
    await page.goto("about:blank");
  } catch (err) {
    await context.close();
    throw new ActionProblem(
      "not_guarded",
      `The browser was ended: it did not use the gateway's proxy (${shortReason(err)}). A policy in /etc/chromium or /etc/opt/chrome may set another one; remove its proxy settings.`,
    );
  }
  limitDownloads(context, filesDir);
  const closed = new Promise<void>((resolve) => context.once("close", () => resolve()));
  const version = context.browser()?.version() ?? "unknown";
  const sandbox = settings.noSandbox ? "it is off by browser.noSandbox" : way.problem;
  return { context, version, isAttached: false, sandboxProblem: sandbox, close: () => context.close(), filesDir, closed };
}

/** As root: as another user, and where that does not work without the sandbox, which Chromium refuses to root. */
async function launchInBestWay(options: LaunchOptions, filesDir: string): Promise<{ context: BrowserContext; way: Way }> {
  const { directory, settings, env } = options;
  const { executable, noSandbox } = settings;
  const own = { ...env, HOME: directory, XDG_CONFIG_HOME: join(directory, "config"), XDG_CACHE_HOME: join(directory, "cache") };
  const start = async (way: Way): Promise<{ context: BrowserContext; way: Way }> => ({
    context: await launch(options, way, filesDir),
    way,
  });
  if (process.getuid?.() !== 0) return await start({ executable, noSandbox, env: own, problem: null });
  const asRoot = (problem: string): Way => ({ executable, noSandbox: true, env: own, problem });
  if (settings.otherUser === null) return await start(asRoot("as root it needs the programs perl and setpriv to run as another user"));
  if (!settings.headless) return await start(asRoot("as root with a window it does not run as another user"));
  const path = `${directory}.sh`;
  const below = (names: readonly string[]): string[] => names.map((each) => join(directory, each));
  await writeLauncher({ path, programs: settings.otherUser, executable, writable: below(WRITABLE), readable: below([UPLOADS]) });
  // The directory itself is not there for it, and /tmp is its own.
  const other: Way = { executable: path, noSandbox, env: { ...own, HOME: join(directory, "config"), TMPDIR: "/tmp" }, problem: null };
  try {
    return await start(other);
  } catch (err) {
    const reason = /Cannot build the sandbox: [^\n]{1,200}|No usable sandbox|setpriv: [^\n]{1,200}/.exec(reasonOf(err))?.[0];
    if (reason === undefined) throw err;
    return await start(asRoot(`as root it could not run as another user (${reason})`));
  }
}

async function launch(
  { directory, settings, port }: LaunchOptions,
  { executable, noSandbox, env }: Way,
  filesDir: string,
): Promise<BrowserContext> {
  try {
    return await chromium.launchPersistentContext(join(directory, "profile"), {
      executablePath: executable,
      headless: settings.headless,
      chromiumSandbox: !noSandbox,
      // Of a flag that is given twice the last one counts.
      args: [...settings.extraArgs, ...networkFlags(port)],
      downloadsPath: filesDir,
      acceptDownloads: true,
      viewport: { width: 1_280, height: 800 },
      timeout: BROWSER_LIMITS.startMs,
      env,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  } catch (err) {
    throw new ActionProblem("not_started", `The browser ${settings.executable} did not start: ${startReason(err)}`);
  }
}

function startReason(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err);
  const [mount] = /Cannot build the sandbox: [^\n]{1,200}|setpriv: [^\n]{1,200}/.exec(text) ?? [];
  if (mount !== undefined) return `${mount}.`;
  if (/No usable sandbox|SUID sandbox|zygote_host_impl/.test(text)) {
    return "No usable sandbox: it cannot use its own sandbox, because this system does not let users make namespaces. Allow that (openclaw sandbox explain says how), or set browser.noSandbox.";
  }
  if (/missing X server|cannot open display|\$DISPLAY/i.test(text)) return "no display was found. Set browser.headless to true.";
  return `${shortReason(err)}. openclaw logs shows more; browser.executablePath names another one.`;
}

/** Gives the browser the password of the proxy. It then sends it unasked, also for WebSockets and from service workers. */
async function signIn(context: BrowserContext, page: Page, proxy: EgressProxy): Promise<void> {
  const session = await context.newCDPSession(page);
  let hasAsked = false;
  session.on("Fetch.requestPaused", ({ requestId }) => void session.send("Fetch.continueRequest", { requestId }).catch(() => {}));
  session.on("Fetch.authRequired", ({ requestId, authChallenge }) => {
    const isProxy = authChallenge.source === "Proxy" && !hasAsked;
    hasAsked ||= isProxy;
    const response = isProxy ? { response: "ProvideCredentials" as const, ...proxy.credential } : { response: "CancelAuth" as const };
    // A browser that has ended makes the navigation below fail.
    void session.send("Fetch.continueWithAuth", { requestId, authChallengeResponse: response }).catch(() => {});
  });
  await session.send("Fetch.enable", { handleAuthRequests: true, patterns: [{ urlPattern: `${proxy.ownUrl}*` }] });
  const response = await page.goto(proxy.ownUrl, { timeout: BROWSER_LIMITS.startMs });
  await session.detach();
  if (!hasAsked || response?.status() !== 200) throw new Error("its own page was not answered by it");
}

/** Cancels the downloads of a browser when a file of them is too large. */
function limitDownloads(context: BrowserContext, filesDir: string): void {
  context.on("page", (page) =>
    page.on("download", (download) => {
      const timer = setInterval(() => void check(), BROWSER_LIMITS.downloadCheckMs);
      const check = async (): Promise<void> => {
        if ((await largestFile(filesDir)) > BROWSER_LIMITS.fileBytes) await download.cancel();
      };
      void download.failure().then(
        () => clearInterval(timer),
        () => clearInterval(timer),
      );
    }),
  );
}

async function largestFile(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...sizes);
}
