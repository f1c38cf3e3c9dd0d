/** DNS-SD type of gateways, in the domain of multicast DNS. */
export const SERVICE_TYPE = "_openclaw-gw._tcp.local";

export type DiscoveryMode = "minimal" | "full";

/** What a gateway tells about itself. */
export type ServiceFacts = {
  /** Name for people; the instance is `<displayName> (OpenClaw)`. */
  displayName: string;
  /** First label of the host name. */
  hostLabel: string;
  port: number;
  /** SHA-256 of its certificate, hex; null without TLS. */
  tlsFingerprint: string | null;
  /** Other machines reach the port. */
  isReachable: boolean;
  /** Of mode full. */
  tailnetHost: string | null;
  cliPath: string | null;
  sshPort: number;
};

const INSTANCE_SUFFIX = " (OpenClaw)";
const LABEL_BYTES = 63;

/** The instance of a gateway: at most 63 bytes. `attempt` above 1 is part of it, after another one had the name. */
export function instanceName(displayName: string, attempt = 1): string {
  const suffix = `${INSTANCE_SUFFIX}${attempt > 1 ? `-${attempt}` : ""}`;
  return `${cutBytes(displayName, LABEL_BYTES - Buffer.byteLength(suffix))}${suffix}`;
}

export const hostLabel = (label: string, attempt = 1): string =>
  attempt > 1 ? `${cutBytes(label, LABEL_BYTES - `-${attempt}`.length)}-${attempt}` : label;

/** As many whole characters as fit. */
function cutBytes(text: string, bytes: number): string {
  let cut = "";
  for (const character of text) {
    if (Buffer.byteLength(cut + character) > bytes) break;
    cut += character;
  }
  return cut;
}

/** A label of DNS from the name of a machine: `OPENCLAW_MDNS_HOSTNAME`, else its own, else `openclaw`. */
export function toHostLabel(...names: readonly (string | undefined)[]): string {
  for (const name of names) {
    const label = (name ?? "")
      .split(".")[0]!
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-")
      .replaceAll(/^-+|-+$/g, "");
    if (label !== "") return cutBytes(label, LABEL_BYTES);
  }
  return "openclaw";
}

/** The TXT record, in the order in which it is sent. It is not authenticated: clients take no address and no credential from it. */
export function txtOf(facts: ServiceFacts, mode: DiscoveryMode): string[] {
  const pairs: [key: string, value: string | null][] = [
    ["role", "gateway"],
    ["gatewayPort", String(facts.port)],
    ["transport", "gateway"],
    ["displayName", facts.displayName],
    ["lanHost", `${facts.hostLabel}.local`],
    ["gatewayTls", facts.tlsFingerprint === null ? null : "1"],
    ["gatewayTlsSha256", facts.tlsFingerprint],
    ["gatewayDirectReachable", facts.isReachable ? "1" : null],
  ];
  const full: typeof pairs = [
    ["tailnetDns", facts.tailnetHost],
    ["cliPath", facts.cliPath],
    ["sshPort", String(facts.sshPort)],
  ];
  const all = mode === "full" ? [...pairs, ...full] : pairs;
  return all.flatMap(([key, value]) => (value === null ? [] : [cutBytes(`${key}=${value}`, 255)]));
}
