import { BlockList, isIP } from "node:net";
import { secureEquals } from "../core/secure-compare.ts";
import type { AuthSettings } from "./credentials.ts";

export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** How a request reached the gateway. */
export type PeerAttribution =
  /** A direct connection. */
  | { via: "direct"; address: string }
  /** A trusted proxy reports the address and, in mode trusted-proxy, the user. */
  | { via: "proxy"; address: string; user: string | null; secure: boolean }
  /** Tailscale on this machine, over the listener that is only for it. `login`: what the headers say, which `whois` has to confirm. */
  | { via: "tailscale-serve"; address: string; login: string | null }
  /** As above, from the internet: Tailscale does not know who it is. */
  | { via: "tailscale-funnel"; address: string }
  /** Forwarded headers from an untrusted peer, or, at the listener for Tailscale, a request that Tailscale did not make. */
  | { via: "refused"; headers: readonly string[] };

/** Which of the gateway's listeners accepted a connection. */
export type Listener = "gateway" | "tailscale";

const FORWARDING_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"];
/** What Tailscale adds; anyone else who sends these pretends to be it. */
const TAILSCALE_HEADERS = [
  "tailscale-user-login",
  "tailscale-user-name",
  "tailscale-user-profile-pic",
  "tailscale-headers-info",
  "tailscale-funnel-request",
];
const ATTRIBUTION_HEADERS = [...FORWARDING_HEADERS, ...TAILSCALE_HEADERS];

const first = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

function addressList(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of addresses) {
    const [address = "", bits] = entry.split("/");
    const version = isIP(address);
    if (version === 0) continue;
    const family = version === 4 ? "ipv4" : "ipv6";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const unmapIpv4 = (address: string): string => (address.startsWith("::ffff:") ? address.slice(7) : address);

export function isLoopback(address: string): boolean {
  return address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}

/** The address of one hop, which some proxies write with a port or in brackets; null for `unknown`, `_hidden` and similar values. */
function hopAddress(hop: string): string | null {
  const [, bracketed, bare] = /^(?:\[([^\]]{1,64})\](?::\d{1,5})?|(\d[\d.]{6,14}):\d{1,5})$/.exec(hop) ?? [];
  const address = unmapIpv4(bracketed ?? bare ?? hop);
  return isIP(address) === 0 ? null : address;
}

/**
 * Who sent a request that came in at the listener for Tailscale. Pure. Tailscale runs on this machine, names the client's address, which is
 * never one of this machine, and speaks TLS with it; what differs from that is refused.
 */
export function attributeTailscale(headers: RequestHeaders, remote: string): PeerAttribution {
  const sent = ATTRIBUTION_HEADERS.filter((name) => headers[name] !== undefined);
  const refused: PeerAttribution = { via: "refused", headers: sent };
  if (!isLoopback(unmapIpv4(remote))) return refused;
  const forwarded = first(headers["x-forwarded-for"]);
  const address = forwarded === undefined || forwarded.includes(",") ? null : hopAddress(forwarded.trim());
  if (address === null || isLoopback(address)) return refused;
  if (first(headers["x-forwarded-proto"]) !== "https" || !first(headers["x-forwarded-host"])) return refused;
  if (headers["tailscale-funnel-request"] !== undefined) return { via: "tailscale-funnel", address };
  const login = first(headers["tailscale-user-login"])?.trim() ?? "";
  return { via: "tailscale-serve", address, login: login === "" || login.length > 256 ? null : login };
}

/** Determines which peers may send forwarded headers, and reads those headers. */
export class TrustedProxies {
  readonly #settings: AuthSettings;
  readonly #trusted: BlockList;

  constructor(settings: AuthSettings) {
    this.#settings = settings;
    this.#trusted = addressList(settings.trustedProxies);
  }

  /** `remote` is the address of the socket. Forwarded headers of an untrusted peer are refused, never ignored. */
  attributePeer(headers: RequestHeaders, remote: string, listener: Listener = "gateway"): PeerAttribution {
    if (listener === "tailscale") return attributeTailscale(headers, remote);
    const address = unmapIpv4(remote);
    const sent = ATTRIBUTION_HEADERS.filter((name) => headers[name] !== undefined);
    if (!this.#trusts(address)) return sent.length > 0 ? { via: "refused", headers: sent } : { via: "direct", address };
    if (!sent.some((name) => FORWARDING_HEADERS.includes(name))) return { via: "direct", address };
    return {
      via: "proxy",
      address: this.#clientOf(headers) ?? address,
      user: this.#userOf(headers, address),
      secure: first(headers["x-forwarded-proto"]) === "https",
    };
  }

  #trusts(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 4 ? "ipv4" : "ipv6");
  }

  /**
   * The nearest hop that is not a trusted proxy. Entries left of an invalid hop were not certainly written by a
   * trusted proxy, so the search ends there. `X-Real-IP` is not read: a proxy that does not set it forwards what the client
   * sent.
   */
  #clientOf(headers: RequestHeaders): string | null {
    const value = headers["x-forwarded-for"];
    const hops = (Array.isArray(value) ? value.join(",") : (value ?? "")).split(",");
    for (const hop of hops.toReversed()) {
      const address = hopAddress(hop.trim());
      if (address === null) return null;
      if (!this.#trusts(address)) return address;
    }
    return null;
  }

  #userOf(headers: RequestHeaders, address: string): string | null {
    const proxy = this.#settings.proxy;
    if (this.#settings.mode !== "trusted-proxy" || !proxy) return null;
    if (proxy.secret) {
      if (!secureEquals(first(headers[proxy.secret.header]) ?? "", proxy.secret.value)) return null;
    } else if (isLoopback(address)) {
      return null;
    }
    if (proxy.requiredHeaders.some((name) => !first(headers[name]))) return null;
    const user = first(headers[proxy.userHeader])?.trim();
    return user === undefined || user === "" || user.length > 256 ? null : user;
  }
}
