import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import type { ServiceDefinition } from "./definition.ts";
import type { ServiceManager, ServiceState } from "./manager.ts";
import type { ProgramResult, RunProgram } from "./run-program.ts";
import { windowsBatch, windowsTask } from "./windows-task.ts";

export type WindowsOptions = {
  readonly task: string;
  /** Directory of the batch file and of the definition. */
  readonly dir: string;
  /** `DOMAIN\user` */
  readonly userId: string;
  readonly run: RunProgram;
};

const NOT_INSTALLED = {
  manager: "windows",
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

/** A gateway as a task of Windows, which starts when its user signs in. */
export class WindowsManager implements ServiceManager {
  readonly #options: WindowsOptions;

  constructor(options: WindowsOptions) {
    this.#options = options;
  }

  get file(): string {
    return join(this.#options.dir, "gateway-task.xml");
  }

  get #batch(): string {
    return join(this.#options.dir, "gateway.cmd");
  }

  async install(definition: ServiceDefinition): Promise<"installed" | "updated" | "unchanged"> {
    const { dir, userId, task } = this.#options;
    const xml = Buffer.from(`\uFEFF${windowsTask(definition, this.#batch, userId)}`, "utf16le");
    const batch = windowsBatch(definition);
    const before = existsSync(this.file) ? readFileSync(this.file) : null;
    const isSame = before?.equals(xml) === true && existsSync(this.#batch) && readFileSync(this.#batch, "utf8") === batch;
    if (!isSame) {
      ensureDirectorySync(dir);
      ensureDirectorySync(dirname(definition.outputFile));
      writeFileAtomicSync(this.#batch, batch);
      writeFileAtomicSync(this.file, xml);
    }
    await this.#schtasks("/Create", "/TN", task, "/XML", this.file, "/F");
    return before === null ? "installed" : isSame ? "unchanged" : "updated";
  }

  async uninstall(): Promise<boolean> {
    const wasThere = existsSync(this.file);
    await this.#try("/End", "/TN", this.#options.task);
    if (wasThere) await this.#schtasks("/Delete", "/TN", this.#options.task, "/F");
    rmSync(this.file, { force: true });
    rmSync(this.#batch, { force: true });
    return wasThere;
  }

  async start(): Promise<void> {
    await this.#schtasks("/Change", "/TN", this.#options.task, "/ENABLE");
    await this.#schtasks("/Run", "/TN", this.#options.task);
  }

  async stop({ disable }: { disable: boolean }): Promise<void> {
    await this.#schtasks("/End", "/TN", this.#options.task);
    if (disable) await this.#schtasks("/Change", "/TN", this.#options.task, "/DISABLE");
  }

  async restart(): Promise<void> {
    await this.#try("/End", "/TN", this.#options.task);
    await this.start();
  }

  async state(): Promise<ServiceState> {
    const { task } = this.#options;
    if (!existsSync(this.file)) return { ...NOT_INSTALLED, name: task, file: this.file };
    // XML, because the columns of the lists are in the language of the system.
    const { stdout, code } = await this.#try("/Query", "/TN", task, "/XML");
    const enabled = code === 0 && !/<Settings>[\s\S]*<Enabled>false<\/Enabled>[\s\S]*<\/Settings>/.test(stdout);
    return {
      manager: "windows",
      name: task,
      scope: "user",
      file: this.file,
      installed: code === 0,
      enabled,
      // The gateway itself says whether it runs.
      active: false,
      state: code === 0 ? (enabled ? "ready" : "disabled") : "not installed",
      pid: null,
      restarts: null,
      lastExit: null,
      statusText: null,
    };
  }

  warnings(): Promise<readonly string[]> {
    return Promise.resolve(["the gateway starts when you sign in to Windows, and ends when you sign out"]);
  }

  #try(...args: string[]): Promise<ProgramResult> {
    return this.#options.run("schtasks", args);
  }

  async #schtasks(...args: string[]): Promise<void> {
    const { code, stderr, stdout } = await this.#try(...args);
    if (code === 0) return;
    throw new CliError(`schtasks ${args[0]} failed`, {
      why: (stderr || stdout).trim().split("\n")[0] || `it ended with ${code ?? "no code"}.`,
      fix: "open a terminal as this user and try again; openclaw gateway run starts it in this terminal",
      exit: EXIT.unavailable,
    });
  }
}
