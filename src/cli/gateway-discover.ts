import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { formatFingerprint, parseFingerprint } from "../core/tls-pin.ts";
import type { DiscoveredGateway } from "../remote/discovery/browse.ts";
import type { CommandHandler } from "./command.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

const DEFAULT_TIMEOUT_MS = 2_000;

/** Whether the certificate that a gateway announces is a pinned one. It is a hint: connecting decides. */
type Pin = "none-stored" | "same" | "different" | "no-tls";

/** `openclaw gateway discover` */
export const gatewayDiscover: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const timeoutMs = invocation.number("timeout") ?? DEFAULT_TIMEOUT_MS;
  const { browse } = await import("../remote/discovery/browse.ts");
  let found: DiscoveredGateway[];
  try {
    found = await browse({ timeoutMs, clock: foregroundClock, signal: host.signal });
  } catch (err) {
    throw new CliError("The local network cannot be searched", {
      why: `${reasonOf(err)}.`,
      fix: "check that this machine has a network interface with IPv4 (ip address).",
      exit: EXIT.unavailable,
      cause: err,
    });
  }
  const pins = storedPins(invocation);
  const beacons = found.map((beacon) => toRow(beacon, pins));
  out.result({ timeoutMs, domains: ["local."], count: beacons.length, beacons }, () => {
    out.line("Gateway Discovery");
    out.line(`Found ${plural(beacons.length, "gateway")} · domains: local.`);
    for (const beacon of beacons) show(beacon);
    if (beacons.length === 0) out.note("A gateway announces itself with discovery.mdns.mode minimal or full, to its own network only.");
    else out.note("What is announced is not authenticated. openclaw remote check --url <ws> shows what answers there.");
  });
  function show({
    instanceName,
    displayName,
    host: name,
    port,
    wsUrl,
    tailnetDns,
    lanHost,
    role,
    transport,
    sshPort,
    pin,
    gatewayTlsFingerprintSha256,
  }: ReturnType<typeof toRow>): void {
    out.line();
    out.line(`- ${sanitizeLine(displayName ?? instanceName)}`);
    const pairs: [string, string | null][] = [
      ["tailnet", tailnetDns],
      ["lan", lanHost],
      ["host", name === null ? null : `${name}${port === null ? "" : `:${port}`}`],
      ["ws", wsUrl],
      ["role", role],
      ["transport", transport],
      ["tls", gatewayTlsFingerprintSha256 === null ? null : `${formatFingerprint(gatewayTlsFingerprintSha256)} (${PIN_TEXT[pin]})`],
      ["ssh", sshPort === null ? null : String(sshPort)],
    ];
    out.pairs(pairs.flatMap(([key, value]) => (value === null ? [] : [[`  ${key}`, sanitizeLine(value)] as const])));
  }
};

const PIN_TEXT: Readonly<Record<Pin, string>> = {
  "none-stored": "no fingerprint is stored for it",
  same: "the stored fingerprint",
  different: "not the stored fingerprint",
  "no-tls": "",
};

/** Fingerprints that this user has pinned, and that of the gateway of this state directory. */
function storedPins(invocation: Parameters<CommandHandler>[0]): string[] {
  const { tlsFingerprint } = configOf(invocation).config.gateway.remote;
  const own = findRunningGateway(pathsOf(invocation).gateway)?.tlsFingerprint;
  return [tlsFingerprint === undefined ? null : parseFingerprint(tlsFingerprint), own ?? null].filter((pin) => pin !== null);
}

const whole = (text: string | undefined): number | null => (text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : null);

function toRow(
  { instanceName, displayName, domain, host, port, addresses, tlsFingerprint, usesTls, txt }: DiscoveredGateway,
  pins: readonly string[],
) {
  const address = addresses[0];
  const pin: Pin = !usesTls
    ? "no-tls"
    : pins.length === 0
      ? "none-stored"
      : tlsFingerprint !== null && pins.includes(tlsFingerprint)
        ? "same"
        : "different";
  return {
    instanceName,
    displayName,
    domain,
    host,
    port,
    addresses,
    lanHost: txt["lanHost"] ?? null,
    tailnetDns: txt["tailnetDns"] ?? null,
    gatewayPort: whole(txt["gatewayPort"]),
    sshPort: whole(txt["sshPort"]),
    cliPath: txt["cliPath"] ?? null,
    role: txt["role"] ?? null,
    transport: txt["transport"] ?? null,
    gatewayTls: usesTls,
    gatewayTlsFingerprintSha256: tlsFingerprint,
    pin,
    txt,
    // Address and port of SRV and A: the text could name any machine.
    wsUrl:
      address === undefined || port === null
        ? null
        : `${usesTls ? "wss" : "ws"}://${address.includes(":") ? `[${address}]` : address}:${port}`,
  };
}
