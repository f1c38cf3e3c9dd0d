import { networkInterfaces } from "node:os";
import { isIPv6 } from "node:net";

const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };
const isLocal = (address: string): boolean => address === "::1" || address.startsWith("127.") || address in WILDCARDS;

/** An address as the host of a URL. */
export const toUrlHost = (address: string): string =>
  WILDCARDS[address] ?? (isIPv6(address) ? `[${address.replace(/%/, "%25")}]` : address);

/** The host at which programs of this machine reach the bound addresses: a loopback address where there is one. */
export function localHost(bound: readonly string[]): string {
  const local = bound.find((address) => address === "127.0.0.1") ?? bound.find(isLocal);
  return toUrlHost(local ?? bound[0] ?? "127.0.0.1");
}

/** Hosts at which other machines reach it; empty when only loopback is bound. */
export function externalHosts(bound: readonly string[], interfaces = networkInterfaces()): string[] {
  const all = Object.values(interfaces).flatMap((each) => each ?? []);
  const of = (family: string): string[] =>
    all.filter((each) => !each.internal && each.family === family && !each.address.startsWith("fe80:")).map((each) => each.address);
  const hosts = bound.flatMap((address) => {
    if (address === "0.0.0.0") return of("IPv4");
    if (address === "::") return [...of("IPv4"), ...of("IPv6")];
    return isLocal(address) ? [] : [address];
  });
  return [...new Set(hosts)].map(toUrlHost);
}
