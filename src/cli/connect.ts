import { CliError, EXIT } from "../core/errors.ts";
import { openClient, type ProtocolClient, type ProtocolClientOptions } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import type { SshOptions } from "../remote/ssh/target.ts";
import type { Invocation } from "./invocation.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { pathsOf, networkReachOf, resolveTarget, tokenPath, type GatewayTarget } from "./gateway-target.ts";

export type ConnectScope = "operator.read" | "operator.write" | "operator.admin" | "operator.approvals" | "operator.pairing";

export type ConnectOptions = { readonly scopes: readonly ConnectScope[]; readonly caps?: readonly string[] };

/** A connection of one command, and where it leads. */
export type GatewayLink = { readonly client: ProtocolClient; readonly target: GatewayTarget };

/**
 * Connects to the gateway that is meant. Throws CliError: 69 when it cannot be reached, 77 when it refuses the credential, each
 * with what was tried, where that came from, and the next command.
 */
export async function connectGateway(invocation: Invocation, options: ConnectOptions): Promise<GatewayLink> {
  const target = resolveTarget(invocation);
  try {
    const client = await openClient(await toClientOptions(invocation, target, options));
    const issued = client.hello.auth.deviceToken;
    if (issued !== undefined && networkReachOf(target.url) !== "loopback") await saveDeviceToken(invocation, target.url, issued);
    return { client, target };
  } catch (err) {
    throw toCliError(err, target, invocation);
  }
}

/** The options of the connection that `connectGateway` would make; for commands that hold one. */
export async function toClientOptions(
  invocation: Invocation,
  target: GatewayTarget,
  options: ConnectOptions,
): Promise<ProtocolClientOptions> {
  const reach = networkReachOf(target.url);
  if (target.url.startsWith("ws:") && reach !== "loopback") warnUnencrypted(target, reach, invocation);
  // Key handling costs a few milliseconds, so it is loaded only where it is asked for.
  const device = reach === "loopback" ? undefined : (await import("./device-file.ts")).openDevice(pathsOf(invocation).gateway);
  const saved = device?.tokens.get(target.url);
  const credentials = target.credentialFrom === null && saved ? { token: saved } : target.credentials;
  const timeoutMs = invocation.number("timeout");
  return {
    url: target.ssh === null ? target.url : await openTunnelUrl(invocation, target, target.ssh),
    credentials,
    ...(target.identity && { identity: target.identity }),
    ...(target.tlsFingerprint !== null && { tlsFingerprint: target.tlsFingerprint }),
    ...(target.headers && { headers: target.headers }),
    scopes: options.scopes,
    caps: options.caps ?? [],
    signal: invocation.host.signal,
    ...(device && { device: device.identity }),
    ...(timeoutMs !== undefined && { requestTimeoutMs: timeoutMs }),
  };
}

/** Opens the tunnel of a target for the rest of this command. It ends with the process. */
async function openTunnelUrl(invocation: Invocation, { url }: GatewayTarget, ssh: SshOptions): Promise<string> {
  const { openTunnel } = await import("./ssh-tunnel.ts");
  const tunnel = await openTunnel(invocation, ssh);
  tunnel.unref();
  return `${new URL(url).protocol}//127.0.0.1:${tunnel.port}`;
}

async function saveDeviceToken(invocation: Invocation, url: string, token: string): Promise<void> {
  const { saveToken } = await import("./device-file.ts");
  saveToken(pathsOf(invocation).gateway, url, token);
}

function warnUnencrypted(target: GatewayTarget, reach: "private" | "public", invocation: Invocation): void {
  if (reach === "private") return invocation.out.note(`Note: ${target.url} is not encrypted; everyone on that network can read the token.`);
  throw new CliError(`${target.url} is not encrypted`, {
    why: "anyone on the way could read the token and every message.",
    fix: "use wss://, or a tunnel: ssh -N -L 18789:127.0.0.1:18789 <host>, then --url ws://127.0.0.1:18789",
    exit: EXIT.usage,
  });
}

/** Runs `work` with a connection and closes it afterwards. Its failures are shown like those of connecting. */
export async function withGateway<T>(invocation: Invocation, options: ConnectOptions, work: (link: GatewayLink) => Promise<T>): Promise<T> {
  const link = await connectGateway(invocation, options);
  try {
    return await work(link);
  } catch (err) {
    throw toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}

/** One request, connection included; `timeoutMs` for one that takes longer than others, unless --timeout says otherwise. */
export function callGateway<T>(
  invocation: Invocation,
  scopes: readonly ConnectScope[],
  method: string,
  params: unknown = {},
  timeoutMs?: number,
): Promise<T> {
  const options = timeoutMs === undefined || invocation.has("timeout") ? {} : { timeoutMs };
  return withGateway(invocation, { scopes }, ({ client }) => client.request<T>(method, params, options));
}

/** Runs `work` with the gateway, or `files` when this machine's gateway is not running, and prints which. */
export async function gatewayOrFiles<T>(
  invocation: Invocation,
  scopes: readonly ConnectScope[],
  work: (link: GatewayLink) => Promise<T>,
  files: (target: GatewayTarget) => T | Promise<T>,
): Promise<T> {
  let link: GatewayLink;
  try {
    link = await connectGateway(invocation, { scopes });
  } catch (err) {
    const target = resolveTarget(invocation);
    if (!target.isLocal || !(err instanceof CliError) || !isUnreachable(err)) throw err;
    invocation.out.note(`Gateway not running; showing saved data from ${pathsOf(invocation).state}.`);
    return await files(target);
  }
  try {
    return await work(link);
  } catch (err) {
    throw toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}

/** Whether a failure means that no gateway runs there, as opposed to one that refuses or is too slow. */
export const isUnreachable = (err: CliError): boolean => err.cause instanceof ClientError && err.cause.kind === "unreachable";

/** Turns what the client room throws into one line what, why and fix. Anything else is passed on. */
export function toCliError(err: unknown, target: GatewayTarget, invocation: Invocation): unknown {
  if (!(err instanceof ClientError)) return err;
  const make = (what: string, why: string, fix: string, exit: number): CliError => new CliError(what, { why, fix, exit, cause: err });
  switch (err.kind) {
    case "unreachable": {
      const fix = target.isLocal
        ? "start one with: openclaw gateway"
        : "check the address, and that the gateway runs there: openclaw gateway status";
      return make(`No gateway is running at ${target.url}`, `${err.message} (address from ${target.urlFrom}).`, fix, EXIT.unavailable);
    }
    case "unproven":
      return make(
        `The program at ${target.url} is not the gateway of ${pathsOf(invocation).state}`,
        identityFailureReason(invocation),
        `restart the gateway: openclaw gateway stop, then openclaw gateway. For a gateway that you trust: --url ${target.url} --token-file <file>`,
        EXIT.unavailable,
      );
    case "untrusted":
      return make(
        `The certificate of ${target.url} was not accepted`,
        `${err.message}.`,
        target.tlsFingerprint === null
          ? "on the gateway's machine `openclaw gateway status` shows the fingerprint; if it is the same: openclaw config set gateway.remote.tlsFingerprint <sha256>, or --tls-fingerprint <sha256>"
          : "if the certificate was replaced, compare with `openclaw gateway status` on the gateway's machine before you pin the new one; else someone else answers.",
        EXIT.unavailable,
      );
    case "timeout":
      return make(
        `The gateway at ${target.url} did not answer in time`,
        `${err.message}.`,
        "openclaw logs --limit 50 may show the cause; --timeout 60000 waits longer.",
        EXIT.unavailable,
      );
    case "starting":
      return make(`The gateway at ${target.url} is not ready`, `${err.message}.`, "try again in a second.", EXIT.unavailable);
    case "closed":
      return make(
        "The connection to the gateway was lost",
        `${err.message}.`,
        "openclaw gateway status shows whether it still runs.",
        EXIT.unavailable,
      );
    case "pairing":
      return make("This device is not approved yet", pairingReason(err), pairingFix(err), EXIT.noPermission);
    case "auth":
      return make("The gateway rejected the credential", authReason(err, target), authFix(err, target, invocation), EXIT.noPermission);
    case "handshake":
      return make(
        `The gateway at ${target.url} refused the connection`,
        `${err.message}.`,
        "use the same version on both machines: openclaw --version",
        EXIT.failure,
      );
    case "request":
      return toRequestFailure(err, make);
  }
}

function toRequestFailure(err: ClientError, make: (what: string, why: string, fix: string, exit: number) => CliError): CliError {
  const fix = typeof err.details["fix"] === "string" ? err.details["fix"] : undefined;
  const what = err.gatewayMessage ?? err.message;
  if (err.code === "FORBIDDEN" || err.code === "UNAUTHORIZED") {
    const needed = err.details["missingScope"];
    const why = typeof needed === "string" ? `the credential does not grant ${needed}.` : "the credential does not allow it.";
    const scope = typeof needed === "string" ? needed : "<scope>";
    return make(what, why, fix ?? `use a token that has it: openclaw tokens create <name> --scope ${scope}`, EXIT.noPermission);
  }
  if (/unknown method/.test(err.message))
    return make(what, "this gateway does not have that method.", "openclaw gateway status shows its version.", EXIT.failure);
  const why = err.code ? `the gateway answered ${err.reason ?? err.code}.` : "the gateway gave no reason.";
  const retry =
    err.retryAfterMs === undefined ? "openclaw logs --limit 20 may show more." : `try again in ${Math.ceil(err.retryAfterMs / 1_000)} s.`;
  return make(what, why, fix ?? retry, EXIT.failure);
}

function identityFailureReason(invocation: Invocation): string {
  const owner = findRunningGateway(pathsOf(invocation).gateway);
  const cause =
    owner === null
      ? "no gateway of this state directory is running, so another program uses its port"
      : owner.identityKey === null
        ? `the gateway with pid ${owner.pid} is older than this command and cannot prove who it is`
        : "it did not prove that it holds the key in owner.json";
  return `${cause}. No credential and no message was sent.`;
}

function pairingReason(err: ClientError): string {
  const id = err.details["requestId"];
  return typeof id === "string" ? `its request ${id} is pending.` : `${err.message}.`;
}

function pairingFix(err: ClientError): string {
  const id = err.details["requestId"];
  return `on the gateway's machine: openclaw devices approve ${typeof id === "string" ? id : "<request>"}`;
}

function authReason(err: ClientError, target: GatewayTarget): string {
  if (err.reason === "AUTH_RATE_LIMITED") return "there were too many wrong attempts.";
  return target.credentialFrom === null ? "it requires one, and none was sent." : `${target.credentialFrom} was sent: ${err.message}.`;
}

function authFix(err: ClientError, target: GatewayTarget, invocation: Invocation): string {
  if (err.reason === "AUTH_RATE_LIMITED")
    return `wait ${Math.ceil((err.retryAfterMs ?? 60_000) / 1_000)} s, then use the right credential.`;
  if (target.credentialFrom?.includes("--") || invocation.has("token-file") || invocation.has("password-file"))
    return target.isLocal
      ? "omit the flag: this machine's own gateway needs none."
      : "openclaw token on the gateway's machine prints the right one.";
  if (target.credentialFrom?.includes("OPENCLAW_GATEWAY"))
    return "unset the variable, or set it to what `openclaw token` prints on the gateway's machine.";
  if (target.isLocal)
    return `openclaw token shows the one in ${tokenPath(pathsOf(invocation))}; a restart of the gateway makes it valid: openclaw gateway restart`;
  return "on the gateway's machine `openclaw token` prints it; pass it with OPENCLAW_GATEWAY_TOKEN=... or --token-file <file>";
}
