import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { bypassesProxy, proxyFor, readProxySettings, type ProxySettings } from "../core/proxy.ts";
import { isFetchableAddress } from "./public-address.ts";

export type FetchedContent = { bytes: Uint8Array; mimeType: string; /** Where the content came from in the end. */ url: string };

export type GuardedFetchOptions = {
  maxBytes: number;
  signal?: AbortSignal;
  /** All addresses of a name. Default: the system's resolver. */
  resolve?: (host: string) => Promise<readonly string[]>;
  /** Which addresses may be connected to. Default: those of the public internet that are not this machine's own. */
  isAllowed?: (address: string) => boolean;
  /** Default: those of the environment. */
  proxies?: ProxySettings;
};

const addressRefused = (message: string): GatewayError =>
  detailError("ADDRESS_REFUSED", message, { fix: "Use an address of the public internet." });

/**
 * The one way in which a URL that somebody else has chosen is fetched. Only http and https, without credentials in the URL. The name is
 * resolved once, every address of it has to be public, and the connection goes to the very address that was looked at; each redirect is
 * looked at in the same way and never leads from https to http. Through a proxy, the tunnel leads to the address that was looked at, so
 * names have to be resolvable on this machine there as well. Throws GatewayError ADDRESS_REFUSED, TOO_LARGE or UNAVAILABLE.
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

/** The address to connect to. Refuses a name when any of its addresses is refused: which one is used must not matter. */
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
    throw new GatewayError("UNAVAILABLE", reasonOf(err), { cause: err, fix: "`openclaw doctor` says how to correct it." });
  }
}

/** What leads a request through the proxy that is set, to the address that was looked at; null: it goes directly. */
function tunnelTo(url: URL, address: string, proxies: ProxySettings): { agent: TlsAgent; hostname: string; servername: string } | null {
  const secure = url.protocol === "https:";
  const route = usableProxy(secure ? "https" : "http", proxies);
  if (!route || bypassesProxy(url.hostname, Number(url.port || (secure ? 443 : 80)), route.noProxy)) return null;
  // A proxy forwards plain http by name, and would resolve it a second time.
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
      // The name is not resolved a second time: whoever answers then could say something else.
      lookup: (_host, wanted, done) => {
        if (wanted.all) (done as unknown as (err: null, all: { address: string; family: number }[]) => void)(null, [{ address, family }]);
        else done(null, address, family);
      },
    });
    request.on("response", resolve);
    request.on("error", (err) =>
      reject(
        new GatewayError("UNAVAILABLE", `${url.host} could not be read: ${signal.aborted ? "it took too long" : reasonOf(err)}`, {
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
