import { systemClock } from "../core/clock.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuthSettings } from "../auth/credentials.ts";
import { ensureGatewayToken } from "../auth/gateway-token.ts";
import type { GatewayOptions } from "../cli/invocation.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { type StatePaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { openLog, type LogLevel, type RootLog } from "../observe/log.ts";
import { Core } from "./core.ts";

const clock = systemClock;

/** Settings of the auth room. Throws CliError for flags that cannot work, before anything listens. */
export function authSettings(core: Core, options: GatewayOptions): AuthSettings {
  const { auth, trustedProxies, nodes } = core.config.gateway;
  const given = { token: secretFile(options.tokenFile), password: secretFile(options.passwordFile) };
  const env = { token: envSecret("OPENCLAW_GATEWAY_TOKEN"), password: envSecret("OPENCLAW_GATEWAY_PASSWORD") };
  const password = given.password ?? env.password ?? auth.password ?? null;
  const configured = given.token ?? env.token ?? auth.token ?? null;
  const asked = options.auth ?? (given.password ? "password" : given.token ? "token" : undefined);
  const mode = asked ?? auth.mode ?? (password && !configured ? "password" : "token");
  const proxy = auth.trustedProxy;
  const missing = missingFor(mode, password, proxy?.userHeader);
  if (missing && asked)
    throw new CliError(`the auth mode is ${mode}, but ${missing.key} is not set`, { fix: missing.fix, exit: EXIT.config });
  if (missing) {
    // A file never keeps the gateway from starting; what it asks for cannot be had, and the token is no less safe.
    core.log.error(`gateway.auth.mode is ${mode}, but ${missing.key} is not set; the token is asked for instead`, { fix: missing.fix });
    return authSettings(core, { ...options, auth: "token" });
  }
  const token = mode === "token" ? (configured ?? ensureGatewayToken(join(core.paths.gateway, "token"))) : configured;
  for (const secret of [token, password]) if (secret) core.log.registerSecret(secret);
  return {
    mode,
    token,
    password,
    proxy: proxy?.userHeader
      ? {
          userHeader: proxy.userHeader.toLowerCase(),
          requiredHeaders: lower(proxy.requiredHeaders),
          allowUsers: proxy.allowUsers ?? [],
          secret: null,
        }
      : null,
    trustedProxies,
    rateLimit: auth.rateLimit,
    pairWithSharedSecret: nodes.pairing.autoApproveLocal,
  };
}

/** What a mode cannot work without, when it is not there. */
function missingFor(
  mode: AuthSettings["mode"],
  password: Secret | null,
  userHeader: string | undefined,
): { key: string; fix: string } | null {
  if (mode === "password" && !password) return { key: "gateway.auth.password", fix: "openclaw config set gateway.auth.password --stdin" };
  if (mode === "trusted-proxy" && !userHeader)
    return {
      key: "gateway.auth.trustedProxy.userHeader",
      fix: "openclaw config set gateway.auth.trustedProxy.userHeader x-forwarded-user",
    };
  return null;
}

const lower = (names: readonly string[] | undefined): string[] => (names ?? []).map((name) => name.toLowerCase());

function envSecret(name: string): Secret | null {
  const text = process.env[name]?.trim();
  return text ? new Secret(text) : null;
}

function secretFile(path: string | undefined): Secret | null {
  if (path === undefined) return null;
  try {
    const text = readFileSync(path, "utf8").trim();
    if (text !== "") return new Secret(text);
  } catch (err) {
    throw new CliError(`${path} cannot be read`, { why: reasonOf(err), exit: EXIT.usage, cause: err });
  }
  throw new CliError(`${path} is empty`, { why: "it must hold the credential on one line", exit: EXIT.usage });
}

export function readConfig(paths: StatePaths): LoadedConfig {
  return loadConfig({ path: paths.config, env: process.env, lastGoodPath: paths.lastGood });
}

const LEVELS: Readonly<Record<string, LogLevel | "silent">> = {
  silent: "silent",
  fatal: "error",
  error: "error",
  warn: "warn",
  info: "info",
  debug: "debug",
  trace: "debug",
};
const logLevel = (level: string): LogLevel | "silent" => LEVELS[level] ?? "info";

/** What the file and the terminal get. `--verbose` is a wish of this moment and stands over the file's level. */
function levelsOf({ logging }: Config, verbose: boolean): { file: LogLevel | "silent"; terminal: LogLevel | "silent" } {
  return {
    file: verbose ? "debug" : logLevel(logging.level),
    terminal: logLevel(logging.consoleLevel ?? (verbose ? "debug" : "warn")),
  };
}

/** Takes changed levels over. */
export function applyLogLevels(log: RootLog, config: Config, verbose: boolean): void {
  const levels = levelsOf(config, verbose);
  log.setLevel(levels.file);
  log.setTerminalLevel(levels.terminal);
}

export function openGatewayLog(paths: StatePaths, config: Config, verbose: boolean): RootLog {
  const { logging } = config;
  const levels = levelsOf(config, verbose);
  return openLog({
    dir: join(paths.gateway, "logs"),
    file: { fileBytes: logging.maxFileBytes, ...(logging.file ? { path: logging.file } : {}) },
    level: levels.file,
    terminal: { stream: process.stderr, level: levels.terminal, style: logging.consoleStyle ?? "pretty", env: process.env },
    clock,
  });
}
