import { realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { homeDirectory } from "../config/environment.ts";
import { sleep } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { findRunningGateway, isProcessRunning } from "../core/pid-file.ts";
import { openClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { chooseManager } from "../service/choose.ts";
import { serviceDefinition } from "../service/definition.ts";
import type { ServiceManager, ServiceState } from "../service/manager.ts";
import { runProgram, type RunProgram } from "../service/run-program.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions } from "./connect.ts";
import { pathsOf, resolveTarget } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatDuration, plural, sanitizeLine } from "./terminal-text.ts";

type Found = { readonly manager: ServiceManager; readonly run: RunProgram };

const isManagedElsewhere = ({ env }: Invocation["host"]): boolean => env["OPENCLAW_SUPERVISOR_MODE"] === "external";

/** In a container there may be no name for the user. */
function currentUser(): { uid: number; name: string } {
  const uid = process.getuid?.() ?? 0;
  try {
    return { uid, name: userInfo().username };
  } catch {
    return { uid, name: String(uid) };
  }
}

function managerFor(invocation: Invocation, scope: "user" | "system"): Found {
  const { env } = invocation.host;
  const { state } = pathsOf(invocation);
  const { uid, name } = currentUser();
  const run = runProgram(env);
  const home = homeDirectory(env) ?? state;
  return { manager: chooseManager({ platform: process.platform, env, home, state, uid, userName: name, scope, run }), run };
}

/** The service of this state directory; null when none is installed. */
export async function findService(invocation: Invocation): Promise<{ manager: ServiceManager; state: ServiceState } | null> {
  if (isManagedElsewhere(invocation.host)) return null;
  const scopes = invocation.has("system")
    ? (["system"] as const)
    : process.platform === "linux"
      ? (["user", "system"] as const)
      : (["user"] as const);
  for (const scope of scopes) {
    const { manager } = managerFor(invocation, scope);
    const state = await manager.state();
    if (state.installed) return { manager, state };
  }
  return null;
}

/** The service whose process is the running gateway; null when that was started in another way. */
export async function serviceOf(invocation: Invocation, pid: number): Promise<ServiceManager | null> {
  const found = await findService(invocation);
  return found !== null && found.state.pid === pid ? found.manager : null;
}

const toJson = ({ name, enabled, file, scope, pid, state, manager }: ServiceState): object => ({
  label: name,
  loaded: enabled,
  loadedText: "enabled",
  notLoadedText: "disabled",
  manager,
  scope,
  file,
  state,
  pid,
});

/** `openclaw gateway install` */
export const serviceInstall: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  if (isManagedElsewhere(host))
    throw new CliError("this gateway is run by another supervisor", {
      why: "OPENCLAW_SUPERVISOR_MODE is external.",
      fix: "unset OPENCLAW_SUPERVISOR_MODE to install a service of this system",
      exit: EXIT.config,
    });
  const scope = invocation.has("system") ? "system" : "user";
  const { manager, run } = managerFor(invocation, scope);
  const paths = pathsOf(invocation);
  await stopOther(invocation, manager);
  const result = await manager.install(
    serviceDefinition({
      env: host.env,
      home: homeDirectory(host.env) ?? paths.state,
      state: paths.state,
      node: process.execPath,
      entry: entryFile(),
      port: invocation.number("port"),
      wrapper: invocation.text("wrapper") ?? (host.env["OPENCLAW_WRAPPER"] || undefined),
      user: scope === "system" ? currentUser().name : null,
      notifies: process.platform === "linux" && (await run("systemd-notify", ["--version"])).code === 0,
    }),
  );
  const isStarted = !invocation.has("no-start");
  const before = await manager.state();
  if (isStarted && before.active && result !== "unchanged") await manager.restart();
  else if (isStarted) await manager.start();
  const ready = isStarted ? await waitUntilReady(invocation, manager) : null;
  const warnings = await manager.warnings();
  const state = await manager.state();
  const message = ready === null ? "Installed, and not started." : `The gateway is ready at ${ready.url} (pid ${ready.pid}).`;
  out.result({ action: "install", ok: true, result, message, service: toJson(state), warnings }, () => {
    out.line(`${out.paint("green", "✓")} ${state.name}: ${result}, ${state.enabled ? "starts by itself" : "does not start by itself"}`);
    out.line(`  ${message}`);
    out.line(`  ${sanitizeLine(state.file)}`);
    for (const warning of warnings) out.note(`Note: ${sanitizeLine(warning)}`);
  });
};

/** The file that Node was started with; npm links to it from a directory of programs. */
function entryFile(): string {
  const entry = process.argv[1] ?? "";
  try {
    return realpathSync(entry);
  } catch (err) {
    throw new CliError("the program of the gateway cannot be found", {
      why: `${sanitizeLine(entry)} does not exist.`,
      fix: "name it with --wrapper",
      cause: err,
    });
  }
}

/** A gateway that runs in a terminal has the state directory; a service would not start beside it. */
async function stopOther(invocation: Invocation, manager: ServiceManager): Promise<void> {
  const owner = findRunningGateway(pathsOf(invocation).gateway);
  if (owner === null || (await manager.state()).pid === owner.pid) return;
  if (!invocation.has("force"))
    throw new CliError(`a gateway is running already (pid ${owner.pid})`, {
      why: "it was not started by this service, and a state directory has one gateway.",
      fix: "openclaw gateway stop, or --force to stop it here",
      exit: EXIT.unavailable,
    });
  process.kill(owner.pid, "SIGTERM");
  const end = foregroundClock.monotonic() + LIMITS.cliStopMs;
  while (isProcessRunning(owner.pid) && foregroundClock.monotonic() < end) await sleep(foregroundClock, 25);
}

export type ServiceReady = { url: string; pid: number; version: string };

/** Connects until the gateway of the service says that its vital parts work. */
export async function waitUntilReady(invocation: Invocation, manager: ServiceManager): Promise<ServiceReady> {
  const end = foregroundClock.monotonic() + LIMITS.serviceReadyMs;
  let last = "it does not answer";
  while (foregroundClock.monotonic() < end) {
    const owner = findRunningGateway(pathsOf(invocation).gateway);
    if (owner !== null) {
      const target = resolveTarget(invocation);
      try {
        const client = await openClient(await toClientOptions(invocation, target, { scopes: ["operator.read"] }));
        const { ok } = await client.request<{ ok?: boolean }>("health");
        const { version } = client.hello.server;
        await client.close();
        if (ok !== false) return { url: target.url, pid: owner.pid, version };
        last = "its vital parts do not work";
      } catch (err) {
        if (!(err instanceof ClientError)) throw err;
        if (!err.retryable) throw toCliError(err, target, invocation);
        last = err.message;
      }
    }
    const { state, lastExit } = await manager.state();
    // Nothing starts it again from these states.
    if (/failed|^inactive, dead$/.test(state)) throw notReady(`the service is ${state}${lastExit === null ? "" : ` (${lastExit})`}`);
    await sleep(foregroundClock, 100);
  }
  throw notReady(`${last} after ${formatDuration(LIMITS.serviceReadyMs)}`);
}

const notReady = (why: string): CliError =>
  new CliError("the service is installed, and its gateway is not ready", {
    why: `${why}.`,
    fix: "openclaw gateway status --deep shows its state, openclaw logs --limit 30 what it says",
    exit: EXIT.unavailable,
  });

async function requireService(invocation: Invocation): Promise<{ manager: ServiceManager; state: ServiceState }> {
  const found = await findService(invocation);
  if (found !== null) return found;
  throw new CliError("no service is installed", {
    why: `none is known for ${pathsOf(invocation).state}.`,
    fix: "openclaw gateway install, or openclaw gateway run in this terminal",
    exit: EXIT.unavailable,
  });
}

/** `openclaw gateway start` */
export const serviceStart: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { manager } = await requireService(invocation);
  await manager.start();
  const { url, pid } = await waitUntilReady(invocation, manager);
  out.result({ action: "start", ok: true, result: "started", service: toJson(await manager.state()) }, () =>
    out.line(`${out.paint("green", "✓")} The gateway is ready at ${url} (pid ${pid}).`),
  );
};

/** `openclaw gateway uninstall` */
export const serviceUninstall: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const found = await findService(invocation);
  const removed = found !== null && (await found.manager.uninstall());
  out.result({ action: "uninstall", ok: true, result: removed ? "uninstalled" : "not-installed" }, () =>
    out.line(removed ? `Removed ${sanitizeLine(found.state.file)}.` : "No service is installed."),
  );
  if (removed) out.note(`Conversations and settings stay in ${sanitizeLine(pathsOf(invocation).state)}.`);
};

/** What the system knows of the service, and what else looks like a gateway on this machine. */
export type DeepStatus = { service: ServiceState | null; others: readonly string[]; warnings: readonly string[] };

export async function deepStatus(invocation: Invocation): Promise<DeepStatus> {
  const found = await findService(invocation);
  const others = await otherUnits(invocation, found?.state ?? null);
  const warnings = found === null ? [] : [...(await lingerWarning(invocation, found.state))];
  return { service: found?.state ?? null, others, warnings };
}

/** Further units of gateways: two for one state directory fight about it. */
async function otherUnits({ host }: Invocation, own: ServiceState | null): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const run = runProgram(host.env);
  const found: string[] = [];
  for (const scope of ["user", "system"] as const) {
    const args = ["list-unit-files", "--no-legend", "--plain", "openclaw*"];
    const { stdout, code } = await run("systemctl", scope === "user" ? ["--user", ...args] : args);
    if (code !== 0) continue;
    for (const line of stdout.split("\n")) {
      const [unit = ""] = line.trim().split(/\s+/);
      if (/gateway.*\.service$/.test(unit) && !(own !== null && unit === own.name && scope === own.scope)) found.push(`${unit} (${scope})`);
    }
  }
  return found;
}

async function lingerWarning({ host }: Invocation, { manager, scope }: ServiceState): Promise<string[]> {
  if (manager !== "systemd" || scope !== "user") return [];
  const { name } = currentUser();
  const { stdout, code } = await runProgram(host.env)("loginctl", ["show-user", name, "--property", "Linger"]);
  return code === 0 && stdout.includes("Linger=no") ? [`the service ends when ${name} signs out: sudo loginctl enable-linger ${name}`] : [];
}

export function showDeepStatus({ service, others, warnings }: DeepStatus, { out }: Invocation): void {
  if (service === null) out.line("No service is installed; openclaw gateway install installs one.");
  else
    out.pairs([
      [
        "service",
        `${service.name} (${service.manager}, ${service.scope}), ${service.enabled ? "starts by itself" : "does not start by itself"}`,
      ],
      [
        "state",
        `${service.state}${service.pid === null ? "" : `, process ${service.pid}`}${service.restarts ? `, ${plural(service.restarts, "restart")}` : ""}`,
      ],
      ...(service.lastExit === null ? [] : [["last exit", service.lastExit] as const]),
      ...(service.statusText === null ? [] : [["it says", service.statusText] as const]),
      ["definition", service.file],
    ]);
  if (others.length > 0) out.note(`Other gateways of this machine: ${others.join(", ")}`);
  for (const warning of warnings) out.note(`Note: ${warning}`);
}
