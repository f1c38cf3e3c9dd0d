import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { homeDirectory } from "./environment.ts";
import { profileOf, stateDirName } from "../core/profile.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Where everything lives. All absolute. */
export type StatePaths = {
  /** State directory; an installation of the original may use it as well. */
  readonly state: string;
  /** The configuration file. */
  readonly config: string;
  /** Our own files: store, logs, the last good configuration. Nothing outside of it is written unasked. */
  readonly gateway: string;
  /** Copy of the last configuration that was good. */
  readonly lastGood: string;
};

/** `~` and `~/x` become the home directory; a relative path is taken from `base`. */
export function expandPath(path: string, home: string, base: string): string {
  const trimmed = path.trim();
  if (trimmed === "~") return home;
  return trimmed.startsWith("~/") ? join(home, trimmed.slice(2)) : resolve(base, trimmed);
}

/** Paths from `OPENCLAW_STATE_DIR`, `OPENCLAW_CONFIG_PATH`, `OPENCLAW_PROFILE` and `HOME`. Touches no file. Throws CliError when they name no directory. */
export function createPaths(env: Env, cwd: string = process.cwd()): StatePaths {
  const profile = profileOf(env);
  const stateDir = env["OPENCLAW_STATE_DIR"]?.trim();
  const configPath = env["OPENCLAW_CONFIG_PATH"]?.trim();
  // Without a home directory, `~` is the state directory where that is named.
  const home = homeDirectory(env) ?? (stateDir && !stateDir.startsWith("~") ? resolve(cwd, stateDir) : null);
  if (home === null) {
    throw new CliError("there is no home directory", {
      why: "HOME is not set, and the system's list of users has no entry for this user.",
      fix: "set HOME, or set OPENCLAW_STATE_DIR to a directory that this user may write to",
      exit: EXIT.config,
    });
  }
  const state = stateDir ? expandPath(stateDir, home, cwd) : join(home, stateDirName(profile));
  const gateway = join(state, "gateway");
  return {
    state,
    config: configPath ? expandPath(configPath, home, cwd) : join(state, "openclaw.json"),
    gateway,
    lastGood: join(gateway, "openclaw.last-good.json"),
  };
}

/** Workspace of an agent that names none: `workspace` for the default agent, `workspace-<id>` for the others. */
export function defaultWorkspace(state: string, agentId: string, isDefault: boolean): string {
  return join(state, isDefault ? "workspace" : `workspace-${agentId}`);
}

const ORIGINAL_FILES = ["agents", "credentials", "state", "identity", "devices", "sandboxes", "gateway.token"] as const;

/**
 * Names of files and directories in the state directory that an installation of the original has made; empty when there is
 * none. Only looks.
 */
export function findOriginalFiles(state: string): readonly string[] {
  return ORIGINAL_FILES.filter((name) => existsSync(join(state, name)));
}
