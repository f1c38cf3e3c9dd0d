import { isIP } from "node:net";
import type { EgressTarget } from "../egress-proxy.ts";
import { isListed, normalizeHost, RefusedError, systemResolve, type Resolve } from "../egress-rules.ts";
import { isFetchableAddress, isPrivateNetworkAddress } from "../public-address.ts";
import type { CommandEgress } from "../sandbox.ts";

/** Of an entry without a port. */
const WEB_PORTS: readonly number[] = [80, 443];

type Entry = { host: string; ports: readonly number[] };

/** `example.org`, `*.example.org`, `example.org:22`, `10.0.0.7:5432`, `[fd00::7]:443`. Pure. */
export function parseEntry(text: string): Entry {
  const [, host = text, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? [];
  return { host: normalizeHost(host), ports: port === undefined ? WEB_PORTS : [Number(port)] };
}

/**
 * The addresses to which a sandboxed command may connect for a host. A name counts when it is listed with the port, and when all of its
 * addresses are public, or of a private network where that is allowed. An address of this machine is never reached, whatever is listed: the
 * gateway and other services of it listen there.
 */
export async function allowedAddresses(
  target: EgressTarget,
  { hosts, allowPrivateNetwork }: CommandEgress,
  resolve: Resolve = systemResolve,
): Promise<readonly string[]> {
  const host = normalizeHost(target.host);
  const entries = hosts.map(parseEntry).filter((entry) => isListed(host, [entry.host]));
  if (entries.length === 0) throw new RefusedError(`${host} is not listed`, LIST);
  if (!entries.some(({ ports }) => ports.includes(target.port)))
    throw new RefusedError(`${host} is not listed with the port ${target.port}`, LIST);
  const addresses = isIP(host) ? [host] : await resolve(host);
  if (addresses.length === 0) throw new Error("the name has no address");
  const isReachable = (address: string): boolean =>
    isFetchableAddress(address) || (allowPrivateNetwork && isPrivateNetworkAddress(address));
  if (addresses.every(isReachable)) return addresses;
  throw new RefusedError(`${host} is not on the public internet`, PRIVATE);
}

const LIST = "sandbox.egress.allowedHostnames in the configuration lists what sandboxed commands reach.";
const PRIVATE = "With sandbox.egress.allowPrivateNetwork listed hosts may have addresses of private networks, but none of this machine.";
