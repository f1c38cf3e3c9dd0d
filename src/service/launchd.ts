import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import type { ServiceDefinition } from "./definition.ts";
import { launchdPlist } from "./launchd-plist.ts";
import type { ServiceManager, ServiceState } from "./manager.ts";
import type { ProgramResult, RunProgram } from "./run-program.ts";

export type LaunchdOptions = { readonly label: string; readonly home: string; readonly uid: number; readonly run: RunProgram };

const NOT_INSTALLED = {
  manager: "launchd",
  scope: "user",
  installed: false,
  enabled: false,
  active: false,
  state: "not installed",
  pid: null,
  restarts: null,
  lastExit: null,
  statusText: null,
} as const;

/** A gateway as an agent of launchd, which runs while its user is signed in. */
export class LaunchdManager implements ServiceManager {
  readonly #options: LaunchdOptions;

  constructor(options: LaunchdOptions) {
    this.#options = options;
  }

  get file(): string {
    return join(this.#options.home, "Library", "LaunchAgents", `${this.#options.label}.plist`);
  }

  get #domain(): string {
    return `gui/${this.#options.uid}`;
  }

  get #service(): string {
    return `${this.#domain}/${this.#options.label}`;
  }

  async install(definition: ServiceDefinition): Promise<"installed" | "updated" | "unchanged"> {
    const text = launchdPlist(this.#options.label, definition);
    const before = existsSync(this.file) ? readFileSync(this.file, "utf8") : null;
    if (before === text) return "unchanged";
    ensureDirectorySync(dirname(this.file));
    ensureDirectorySync(dirname(definition.outputFile));
    writeFileAtomicSync(this.file, text);
    // The one that is loaded keeps its old definition.
    await this.#try("bootout", this.#service);
    return before === null ? "installed" : "updated";
  }

  async uninstall(): Promise<boolean> {
    const wasThere = existsSync(this.file);
    await this.#try("bootout", this.#service);
    rmSync(this.file, { force: true });
    return wasThere;
  }

  async start(): Promise<void> {
    await this.#try("enable", this.#service);
    if ((await this.#try("print", this.#service)).code !== 0) await this.#launchctl("bootstrap", this.#domain, this.file);
    else await this.#launchctl("kickstart", this.#service);
  }

  async stop({ disable }: { disable: boolean }): Promise<void> {
    await this.#launchctl("bootout", this.#service);
    if (disable) await this.#launchctl("disable", this.#service);
  }

  async restart(): Promise<void> {
    if ((await this.#try("print", this.#service)).code === 0) await this.#launchctl("kickstart", "-k", this.#service);
    else await this.start();
  }

  async state(): Promise<ServiceState> {
    if (!existsSync(this.file)) return { ...NOT_INSTALLED, name: this.#options.label, file: this.file };
    const { stdout, code } = await this.#try("print", this.#service);
    const fact = (name: string): string => new RegExp(`^\\s*${name} = (.+)$`, "m").exec(stdout)?.[1]?.trim() ?? "";
    const pid = Number(fact("pid"));
    const active = code === 0 && fact("state") === "running";
    const exit = fact("last exit code");
    return {
      manager: "launchd",
      name: this.#options.label,
      scope: "user",
      file: this.file,
      installed: true,
      enabled: code === 0,
      active,
      state: code === 0 ? fact("state") || "loaded" : "not loaded",
      pid: pid > 0 ? pid : null,
      restarts: null,
      lastExit: active || exit === "" || exit === "0" || exit === "(never exited)" ? null : `status ${exit}`,
      statusText: null,
    };
  }

  warnings(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  #try(...args: string[]): Promise<ProgramResult> {
    return this.#options.run("launchctl", args);
  }

  async #launchctl(...args: string[]): Promise<void> {
    const { code, stderr } = await this.#try(...args);
    if (code === 0) return;
    throw new CliError(`launchctl ${args.join(" ")} failed`, {
      why: stderr.trim().split("\n")[0] || `it ended with ${code ?? "no code"}.`,
      fix: "sign in at the screen of this Mac, and try again; openclaw gateway run starts it in this terminal",
      exit: EXIT.unavailable,
    });
  }
}
