import { isIP } from "node:net";
import { isListed, normalizeHost, RefusedError, systemResolve, type Resolve } from "../../egress-rules.ts";
import { isFetchableAddress } from "../../public-address.ts";
import type { BrowserSettings } from "../records.ts";

type Reachable = Pick<BrowserSettings, "allowPrivateNetwork" | "allowedHostnames">;

const FIX = "browser.ssrfPolicy.allowedHostnames in the configuration lists hosts that may be opened anyway.";

/** What Chromium asks for itself, not for a page: it would tell a third party which forms are filled in, or change the browser. */
const OWN_REQUESTS = new Set([
  "content-autofill.googleapis.com",
  "optimizationguide-pa.googleapis.com",
  "safebrowsing.googleapis.com",
  "update.googleapis.com",
]);

/**
 * The addresses of a host to which a browser may connect. Rejects with RefusedError when one of them is not public: so that it does not matter
 * which of them is used.
 */
export async function checkedAddresses(
  named: string,
  { allowPrivateNetwork, allowedHostnames }: Reachable,
  resolve: Resolve = systemResolve,
): Promise<readonly string[]> {
  const host = normalizeHost(named);
  if (OWN_REQUESTS.has(host)) throw new RefusedError("the browser asks it for itself", FIX);
  const addresses = isIP(host) ? [host] : await resolve(host);
  if (addresses.length === 0) throw new Error("the name has no address");
  if (allowPrivateNetwork || isListed(host, allowedHostnames) || addresses.every((each) => isFetchableAddress(each))) return addresses;
  throw new RefusedError("it is not on the public internet", FIX);
}
