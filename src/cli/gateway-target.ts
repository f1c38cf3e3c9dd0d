import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { CliError, EXIT } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { parseFingerprint } from "../core/tls-pin.ts";
import type { Credentials } from "../client/client.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { createPaths, type StatePaths } from "../config/paths.ts";
import { defaultPort, profileOf } from "../core/profile.ts";
import type { Config } from "../config/schema.ts";
import { formatSshTarget, type SshOptions } from "../remote/ssh/target.ts";
import type { Invocation } from "./invocation.ts";
import { openTunnelPort, sshOptionsOf } from "./ssh-tunnel.ts";
import { findRunningGateway } from "../core/pid-file.ts";

/** The gateway that a command uses, and the credentials for it. */
export type GatewayTarget = {
  readonly url: string;
  /** For messages: "--url", "gateway.remote.url", "the port in openclaw.json", ... */
  readonly urlFrom: string;
  /** The gateway of this state directory: while it is not running, its files can be read instead. */
  readonly isLocal: boolean;
  /** SHA-256 of the certificate that it must show, hex; null: one that this system trusts. */
  readonly tlsFingerprint: string | null;
  /** The SSH tunnel that leads there; null: it is connected to directly. */
  readonly ssh: SshOptions | null;
  /** Headers for an access proxy in front of it. */
  readonly headers: Readonly<Record<string, Secret>> | null;
  readonly credentials: Credentials;
  /** The key that the listener has to prove before anything is sent to it; null: the person named the address, and it is asked as it is. */
  readonly identity: (() => Secret | null) | null;
  /** For messages: "the token from --token"; null when nothing is sent. */
  readonly credentialFrom: string | null;
};

/** Paths of this call; nothing is touched. */
export function pathsOf({ host }: Invocation): StatePaths {
  return createPaths(host.env, host.cwd);
}

/** The configuration, good or not; the caller looks at `issues` when it cares. */
export function configOf(invocation: Invocation): LoadedConfig {
  const paths = pathsOf(invocation);
  const { host, external } = invocation;
  return loadConfig({ path: paths.config, env: host.env, lastGoodPath: paths.lastGood, ...(external && { external }) });
}

/**
 * Decides which gateway is meant. A credential is only ever sent to the gateway that it belongs to:
 * - An address that the person named (--url, OPENCLAW_GATEWAY_URL, gateway.remote.url) gets the credential that was named with it. What is in
 *   the files of this machine is left out unless it is the address of this machine's own gateway.
 * - An address that we chose, and every credential from the files of this machine, need a proof: the listener signs a nonce with the key in
 *   owner.json, which only the running gateway and its user have (core/identity-proof.ts). Without a running gateway that key does not exist,
 *   so another program on its port receives neither credential nor message.
 *
 * `passwordFlag`: the flag of the command that holds a password, where it has one.
 */
export function resolveTarget(invocation: Invocation, passwordFlag?: string): GatewayTarget {
  const paths = pathsOf(invocation);
  const named = invocation.text("url") ?? (invocation.host.env["OPENCLAW_GATEWAY_URL"] || undefined);
  const given = givenCredentials(invocation, passwordFlag);
  const owner = findRunningGateway(paths.gateway);
  if (named !== undefined) {
    const url = toGatewayUrl(named, invocation.text("url") === undefined ? "OPENCLAW_GATEWAY_URL" : "--url");
    const own = owner !== null && toGatewayUrl(owner.url, "owner.json") === url;
    const { remote } = configOf(invocation).config.gateway;
    const isRemote = remote.url !== undefined && toGatewayUrl(remote.url, "gateway.remote.url") === url;
    const credentials = given ?? (own ? localCredentials(invocation, paths) : NO_CREDENTIALS);
    const identity = own && given === null ? identityOf(paths) : null;
    return {
      url,
      urlFrom: invocation.text("url") === undefined ? "OPENCLAW_GATEWAY_URL" : "--url",
      isLocal: own,
      identity,
      // A pin proves nothing about the caller: it belongs to the address, also when a flag names the address.
      tlsFingerprint: givenPin(invocation) ?? (own ? owner.tlsFingerprint : isRemote ? toPin(remote.tlsFingerprint) : null),
      ssh: null,
      headers: null,
      ...credentials,
    };
  }
  const { config } = configOf(invocation);
  const ssh = sshOptionsOf(invocation, config);
  if (ssh !== null) return tunnelTarget(invocation, ssh, config);
  if (config.gateway.mode === "remote" && config.gateway.remote.url) {
    const url = toGatewayUrl(config.gateway.remote.url, "gateway.remote.url");
    return {
      url,
      urlFrom: `gateway.remote.url in ${paths.config}`,
      isLocal: false,
      identity: null,
      tlsFingerprint: givenPin(invocation) ?? toPin(config.gateway.remote.tlsFingerprint),
      ssh: null,
      headers: config.gateway.remote.edgeAuth ?? null,
      ...remoteCredentials(invocation, config.gateway.remote),
    };
  }
  const credentials = given ?? localCredentials(invocation, paths);
  const identity = identityOf(paths);
  if (owner)
    return {
      url: toGatewayUrl(owner.url, "owner.json"),
      urlFrom: `the gateway with pid ${owner.pid}`,
      isLocal: true,
      identity,
      tlsFingerprint: givenPin(invocation) ?? owner.tlsFingerprint,
      ssh: null,
      headers: null,
      ...credentials,
    };
  const urlFrom =
    config.gateway.port === defaultPort(profileOf(invocation.host.env)) ? "the default port" : `gateway.port in ${paths.config}`;
  // Without a credential there is nothing to protect: a gateway of another state directory may answer without one.
  const needsProof = credentials.credentialFrom !== null;
  return {
    url: `${config.gateway.tls.enabled ? "wss" : "ws"}://127.0.0.1:${config.gateway.port}`,
    urlFrom,
    isLocal: true,
    identity: needsProof ? identity : null,
    tlsFingerprint: givenPin(invocation),
    ssh: null,
    headers: null,
    ...credentials,
  };
}

const toPin = (text: string | undefined): string | null => (text === undefined ? null : parseFingerprint(text));

export function givenPin(invocation: Invocation): string | null {
  const text = invocation.text("tls-fingerprint");
  if (text === undefined) return null;
  const pin = parseFingerprint(text);
  if (pin !== null) return pin;
  throw new CliError("--tls-fingerprint is not a SHA-256", {
    why: "it has 64 hex digits, with or without colons.",
    fix: "openclaw gateway status on the gateway's machine prints it.",
    exit: EXIT.usage,
  });
}

/** Read at each connection: a gateway that restarts has another key. */
const identityOf =
  (paths: StatePaths): (() => Secret | null) =>
  () =>
    findRunningGateway(paths.gateway)?.identityKey ?? null;

type FoundCredentials = Pick<GatewayTarget, "credentials" | "credentialFrom">;
const NO_CREDENTIALS: FoundCredentials = { credentials: {}, credentialFrom: null };

const credentialsFrom = (kind: keyof Credentials, secret: Secret, from: string): FoundCredentials => ({
  credentials: { [kind]: secret },
  credentialFrom: `the ${kind} from ${from}`,
});

function givenCredentials(invocation: Invocation, passwordFlag: string | undefined): FoundCredentials | null {
  const { env } = invocation.host;
  const token = invocation.text("token");
  if (token !== undefined) return credentialsFrom("token", new Secret(token), "--token");
  const tokenFile = invocation.text("token-file");
  if (tokenFile !== undefined) return credentialsFrom("token", readSecretFile(tokenFile, "--token-file"), tokenFile);
  const password = passwordFlag === undefined ? undefined : invocation.text(passwordFlag);
  if (password !== undefined) return credentialsFrom("password", new Secret(password), `--${passwordFlag}`);
  const passwordFile = invocation.text("password-file");
  if (passwordFile !== undefined) return credentialsFrom("password", readSecretFile(passwordFile, "--password-file"), passwordFile);
  if (env["OPENCLAW_GATEWAY_TOKEN"]) return credentialsFrom("token", new Secret(env["OPENCLAW_GATEWAY_TOKEN"]), "OPENCLAW_GATEWAY_TOKEN");
  if (env["OPENCLAW_GATEWAY_PASSWORD"])
    return credentialsFrom("password", new Secret(env["OPENCLAW_GATEWAY_PASSWORD"]), "OPENCLAW_GATEWAY_PASSWORD");
  return null;
}

/** What this machine's gateway expects: the configured credential, else the token that it made for itself. */
function localCredentials(invocation: Invocation, paths: StatePaths): FoundCredentials {
  const { auth } = configOf(invocation).config.gateway;
  if (auth.mode === "none") return NO_CREDENTIALS;
  if (auth.mode === "password" || (auth.mode === undefined && auth.password && !auth.token)) {
    return auth.password ? credentialsFrom("password", auth.password, `gateway.auth.password in ${paths.config}`) : NO_CREDENTIALS;
  }
  if (auth.token) return credentialsFrom("token", auth.token, `gateway.auth.token in ${paths.config}`);
  const path = tokenPath(paths);
  const token = tryRead(path);
  return token === null ? NO_CREDENTIALS : credentialsFrom("token", token, path);
}

/** Behind the tunnel the gateway listens on loopback of its machine. A tunnel that is open already is used. */
function tunnelTarget(invocation: Invocation, ssh: SshOptions, { gateway }: Config): GatewayTarget {
  const place = formatSshTarget(ssh.target);
  const open = openTunnelPort(pathsOf(invocation).gateway, ssh);
  const tlsFingerprint = givenPin(invocation) ?? toPin(gateway.remote.tlsFingerprint);
  return {
    url: `${tlsFingerprint === null ? "ws" : "wss"}://127.0.0.1:${open ?? ssh.remotePort}`,
    urlFrom: `gateway.remote: the tunnel to ${place}${open === null ? "" : " that is open"}`,
    isLocal: false,
    identity: null,
    tlsFingerprint,
    ssh: open === null ? ssh : null,
    headers: null,
    ...remoteCredentials(invocation, gateway.remote),
  };
}

/** Flags and environment before what is configured for the gateway elsewhere. */
export function remoteCredentials(invocation: Invocation, remote: { token?: Secret; password?: Secret }): FoundCredentials {
  const given = givenCredentials(invocation, undefined);
  if (given) return given;
  if (remote.token) return credentialsFrom("token", remote.token, "gateway.remote.token");
  if (remote.password) return credentialsFrom("password", remote.password, "gateway.remote.password");
  return NO_CREDENTIALS;
}

/** Where the gateway keeps the token that it made for itself. */
export const tokenPath = (paths: StatePaths): string => join(paths.gateway, "token");

function tryRead(path: string): Secret | null {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text ? new Secret(text) : null;
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return null;
    throw err;
  }
}

function readSecretFile(path: string, flag: string): Secret {
  const secret = tryRead(path);
  if (secret) return secret;
  throw new CliError(`${flag} ${path} cannot be used`, {
    why: "the file is missing, empty or not readable.",
    fix: `check the path, or omit ${flag}.`,
    exit: EXIT.usage,
  });
}

/** `host:port`, `http(s)://` and `ws(s)://` become a WebSocket URL without path or credentials. Throws CliError (exit 2). */
export function toGatewayUrl(text: string, from: string): string {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text.replace(/^http/i, "ws") : `ws://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : null;
  const bad = (why: string): CliError =>
    new CliError(`${from}: "${text.slice(0, 200)}" is not a gateway address`, {
      why,
      fix: "write it as ws://127.0.0.1:18789 or wss://host.example.org.",
      exit: EXIT.usage,
    });
  if (!url || (url.protocol !== "ws:" && url.protocol !== "wss:") || !url.hostname) throw bad("it must be a ws:// or wss:// URL.");
  if (url.username || url.password || url.search || url.hash)
    throw bad("a URL must not contain credentials; use --token-file or OPENCLAW_GATEWAY_TOKEN.");
  const host = url.hostname.replace(/^localhost$/, "127.0.0.1");
  return `${url.protocol}//${host}${url.port ? `:${url.port}` : ""}${url.pathname === "/" ? "" : url.pathname}`;
}

const PRIVATE = /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd][0-9a-f]{2}:|fe80:)/i;

/** How exposed a connection without TLS would be. A name that only looks like an address counts as a name. */
export function networkReachOf(url: string): "loopback" | "private" | "public" {
  const host = new URL(url).hostname.replaceAll(/[[\]]/g, "");
  if (isIP(host)) {
    if (host.startsWith("127.") || host === "::1") return "loopback";
    return PRIVATE.test(host) ? "private" : "public";
  }
  if (host === "localhost") return "loopback";
  return host.endsWith(".ts.net") || host.endsWith(".local") || !host.includes(".") ? "private" : "public";
}
