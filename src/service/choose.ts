import { join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { LaunchdManager } from "./launchd.ts";
import type { ServiceManager } from "./manager.ts";
import { serviceNames } from "./names.ts";
import type { RunProgram } from "./run-program.ts";
import { SystemdManager } from "./systemd.ts";
import { WindowsManager } from "./windows.ts";

export type ChooseInput = {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly state: string;
  readonly uid: number;
  readonly userName: string;
  readonly scope: "user" | "system";
  readonly run: RunProgram;
};

/** The one that runs services on this system. Throws CliError where there is none. */
export function chooseManager(input: ChooseInput): ServiceManager {
  const { platform, env, home, state, uid, userName, scope, run } = input;
  const names = serviceNames(env);
  if (platform === "linux") {
    const dir = scope === "system" ? "/etc/systemd/system" : join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "systemd", "user");
    return new SystemdManager({ unit: names.systemd, scope, dir, userName, run });
  }
  if (scope === "system")
    throw new CliError("--system is for systemd", { why: `this is ${platform}.`, fix: "leave --system out", exit: EXIT.usage });
  if (platform === "darwin") return new LaunchdManager({ label: names.launchd, home, uid, run });
  if (platform === "win32") {
    const domain = env["USERDOMAIN"];
    return new WindowsManager({
      task: names.windows,
      dir: join(state, "gateway", "service"),
      userId: domain ? `${domain}\\${userName}` : userName,
      run,
    });
  }
  throw new CliError(`there are no services for ${platform} here`, {
    why: "systemd, launchd and Windows tasks are supported.",
    fix: "start `openclaw gateway run` with the means of this system",
    exit: EXIT.unavailable,
  });
}
