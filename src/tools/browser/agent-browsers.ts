import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserConfig } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { isAbsent } from "../../core/files.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { readProxySettings } from "../../core/proxy.ts";
import type { Metrics } from "../../core/metrics.ts";
import { toProxyRoutes } from "../upstream-proxy.ts";
import { DriverProcess, type DriverCall, type DriverResult } from "./driver-process.ts";
import { findBrowser } from "./find-browser.ts";
import { findUserPrograms, isRootOfMachine } from "./user-programs.ts";
import { findProfile, listProfiles, OWN_PROFILE, type BrowserProfile } from "./profiles.ts";
import { programVersion } from "./program-version.ts";
import { NO_TAB } from "./idle.ts";
import { BROWSER_LIMITS } from "./limits.ts";
import type { BrowserName, BrowserOverview, BrowserSettings, InspectRequest } from "./records.ts";

export type AgentBrowsersOptions = {
  config: () => BrowserConfig;
  /** The directory of the profiles of all agents. */
  directory: string;
  /** The environment of the browsers. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in them, for nothing else. */
  marker: string;
  metrics: Metrics;
  clock: Pick<Clock, "after" | "monotonic">;
};

/** What a call needs to know of its profile. */
export type BrowserPlan = {
  profile: BrowserProfile;
  /** The program; null for a running browser. */ program: string | null;
  settings: BrowserSettings;
};
export type PlanProblem = { what: string; fix: string };
export type ProfileRow = Pick<BrowserProfile, "name" | "isDefault" | "driver" | "color" | "address" | "isRemote" | "problem"> & {
  running: boolean;
  tabCount: number;
};

/** The same as what the driver is asked, but for the file of a trace, which is chosen here. */
export type InspectInput =
  | Exclude<InspectRequest, { what: "trace"; operation: "start" }>
  | Omit<Extract<InspectRequest, { what: "trace"; operation: "start" }>, "path">;

const never = (): AbortSignal => new AbortController().signal;

/** The browsers of all agents with their profiles, for the tool and for people. Nothing is started before the first call that needs it. */
export class AgentBrowsers {
  readonly config: () => BrowserConfig;
  readonly directory: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #driver: DriverProcess;
  #log: Log = silentLog;

  constructor({ config, directory, env, marker, metrics, clock }: AgentBrowsersOptions) {
    this.config = config;
    this.directory = directory;
    this.#env = { ...env, ...displayVariables(process.env) };
    const counts = { tabs: 0, browsers: 0 };
    metrics.sample("gateway_browser_tabs", () => counts.tabs);
    metrics.sample("gateway_browser_processes", () => counts.browsers);
    this.#driver = new DriverProcess({
      directory,
      env: this.#env,
      marker,
      clock,
      onCounts: (now) => {
        if (now.browsers > counts.browsers) metrics.count("gateway_browser_starts_total", {}, now.browsers - counts.browsers);
        Object.assign(counts, now);
      },
    });
  }

  get isRunning(): boolean {
    return this.#driver.isRunning;
  }

  /** How the browser of a profile is used; the default one without a name. */
  plan(name: string | undefined): BrowserPlan | PlanProblem {
    const config = this.config();
    const profile = findProfile(config, name);
    if ("what" in profile) return profile;
    if (profile.problem) return profile.problem;
    const found = profile.attach ? null : findBrowser(profile.executablePath, this.#env["PATH"]);
    if (found && "problem" in found) return { what: `No browser was found: ${found.problem}.`, fix: found.fix };
    const program = found?.path ?? null;
    return { profile, program, settings: toSettings(config, profile, program) };
  }

  /** The directory of a browser: that of the agent for its own profile, one below it for others. */
  directoryOf({ agent, profile }: BrowserName): string {
    return profile === OWN_PROFILE ? join(this.directory, agent) : join(this.directory, agent, "profiles", profile);
  }

  call(request: DriverCall, signal: AbortSignal, log: Log): Promise<DriverResult> {
    this.#log = log;
    return this.#driver.call(request, signal, log);
  }

  /** What the program of a plan prints as its version; null for a running browser, and when it prints none. */
  async versionOf({ program }: BrowserPlan): Promise<string | null> {
    return program === null ? null : await programVersion(program, this.#env);
  }

  /** The browsers that run, and their tabs. */
  async overview(): Promise<readonly BrowserOverview[]> {
    const result = await this.#driver.answer({ ask: "overview" }, never());
    return result && "answer" in result ? (result.answer.data as BrowserOverview[]) : [];
  }

  /** A picture of a tab as it is now; null when it does not exist any more. */
  async picture(tab: BrowserName & { session: string; targetId: string }): Promise<{ mimeType: string; data: string } | null> {
    const result = await this.#driver.answer({ ask: "picture", ...tab }, never());
    return result && "answer" in result ? (result.answer.image ?? null) : null;
  }

  /** What an operator reads or changes of a tab beside its page; starts nothing. */
  async inspect(tab: BrowserName & { session: string; targetId?: string }, request: InspectInput): Promise<DriverResult> {
    if (!this.isRunning) return { problem: NO_TAB };
    const asked: InspectRequest =
      request.what === "trace" && request.operation === "start" ? { ...request, path: await this.#nextTrace(tab.agent) } : request;
    return (await this.#driver.answer({ ask: "inspect", ...tab, request: asked }, never())) ?? { problem: NO_TAB };
  }

  /** Traces are private, and not in the workspace: they have the cookies of what was open. */
  async #nextTrace(agent: string): Promise<string> {
    const directory = join(this.directory, agent, "traces");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const numbers = (await readdir(directory)).flatMap((name) => /^trace-(\d+)\.zip$/.exec(name)?.[1] ?? []).map(Number);
    const pathOf = (number: number): string => join(directory, `trace-${number}.zip`);
    const old = numbers.toSorted((a, b) => b - a).slice(BROWSER_LIMITS.traces - 1);
    for (const number of old) await rm(pathOf(number), { force: true });
    return pathOf(Math.max(0, ...numbers) + 1);
  }

  /** The profiles as an agent has them. */
  async profiles(agent: string): Promise<ProfileRow[]> {
    const running = (await this.overview()).filter((each) => each.agent === agent);
    return listProfiles(this.config()).map(({ name, isDefault, driver, color, address, isRemote, problem }) => {
      const browser = running.find(({ profile }) => profile === name);
      return {
        name,
        isDefault,
        driver,
        color,
        address,
        isRemote,
        problem,
        running: browser !== undefined,
        tabCount: browser?.tabs.length ?? 0,
      };
    });
  }

  /** Stops a browser if it runs. */
  async stopBrowser(name: BrowserName): Promise<void> {
    await this.#driver.answer({ ask: "stop", ...name }, never());
  }

  /** Stops a browser and moves what it has stored to the trash, where it replaces what was there. Resolves to where; null when there is nothing. */
  async reset(name: BrowserName): Promise<string | null> {
    await this.stopBrowser(name);
    const from = join(this.directoryOf(name), "profile");
    const trash = join(this.directory, name.agent, "trash");
    const to = join(trash, name.profile);
    await mkdir(trash, { recursive: true, mode: 0o700 });
    await rm(to, { recursive: true, force: true, maxRetries: 3 });
    try {
      await rename(from, to);
    } catch (err) {
      if (isAbsent(err)) return null;
      throw err;
    }
    return to;
  }

  endSession(session: string): void {
    this.#driver.endSession(session);
  }

  stop(): Promise<void> {
    return this.#driver.stop(this.#log);
  }
}

/** By which a browser with a window finds the screen. Pure. */
const displayVariables = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"].flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );

/** The gateway's own environment does not change while it runs. */
const proxies = readProxySettings(process.env);

function toSettings(config: BrowserConfig, profile: BrowserProfile, executable: string | null): BrowserSettings {
  const { noSandbox, evaluateEnabled, ssrfPolicy, extraArgs } = config;
  const hasDisplay = process.platform !== "linux" || Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"]);
  return {
    executable: executable ?? "",
    headless: profile.headless ?? !hasDisplay,
    noSandbox,
    otherUser: isRootOfMachine() ? findUserPrograms() : null,
    extraArgs,
    attach: profile.attach,
    evaluateEnabled,
    allowPrivateNetwork: ssrfPolicy.dangerouslyAllowPrivateNetwork,
    allowedHostnames: ssrfPolicy.allowedHostnames,
    proxies: toProxyRoutes(proxies),
  };
}
