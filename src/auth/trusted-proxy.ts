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
  /** Forwarded headers from an untrusted peer. */
  | { via: "refused" };

const FORWARDING_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"];

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

/** Determines which peers may send forwarded headers, and reads those headers. */
export class TrustedProxies {
  readonly #settings: AuthSettings;
  readonly #trusted: BlockList;

  constructor(settings: AuthSettings) {
    this.#settings = settings;
    this.#trusted = addressList(settings.trustedProxies);
  }

  /** `remote` is the address of the socket. Forwarded headers of an untrusted peer are refused, never ignored. */
  attributePeer(headers: RequestHeaders, remote: string): PeerAttribution {
    const address = unmapIpv4(remote);
    const forwarded = FORWARDING_HEADERS.some((name) => headers[name] !== undefined);
    if (!this.#trusts(address)) return forwarded ? { via: "refused" } : { via: "direct", address };
    if (!forwarded) return { via: "direct", address };
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
