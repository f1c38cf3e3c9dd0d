import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** IPv4 ranges outside the public internet: private, loopback, link-local (including metadata services), reserved. */
const NON_PUBLIC_V4: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
/** Exceptions in the global IPv6 range: documentation, and tunnels to an unchecked IPv4 address. */
const NON_PUBLIC_V6: readonly (readonly [network: string, prefix: number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const nonPublic = new BlockList();
for (const [network, prefix] of NON_PUBLIC_V4) nonPublic.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of NON_PUBLIC_V6) nonPublic.addSubnet(network, prefix, "ipv6");
/** All other IPv6 ranges are local, mapped, translated or unassigned. */
const globalUnicastV6 = new BlockList();
globalUnicastV6.addSubnet("2000::", 3, "ipv6");

/** Whether a text is an address of the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !nonPublic.check(address, "ipv4");
  return family === 6 && !address.includes("%") && globalUnicastV6.check(address, "ipv6") && !nonPublic.check(address, "ipv6");
}

/** Ranges of private networks: what a company or a home has, without loopback and without what only one link or service uses. */
const privateNetwork = new BlockList();
for (const [network, prefix] of [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const)
  privateNetwork.addSubnet(network, prefix, "ipv4");
privateNetwork.addSubnet("fc00::", 7, "ipv6");

/** Addresses of this machine. Read at each call: interfaces come and go. */
const ownAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);

/** Whether content may be fetched from an address: a public one that does not belong to this machine. */
export const isFetchableAddress = (address: string, own: readonly string[] = ownAddresses()): boolean =>
  isPublicAddress(address) && !own.includes(address);

/** The same for an address of a private network. */
export function isPrivateNetworkAddress(address: string, own: readonly string[] = ownAddresses()): boolean {
  const family = isIP(address);
  return family !== 0 && privateNetwork.check(address, family === 4 ? "ipv4" : "ipv6") && !address.includes("%") && !own.includes(address);
}
