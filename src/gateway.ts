import { systemClock } from "./core/clock.ts";
import { mkdirSync } from "node:fs";
import type { GatewayOptions, RunningGateway } from "./cli/invocation.ts";
import { isAlive, readOwner } from "./cli/owner.ts";
import { type Loaded } from "./config/load.ts";
import { createPaths, tracesOfOriginal, type Paths } from "./config/paths.ts";
import { CliError, EXIT, GatewayError, reasonOf } from "./core/errors.ts";
import { VERSION } from "./core/version.ts";
import { type RootLog } from "./observe/log.ts";
import { failOwner } from "./channels/containment.ts";
import { Core } from "./gateway/core.ts";
import { readConfig } from "./gateway/settings.ts";
import { openGatewayLog } from "./gateway/settings.ts";
import { Gateway } from "./gateway/parts.ts";

const clock = systemClock;

/** Builds and starts one gateway. Whatever it began is ended when it fails. */
async function launch(options: GatewayOptions, restart: (reason: string) => void): Promise<Gateway> {
  const paths = createPaths({ ...process.env, ...(options.configPath ? { OPENCLAW_CONFIG_PATH: options.configPath } : {}) });
  mkdirSync(paths.gateway, { recursive: true, mode: 0o700 });
  const loaded = readConfig(paths);
  const log = openGatewayLog(paths, loaded.config, options.verbose);
  tellConfig(loaded, paths, log);
  let core: Core | undefined;
  let gateway: Gateway | undefined;
  try {
    core = await openCore(paths, loaded, log, options);
    gateway = new Gateway(core, options, restart);
    await gateway.start();
    return gateway;
  } catch (err) {
    if (gateway) await gateway.stop("start failed");
    else core?.store.close();
    await log.close();
    throw toCliError(err);
  }
}

/** Opens the store; with `--force` a gateway of ours that owns it is asked to stop first. */
async function openCore(paths: Paths, loaded: Loaded, log: RootLog, options: GatewayOptions): Promise<Core> {
  const owner = readOwner(paths.gateway);
  if (owner && options.force) await takeOver(owner.pid, log);
  try {
    return new Core(paths, loaded, log);
  } catch (err) {
    if (!(err instanceof GatewayError) || err.details?.["code"] !== "STATE_DIR_OWNED") throw err;
    const who = owner ? `a gateway is running already (pid ${owner.pid}, ${owner.url})` : `another process owns ${paths.gateway}`;
    throw new CliError(who, {
      why: `${paths.state} has one owner at a time.`,
      fix: "openclaw gateway stop, or start this one with --force to take over",
      exit: EXIT.unavailable,
      cause: err,
    });
  }
}

const TAKE_OVER_MS = 5_000;

async function takeOver(pid: number, log: RootLog): Promise<void> {
  log.warn("taking over from a running gateway", { pid });
  process.kill(pid, "SIGTERM");
  const end = clock.now() + TAKE_OVER_MS;
  while (isAlive(pid)) {
    if (clock.now() > end)
      throw new CliError(`the running gateway (pid ${pid}) does not stop`, {
        fix: `kill -9 ${pid} (nothing that was acknowledged is lost)`,
        exit: EXIT.unavailable,
      });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function tellConfig(loaded: Loaded, paths: Paths, log: RootLog): void {
  for (const issue of loaded.issues) {
    const level = issue.severity === "error" ? "error" : issue.severity === "warning" ? "warn" : "info";
    log[level](
      `${paths.config}${issue.line ? `:${issue.line}` : ""}: ${issue.path ? `${issue.path}: ` : ""}${issue.message}`,
      issue.fix ? { fix: issue.fix } : {},
    );
  }
  if (loaded.source === "last-good")
    log.error("the configuration file cannot be used; the last good one is in use", { path: paths.config });
  if (loaded.source === "defaults") log.error("the configuration file cannot be used; safe defaults are in use", { path: paths.config });
  const traces = tracesOfOriginal(paths.state);
  if (traces.length > 0)
    log.info("an installation of OpenClaw uses this state directory too; its files are not touched", { found: traces });
}

function toCliError(err: unknown): unknown {
  if (!(err instanceof GatewayError)) return err;
  const code = err.details?.["code"];
  const exit = code === "PORT_TAKEN" ? EXIT.unavailable : code === "BIND_WITHOUT_AUTH" ? EXIT.config : EXIT.failure;
  return new CliError(err.message, { ...(err.fix ? { fix: err.fix } : {}), exit, cause: err });
}

/** Where it listens, which model answers, how to get in. */
async function bannerOf(gateway: Gateway): Promise<string[]> {
  const { core } = gateway;
  const problems = core.loaded.issues.filter((issue) => issue.severity === "error").length;
  return [
    `OpenClaw Gateway ${VERSION} listens on ${gateway.url}`,
    `Model     ${core.choice(core.defaultAgent()).note}`,
    `Open      ${await gateway.signInLink()}`,
    "          (signs in one browser, once, within 10 minutes; openclaw dashboard makes another)",
    ...(gateway.auth.settings.mode === "none"
      ? ["Warning   Authentication is off: every program on this machine can use this gateway."]
      : []),
    ...(problems > 0
      ? [`Config    ${problems} ${problems === 1 ? "error" : "errors"} in ${core.paths.config}; openclaw config validate lists them`]
      : []),
  ];
}

/**
 * Starts the gateway of this process. Resolves when it listens. Throws CliError (with the exit code) when it cannot: the port
 * is taken, the state directory has an owner, the bind address would be open to strangers.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const ended = Promise.withResolvers<number>();
  let current: Gateway;
  let restarting = false;
  const restart = (reason: string): void => {
    if (restarting) return;
    restarting = true;
    void (async () => {
      await current.stop(reason, RESTART_EXPECTED_MS);
      current = await launch(options, restart);
      restarting = false;
    })().catch((err: unknown) => {
      process.stderr.write(`the gateway could not be restarted: ${reasonOf(err)}\n`);
      ended.resolve(EXIT.failure);
    });
  };
  current = await launch(options, restart);
  process.on("uncaughtException", (err, origin) => {
    if (failOwner(err)) return;
    exitWithCause(current, err, origin);
  });
  return {
    url: current.url,
    port: current.port,
    banner: await bannerOf(current),
    ended: ended.promise,
    stop: (reason) => current.stop(reason),
  };
}

/**
 * After an error that nothing has caught, the state of the process is unknown: it says why and ends, and whoever supervises it starts it
 * again. What matters is on disk.
 */
function exitWithCause({ core }: Gateway, err: unknown, origin: string): never {
  try {
    core.log.error("an error that nothing has caught ends the gateway", { origin, error: err });
    process.stderr.write(`the gateway ends: ${err instanceof Error ? (err.stack ?? err.message) : reasonOf(err)}\n`);
  } finally {
    process.exit(EXIT.failure);
  }
}

/** How soon clients may come back after a restart that was asked for. */
const RESTART_EXPECTED_MS = 1_000;
