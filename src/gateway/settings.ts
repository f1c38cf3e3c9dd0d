import { systemClock } from "../core/clock.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuthSettings } from "../auth/credentials.ts";
import { ensureGatewayToken } from "../auth/gateway-token.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { type StatePaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import type { ExternalSecrets } from "../config/secret-refs.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { openLog, type LogLevel, type RootLog } from "../observe/log.ts";

export type AuthSettingsDeps = { options: GatewayOptions; gatewayDir: string; log: Pick<RootLog, "error" | "registerSecret"> };

/** How clients sign in: flags, environment, configuration, in this order. Throws CliError for flags that cannot work. */
export function authSettings(config: Config, { options, gatewayDir, log }: AuthSettingsDeps): AuthSettings {
  const { auth, trustedProxies, nodes } = config.gateway;
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
    // The configuration file never prevents startup, and a token is as safe as what it asks for.
    log.error(`gateway.auth.mode is ${mode}, but ${missing.key} is not set; the token is required instead`, { fix: missing.fix });
    return authSettings(config, { options: { ...options, auth: "token" }, gatewayDir, log });
  }
  const token = mode === "token" ? (configured ?? ensureGatewayToken(join(gatewayDir, "token"))) : configured;
  for (const secret of [token, password]) if (secret) log.registerSecret(secret);
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
    allowTailscale: auth.allowTailscale ?? (tailscaleMode(config, options) === "serve" && mode === "token"),
    pairWithSharedSecret: nodes.pairing.autoApproveLocal,
  };
}

/** `--tailscale` takes precedence over `gateway.tailscale.mode`. */
export const tailscaleMode = ({ gateway }: Config, { tailscale }: GatewayOptions): "off" | "serve" | "funnel" =>
  tailscale ?? gateway.tailscale.mode;

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

export function readConfig(paths: StatePaths, external?: ExternalSecrets): LoadedConfig {
  return loadConfig({ path: paths.config, env: process.env, lastGoodPath: paths.lastGood, ...(external && { external }) });
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

export type LogLevels = { file: LogLevel | "silent"; terminal: LogLevel | "silent" };

/** `--verbose` takes precedence over `logging.level`. */
export function logLevels({ logging }: Config, verbose: boolean): LogLevels {
  return {
    file: verbose ? "debug" : logLevel(logging.level),
    terminal: logLevel(logging.consoleLevel ?? (verbose ? "debug" : "warn")),
  };
}

export function openGatewayLog(paths: StatePaths, config: Config, verbose: boolean): RootLog {
  const { logging } = config;
  const levels = logLevels(config, verbose);
  return openLog({
    dir: join(paths.gateway, "logs"),
    file: { fileBytes: logging.maxFileBytes, ...(logging.file ? { path: logging.file } : {}) },
    level: levels.file,
    terminal: { stream: process.stderr, level: levels.terminal, style: logging.consoleStyle ?? "pretty", env: process.env },
    clock: systemClock,
  });
}
