import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isFetchableAddress } from "../../public-address.ts";
import type { BrowserSettings } from "../records.ts";

export type EgressSettings = Pick<BrowserSettings, "allowPrivateNetwork" | "allowedHostnames" | "proxies">;
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Why a browser may not reach a host, as the end of a sentence, and what changes that. */
export class RefusedError extends Error {
  readonly fix: string;

  constructor(message: string, fix = "browser.ssrfPolicy.allowedHostnames in the configuration lists hosts that may be opened anyway.") {
    super(message);
    this.fix = fix;
  }
}

/** What Chromium asks for itself, not for a page: it would tell a third party which forms are filled in, or change the browser. */
const OWN_REQUESTS = new Set([
  "content-autofill.googleapis.com",
  "optimizationguide-pa.googleapis.com",
  "safebrowsing.googleapis.com",
  "update.googleapis.com",
]);

const systemResolve: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** A name or an address as it is compared. Pure. */
const normalize = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, "$1")
    .toLowerCase()
    .replace(/\.$/, "");

/** Whether a list of names, with `*.` for all names below one, has a host. Pure. */
export const isListed = (host: string, list: readonly string[]): boolean =>
  list.map(normalize).some((each) => (each.startsWith("*.") ? host.endsWith(each.slice(1)) : each === host));

/**
 * The addresses of a host to which a browser may connect. Rejects with RefusedError when one of them is not public: so that it does not matter
 * which of them is used.
 */
export async function checkedAddresses(
  named: string,
  { allowPrivateNetwork, allowedHostnames }: Omit<EgressSettings, "proxies">,
  resolve: Resolve = systemResolve,
): Promise<readonly string[]> {
  const host = normalize(named);
  if (OWN_REQUESTS.has(host)) throw new RefusedError("the browser asks it for itself");
  const addresses = isIP(host) ? [host] : await resolve(host);
  if (addresses.length === 0) throw new Error("the name has no address");
  if (allowPrivateNetwork || isListed(host, allowedHostnames) || addresses.every((each) => isFetchableAddress(each))) return addresses;
  throw new RefusedError("it is not on the public internet");
}
