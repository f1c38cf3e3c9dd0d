import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { ensureDirectorySync, writeFileAtomicSync } from "../core/files.ts";
import type { ServiceDefinition } from "./definition.ts";
import type { ServiceManager, ServiceState } from "./manager.ts";
import type { ProgramResult, RunProgram } from "./run-program.ts";
import { systemdUnit } from "./systemd-unit.ts";

export type SystemdOptions = {
  readonly unit: string;
  readonly scope: "user" | "system";
  /** Directory of the units. */
  readonly dir: string;
  /** Whose services may go on after the user has signed out. */
  readonly userName: string;
  readonly run: RunProgram;
};

const NOT_INSTALLED = {
  manager: "systemd",
  installed: false,
  enabled: false,
  active: false,
  state: "not installed",
  pid: null,
  restarts: null,
  lastExit: null,
  statusText: null,
} as const;

/** A gateway as a unit of systemd, of the user or of the machine. */
export class SystemdManager implements ServiceManager {
  readonly #options: SystemdOptions;

  constructor(options: SystemdOptions) {
    this.#options = options;
  }

  get file(): string {
    return join(this.#options.dir, this.#options.unit);
  }

  async install(definition: ServiceDefinition): Promise<"installed" | "updated" | "unchanged"> {
    const { dir, scope, unit } = this.#options;
    const text = systemdUnit(definition);
    const before = existsSync(this.file) ? readFileSync(this.file, "utf8") : null;
    if (before !== text) {
      try {
        ensureDirectorySync(dir);
        writeFileAtomicSync(this.file, text, { mode: scope === "user" ? 0o600 : 0o644 });
      } catch (err) {
        throw new CliError(`the unit ${this.file} cannot be written`, {
          why: String((err as Error).message),
          fix:
            scope === "system"
              ? "run this as root, or install a service of your user (without --system)"
              : "check the owner of that directory",
          exit: EXIT.noPermission,
          cause: err,
        });
      }
    }
    await this.#systemctl("daemon-reload");
    // Also when the file was there: it may have been disabled.
    await this.#systemctl("enable", unit);
    return before === null ? "installed" : before === text ? "unchanged" : "updated";
  }

  async uninstall(): Promise<boolean> {
    const { unit } = this.#options;
    const wasThere = existsSync(this.file);
    if (!wasThere) return false;
    await this.#systemctl("disable", "--now", unit);
    rmSync(this.file, { force: true });
    await this.#systemctl("daemon-reload");
    // A unit that failed stays listed otherwise.
    await this.#try("reset-failed", unit);
    return true;
  }

  async start(): Promise<void> {
    const { unit } = this.#options;
    // A unit that was started too often within its interval refuses otherwise.
    await this.#try("reset-failed", unit);
    await this.#systemctl("enable", unit);
    await this.#systemctl("start", unit);
  }

  async stop({ disable }: { disable: boolean }): Promise<void> {
    await this.#systemctl("stop", this.#options.unit);
    if (disable) await this.#systemctl("disable", this.#options.unit);
  }

  async restart(): Promise<void> {
    await this.#try("reset-failed", this.#options.unit);
    await this.#systemctl("restart", this.#options.unit);
  }

  async state(): Promise<ServiceState> {
    const { unit, scope } = this.#options;
    // Asking the system costs a process, and most machines have no such service.
    if (!existsSync(this.file)) return { ...NOT_INSTALLED, name: unit, scope, file: this.file };
    const names = "LoadState,ActiveState,SubState,MainPID,NRestarts,ExecMainStatus,ExecMainCode,Result,StatusText,UnitFileState";
    const { stdout } = await this.#try("show", "--property", names, unit);
    const facts = new Map(
      stdout.split("\n").flatMap((line) => {
        const at = line.indexOf("=");
        return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
      }),
    );
    const fact = (name: string): string => facts.get(name) ?? "";
    const pid = Number(fact("MainPID"));
    const active = fact("ActiveState") === "active";
    const status = Number(fact("ExecMainStatus"));
    return {
      manager: "systemd",
      name: unit,
      scope,
      file: this.file,
      installed: true,
      enabled: fact("UnitFileState") === "enabled",
      active,
      state: [fact("ActiveState"), fact("SubState")].filter(Boolean).join(", ") || "unknown",
      pid: pid > 0 ? pid : null,
      restarts: fact("NRestarts") === "" ? null : Number(fact("NRestarts")),
      lastExit:
        active || fact("Result") === "" || (fact("Result") === "success" && status === 0) ? null : `${fact("Result")}, status ${status}`,
      statusText: fact("StatusText") || null,
    };
  }

  async warnings(): Promise<readonly string[]> {
    const { scope, run, userName } = this.#options;
    if (scope === "system") return [];
    const { stdout, code } = await run("loginctl", ["show-user", userName, "--property", "Linger"]);
    if (code === 0 && stdout.includes("Linger=yes")) return [];
    const enabled = await run("loginctl", ["enable-linger", userName]);
    if (enabled.code === 0) return [];
    return [`the service ends when ${userName} signs out: sudo loginctl enable-linger ${userName} keeps it running`];
  }

  #try(...args: string[]): Promise<ProgramResult> {
    const { run, scope } = this.#options;
    return run("systemctl", scope === "user" ? ["--user", ...args] : args);
  }

  async #systemctl(...args: string[]): Promise<void> {
    const { scope, unit } = this.#options;
    const { code, stderr, stdout } = await this.#try(...args);
    if (code === 0) return;
    const said = (stderr || stdout).trim().split("\n")[0] ?? "";
    const user = scope === "user" ? " --user" : "";
    const isWithoutBus = /Failed to connect to (?:user scope )?bus|not been booted with systemd/i.test(said);
    throw new CliError(`systemctl${user} ${args.join(" ")} failed`, {
      why: said === "" ? `it ended with ${code ?? "no code"}.` : said,
      fix: isWithoutBus
        ? scope === "user"
          ? "sign in as this user (su does not), or set XDG_RUNTIME_DIR=/run/user/$(id -u); as root, --system installs a service of the machine"
          : "this system is not run by systemd: docs/containers.md shows what to do in a container"
        : `journalctl${user} -u ${unit} -n 30 shows why; openclaw gateway run starts it in this terminal`,
      exit: EXIT.unavailable,
    });
  }
}
