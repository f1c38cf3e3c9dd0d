import { sleep } from "../core/async.ts";
import { foregroundClock, systemClock } from "../core/clock.ts";
import { accessSync, constants } from "node:fs";
import type { GatewayOptions, RunningGateway } from "../core/gateway-process.ts";
import { isProcessRunning, findRunningGateway } from "../core/pid-file.ts";
import { type LoadedConfig } from "../config/load.ts";
import { checkEnvironment, homeDirectory, normalizeEnvironment } from "../config/environment.ts";
import { createPaths, findOriginalFiles, type StatePaths } from "../config/paths.ts";
import { CliError, EXIT, GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import { hideEnvironment } from "../core/own-environment.ts";
import { formatFingerprint } from "../core/tls-pin.ts";
import { VERSION } from "../core/version.ts";
import { keepYoungGenerationSmall } from "../core/young-generation.ts";
import { type RootLog } from "../observe/log.ts";
import { logIssues } from "./config-log.ts";
import { failOwner } from "../channels/containment.ts";
import { createBase, type GatewayBase } from "./base.ts";
import type { GatewayParts } from "./compose.ts";
import { Gateway } from "./gateway.ts";
import { GatewaySecrets } from "./secrets.ts";
import { openGatewayLog, readConfig } from "./settings.ts";
import { openStorage, type Storage } from "./storage.ts";
import { unusableDirError } from "../store/store-errors.ts";

/** Builds and starts one gateway. When it fails, everything that it began is stopped. */
async function launch(options: GatewayOptions, restart: (reason: string) => void, repair = false): Promise<Gateway> {
  const paths = createPaths({ ...process.env, ...(options.configPath ? { OPENCLAW_CONFIG_PATH: options.configPath } : {}) });
  // A user without a name, as in many containers, has no home either: programs that the gateway starts need one.
  process.env["HOME"] ||= homeDirectory(process.env) ?? paths.state;
  makeGatewayDir(paths);
  const secrets = new GatewaySecrets({ paths, env: process.env });
  await secrets.prepare();
  const loaded = readConfig(paths, secrets.lookup);
  const log = openGatewayLog(paths, loaded.config, options.verbose);
  logEnvironment(loaded, log);
  protectEnvironment(log);
  logConfigState(loaded, paths, log);
  const base = createBase(paths, log, systemClock, secrets);
  let storage: Storage | undefined;
  let gateway: Gateway | undefined;
  try {
    storage = await openOwnedStorage(base, { ...options, repair });
    gateway = new Gateway({ base, storage, loaded, options, restart });
    await gateway.start();
    return gateway;
  } catch (err) {
    await stopAfterFailure(err, { storage, gateway, log });
    // Damage that only showed when the rows were read: the file is rebuilt, once.
    if (storage?.store.damage && !repair) return await launch(options, restart, true);
    throw toCliError(err);
  }
}

/** Stops what a failed start has begun. A failure here is reported and does not hide why the start failed. */
async function stopAfterFailure(
  first: unknown,
  { storage, gateway, log }: { storage: Storage | undefined; gateway: Gateway | undefined; log: RootLog },
): Promise<void> {
  try {
    if (gateway) await gateway.stop("start failed");
    else storage?.store.close();
    await log.close();
  } catch (err) {
    process.stderr.write(`the start failed (${reasonOf(first)}), and stopping failed as well: ${reasonOf(err)}\n`);
  }
}

function protectEnvironment(log: RootLog): void {
  try {
    hideEnvironment();
  } catch (err) {
    log.warn("programs of the gateway's user can read its environment in /proc", { reason: reasonOf(err) });
  }
}

function makeGatewayDir(paths: StatePaths): void {
  try {
    ensureDirectorySync(paths.gateway);
    accessSync(paths.gateway, constants.W_OK | constants.X_OK);
  } catch (err) {
    throw toCliError(unusableDirError(paths.gateway, err));
  }
}

/** Opens the store. With `--force`, a gateway that owns it is asked to stop first. */
async function openOwnedStorage(base: GatewayBase, options: GatewayOptions & { repair: boolean }): Promise<Storage> {
  const { paths, log } = base;
  // Null also when the process id of the note belongs to another program by now, or to this process.
  const owner = findRunningGateway(paths.gateway);
  if (owner && options.force) await takeOver(owner.pid, log);
  try {
    return openStorage(base, options.repair);
  } catch (err) {
    if (!(err instanceof GatewayError) || err.details?.["code"] !== "STATE_DIR_OWNED") throw err;
    const who = owner ? `a gateway is running already (pid ${owner.pid}, ${owner.url})` : `another process owns ${paths.gateway}`;
    throw new CliError(who, {
      why: `${paths.state} has one owner at a time.`,
      fix: owner
        ? "openclaw gateway stop, or start this one with --force to take over"
        : `end the process that has ${paths.gateway}/gateway.db open (fuser shows it), or use another OPENCLAW_STATE_DIR`,
      exit: EXIT.unavailable,
      cause: err,
    });
  }
}

const TAKE_OVER_MS = 5_000;

async function takeOver(pid: number, log: RootLog): Promise<void> {
  log.warn("taking over from a running gateway", { pid });
  try {
    process.kill(pid, "SIGTERM");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new CliError(`the running gateway (pid ${pid}) cannot be stopped`, {
      why: "it belongs to another user.",
      fix: `run this as that user, or: sudo kill ${pid}`,
      exit: EXIT.noPermission,
      cause: err,
    });
  }
  const end = foregroundClock.monotonic() + TAKE_OVER_MS;
  while (isProcessRunning(pid)) {
    if (foregroundClock.monotonic() > end)
      throw new CliError(`the running gateway (pid ${pid}) does not stop`, {
        fix: `kill -9 ${pid} (no acknowledged message is lost)`,
        exit: EXIT.unavailable,
      });
    await sleep(foregroundClock, 20);
  }
}

/** Reports variables without an effect, and removes those that would break child processes. */
function logEnvironment(loaded: LoadedConfig, log: RootLog): void {
  const referenced = new Set((loaded.raw ?? "").match(/OPENCLAW_[A-Z0-9_]+/g));
  for (const { message, fix } of checkEnvironment(process.env, referenced)) log.warn(message, { fix });
  normalizeEnvironment(process.env);
}

function logConfigState(loaded: LoadedConfig, paths: StatePaths, log: RootLog): void {
  logIssues(log, paths.config, loaded.issues);
  if (loaded.source === "last-good")
    log.error("the configuration file cannot be used; the last good configuration is in use", { path: paths.config });
  if (loaded.source === "defaults") log.error("the configuration file cannot be used; safe defaults are in use", { path: paths.config });
  const traces = findOriginalFiles(paths.state);
  if (traces.length > 0)
    log.info("an installation of OpenClaw uses this state directory too; its files are not touched", { found: traces });
}

const EXITS: Readonly<Record<string, number>> = { BIND_WITHOUT_AUTH: EXIT.config };
/** Missing permissions do not repair themselves: a supervisor should not retry indefinitely. */
const NO_PERMISSION = ["EACCES", "EPERM", "EROFS"];

function toCliError(err: unknown): unknown {
  if (!(err instanceof GatewayError)) return err;
  const code = String(err.details?.["code"] ?? "");
  const system = String(err.details?.["system"] ?? "");
  const unavailable = err.code === "UNAVAILABLE" || err.code === "CONFLICT" ? EXIT.unavailable : EXIT.failure;
  const exit = NO_PERMISSION.includes(system) ? EXIT.noPermission : (EXITS[code] ?? unavailable);
  return new CliError(err.message, { ...(err.fix ? { fix: err.fix } : {}), exit, cause: err });
}

/** Where it listens, which model answers, how to get in. */
async function bannerOf(gateway: Gateway): Promise<string[]> {
  const { running, endpoint, auth, store, paths } = gateway.parts;
  const { agents, loaded } = running;
  const problems = loaded.issues.filter((issue) => issue.severity === "error").length;
  return [
    `OpenClaw Gateway ${VERSION} listens on ${[endpoint.url, ...endpoint.externalUrls].join(", ")}`,
    ...(endpoint.tlsFingerprint === null ? [] : [`TLS       certificate SHA-256 ${formatFingerprint(endpoint.tlsFingerprint)}`]),
    `Model     ${agents.modelSelection(agents.defaultAgent()).note}`,
    // The output of a service is kept in a journal, which other people may read.
    ...(process.env["OPENCLAW_SERVICE_MARKER"]
      ? ["Open      openclaw dashboard prints a one-time sign-in link"]
      : await linkLines(gateway)),
    ...(auth.settings.mode === "none" ? ["Warning   Authentication is off: every program on this machine can use this gateway."] : []),
    ...(store.health.state === "ready" ? [] : [`Warning   Store: ${store.health.cause}`]),
    ...(problems > 0
      ? [`Config    ${problems} ${problems === 1 ? "error" : "errors"} in ${paths.config}; openclaw config validate lists them`]
      : []),
  ];
}

/** The link is stored: while the store refuses writes there is none, and the gateway starts nevertheless. */
async function linkLines(gateway: Gateway): Promise<string[]> {
  try {
    return [
      `Open      ${await gateway.signInLink()}`,
      "          (one-time sign-in link, valid for 10 minutes; get another with: openclaw dashboard)",
    ];
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return [`Open      no sign-in link can be created now: ${err.message}; openclaw dashboard creates one later`];
  }
}

/**
 * Starts the gateway of this process. Resolves when it listens. Throws CliError (with the exit code) when it cannot: the port
 * is taken, the state directory has an owner, the bind address would be open to others without authentication.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  keepYoungGenerationSmall();
  const ended = Promise.withResolvers<number>();
  const service = await takeService();
  let current: Gateway;
  let restarting = false;
  const restart = (reason: string): void => {
    if (restarting) return;
    restarting = true;
    void (async () => {
      await service.restarting();
      await current.stop(reason, RESTART_EXPECTED_MS);
      current = await launch(options, restart);
      await service.serving(current.parts);
      restarting = false;
    })().catch((err: unknown) => {
      process.stderr.write(`the gateway could not be restarted: ${reasonOf(err)}\n`);
      ended.resolve(EXIT.failure);
    });
  };
  current = await launch(options, restart);
  await service.serving(current.parts);
  process.on("uncaughtException", (err, origin) => {
    if (failOwner(err)) return;
    exitWithCause(current, err, origin);
  });
  return {
    url: current.parts.endpoint.url,
    port: current.parts.endpoint.port,
    banner: await bannerOf(current),
    ended: ended.promise,
    stop: async (reason) => {
      await Promise.all([service.stopping(reason), current.stop(reason)]);
    },
  };
}

type ServiceReports = {
  serving(parts: GatewayParts): Promise<void>;
  restarting(): Promise<void>;
  stopping(reason: string): Promise<void>;
};

const NO_SERVICE: ServiceReports = { serving: async () => {}, restarting: async () => {}, stopping: async () => {} };

/** What the service manager is notified of; nothing is loaded where none listens. Before anything is started that would inherit its variables. */
async function takeService(): Promise<ServiceReports> {
  if (process.env["NOTIFY_SOCKET"] === undefined) return NO_SERVICE;
  const [{ takeServiceSocket }, { watchService }] = await Promise.all([import("../service/notify.ts"), import("./supervision.ts")]);
  const socket = takeServiceSocket(process.env, process.pid, process.ppid);
  if (socket === null) return NO_SERVICE;
  let watch: ReturnType<typeof watchService> | null = null;
  return {
    serving: async (parts) => void (watch = watchService(parts, socket)),
    restarting: async () => {
      watch?.pause();
      await socket.send(["RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`, "STATUS=restarting"]);
    },
    stopping: async (reason) => await watch?.stop(reason),
  };
}

/**
 * After an uncaught error the state of the process is unknown: it logs the error and exits, and its supervisor starts it again. What
 * matters is on disk.
 */
function exitWithCause({ parts }: Gateway, err: unknown, origin: string): never {
  try {
    parts.log.error("an uncaught error ends the gateway", { origin, error: err });
    process.stderr.write(`the gateway ends: ${err instanceof Error ? (err.stack ?? err.message) : reasonOf(err)}\n`);
  } finally {
    process.exit(EXIT.failure);
  }
}

/** How soon clients may come back after a restart that was asked for. */
const RESTART_EXPECTED_MS = 1_000;
