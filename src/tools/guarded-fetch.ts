import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { bypassesProxy, proxyFor, readProxySettings, type ProxySettings } from "../core/proxy.ts";
import { isFetchableAddress } from "./public-address.ts";

export type FetchedContent = { bytes: Uint8Array; mimeType: string; /** Final URL after redirects. */ url: string };

export type GuardedFetchOptions = {
  maxBytes: number;
  signal?: AbortSignal;
  /** All addresses of a name. Default: the system's resolver. */
  resolve?: (host: string) => Promise<readonly string[]>;
  /** Addresses that may be connected to. Default: public addresses other than this machine's. */
  isAllowed?: (address: string) => boolean;
  /** Default: the proxies of the environment. */
  proxies?: ProxySettings;
};

const addressRefused = (message: string): GatewayError =>
  detailError("ADDRESS_REFUSED", message, { fix: "Use an address of the public internet." });

/**
 * The only way to fetch a URL from content. Only http and https, without credentials in the URL. The name is
 * resolved once, all its addresses must be public, and the connection uses exactly the checked address; each redirect is
 * checked in the same way and never leads from https to http. Through a proxy, the tunnel leads to the checked address, so
 * names must be resolvable on this machine in that case, too. Throws GatewayError ADDRESS_REFUSED, TOO_LARGE or UNAVAILABLE.
 */
export async function guardedFetch(url: string, options: GuardedFetchOptions): Promise<FetchedContent> {
  const signal = AbortSignal.any([AbortSignal.timeout(LIMITS.guardedFetchMs), ...(options.signal ? [options.signal] : [])]);
  let at = parse(url);
  for (let hop = 0; hop <= LIMITS.guardedFetchRedirects; hop++) {
    const response = await open(at, await checkedAddress(at, options), signal, options.proxies ?? environment);
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      const next = parse(new URL(headers.location, at).href);
      if (at.protocol === "https:" && next.protocol !== "https:") throw addressRefused("a redirect leads from https to http");
      at = next;
      continue;
    }
    if (statusCode !== 200) {
      response.destroy();
      throw new GatewayError("UNAVAILABLE", `${at.host} answered ${statusCode}`, { retryable: statusCode >= 500 });
    }
    const bytes = await readAll(response, options.maxBytes, at.host);
    return { bytes, mimeType: mimeOf(headers["content-type"]), url: at.href };
  }
  throw addressRefused("there are too many redirects");
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) throw addressRefused("only http and https addresses are fetched");
  if (url.username !== "" || url.password !== "") throw addressRefused("an address with a user name or password is not fetched");
  return url;
}

/** The address to connect to. Refuses a name if any of its addresses is refused, so that the choice of address does not matter. */
async function checkedAddress(url: URL, options: GuardedFetchOptions): Promise<string> {
  const { resolve = systemResolve, isAllowed: permits = isFetchableAddress } = options;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  let addresses: readonly string[];
  try {
    addresses = isIP(host) ? [host] : await resolve(host);
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `the name ${host} cannot be resolved`, { cause: err });
  }
  const [first] = addresses;
  if (first === undefined) throw new GatewayError("UNAVAILABLE", `the name ${host} has no address`);
  if (!addresses.every((each) => permits(each))) throw addressRefused(`${host} is not on the public internet`);
  return first;
}

const systemResolve = async (host: string): Promise<readonly string[]> =>
  (await systemLookup(host, { all: true })).map(({ address }) => address);

const environment = readProxySettings(process.env);

function usableProxy(scheme: "http" | "https", proxies: ProxySettings): ReturnType<typeof proxyFor> {
  try {
    return proxyFor(scheme, null, proxies);
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", reasonOf(err), { cause: err, fix: "`openclaw doctor` shows the fix." });
  }
}

/** Routes a request through the configured proxy to the checked address; null: direct connection. */
function tunnelTo(url: URL, address: string, proxies: ProxySettings): { agent: TlsAgent; hostname: string; servername: string } | null {
  const secure = url.protocol === "https:";
  const route = usableProxy(secure ? "https" : "http", proxies);
  if (!route || bypassesProxy(url.hostname, Number(url.port || (secure ? 443 : 80)), route.noProxy)) return null;
  // A proxy forwards plain http by name and would resolve it a second time.
  if (!secure) throw addressRefused("plain http is not fetched through a proxy");
  return { agent: new TlsAgent({ proxyEnv: { HTTPS_PROXY: route.url.href } }), hostname: address, servername: url.hostname };
}

function open(url: URL, address: string, signal: AbortSignal, proxies: ProxySettings): Promise<IncomingMessage> {
  const family = isIP(address);
  const tunnel = tunnelTo(url, address, proxies);
  return new Promise((resolve, reject) => {
    const make = url.protocol === "https:" ? tlsRequest : plainRequest;
    const request: ClientRequest = make(url, {
      agent: false,
      ...tunnel,
      signal,
      headers: { host: url.host, accept: "*/*", "accept-encoding": "identity", "user-agent": "openclaw-gateway" },
      // The name is not resolved a second time, because the answer could differ.
      lookup: (_host, wanted, done) => {
        if (wanted.all) (done as unknown as (err: null, all: { address: string; family: number }[]) => void)(null, [{ address, family }]);
        else done(null, address, family);
      },
    });
    request.on("response", resolve);
    request.on("error", (err) =>
      reject(
        new GatewayError("UNAVAILABLE", `${url.host} could not be read: ${signal.aborted ? "timed out" : reasonOf(err)}`, {
          cause: err,
        }),
      ),
    );
    request.end();
  });
}

async function readAll(response: IncomingMessage, maxBytes: number, host: string): Promise<Uint8Array> {
  const tooLarge = (): GatewayError => new GatewayError("TOO_LARGE", `the file at ${host} is larger than ${maxBytes} bytes`);
  try {
    if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (err) {
    if (err instanceof GatewayError) throw err;
    throw new GatewayError("UNAVAILABLE", `${host} could not be read: ${reasonOf(err)}`, { cause: err });
  } finally {
    response.destroy();
  }
}

const mimeOf = (header: string | undefined): string =>
  /^[\w.+-]+\/[\w.+-]+/.exec(header ?? "")?.[0].toLowerCase() ?? "application/octet-stream";
