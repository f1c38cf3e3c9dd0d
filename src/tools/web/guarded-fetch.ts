import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { pipeline, type Readable } from "node:stream";
import { abortable } from "../../core/async.ts";
import { detailError, GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { bypassesProxy, proxyFor, readProxySettings, type ProxySettings } from "../../core/proxy.ts";
import { isFetchableAddress } from "../public-address.ts";

export type FetchedContent = {
  bytes: Uint8Array;
  /** In lower case; `application/octet-stream` when the server does not name one. */
  mimeType: string;
  /** Final URL after redirects. */
  url: string;
};
export type FetchedAnswer = FetchedContent & {
  /** The character encoding that the server names, in lower case. */
  charset: string | null;
  /** 200 unless `anyStatus` was set. */
  status: number;
  /** The content is longer than `maxBytes`: these are its first bytes. Only with `tooLarge: "cut"`. */
  isCut: boolean;
};

export type GuardedFetchOptions = {
  /** Of the decompressed content. */
  maxBytes: number;
  /** What happens to longer content. Default: it is refused. */
  tooLarge?: "refuse" | "cut";
  /** Default: LIMITS.guardedFetchRedirects. */
  maxRedirects?: number;
  /** Of the whole fetch. Default: LIMITS.guardedFetchMs. */
  timeoutMs?: number;
  signal?: AbortSignal;
  userAgent?: string;
  accept?: string;
  /** More headers, such as a credential: they reach only the origin of the first URL. */
  headers?: Readonly<Record<string, string>>;
  /** Makes it a POST; a redirect is then refused. */
  body?: string;
  /** Returns the content of every answer but a redirect, instead of refusing all but 200. */
  anyStatus?: boolean;
  /** All addresses of a name. Default: the system's resolver. */
  resolve?: (host: string) => Promise<readonly string[]>;
  /** Addresses that may be connected to. Default: public addresses other than this machine's. */
  isAllowed?: (address: string) => boolean;
  /** Default: the proxies of the environment. */
  proxies?: ProxySettings;
};
export type GuardedFetch = (url: string, options: GuardedFetchOptions) => Promise<FetchedAnswer>;

const addressRefused = (message: string): GatewayError =>
  detailError("ADDRESS_REFUSED", message, { fix: "Use an address of the public internet." });
const redirectRefused = (message: string): GatewayError => detailError("ADDRESS_REFUSED", message);

/**
 * The only way to fetch a URL from content. Only http and https, without credentials in the URL. The name is resolved once, all its
 * addresses must be allowed, and the connection uses only these addresses; each redirect is checked in the same way and never leads
 * from https to http. Through a proxy, the tunnel leads to a checked address, so names must be resolvable on this machine in that
 * case, too. Throws GatewayError ADDRESS_REFUSED, TOO_LARGE or UNAVAILABLE; `details.status` is the status of an answer that was refused.
 */
export async function guardedFetch(url: string, options: GuardedFetchOptions): Promise<FetchedAnswer> {
  const { maxRedirects = LIMITS.guardedFetchRedirects, timeoutMs = LIMITS.guardedFetchMs } = options;
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(options.signal ? [options.signal] : [])]);
  const first = parse(url);
  let at = first;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const addresses = await checkedAddresses(at, options, signal);
    const response = await open({ url: at, addresses, signal, headers: headersFor(at, first, options), options });
    const { statusCode = 0, headers } = response;
    if (statusCode < 300 || statusCode >= 400 || headers.location === undefined) return await toAnswer(response, at, options, signal);
    response.destroy();
    if (options.body !== undefined) throw redirectRefused(`${at.host} redirects a request that has content`);
    const next = parse(URL.parse(headers.location, at.href)?.href ?? "");
    if (at.protocol === "https:" && next.protocol !== "https:") throw redirectRefused("a redirect leads from https to http");
    at = next;
  }
  throw redirectRefused(`more redirects than ${maxRedirects} are not followed`);
}

function headersFor(at: URL, first: URL, options: GuardedFetchOptions): Record<string, string> {
  const { userAgent = "openclaw-gateway", accept = "*/*", headers, body } = options;
  return {
    ...(at.origin === first.origin && headers),
    ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
    host: at.host,
    accept,
    "accept-encoding": "gzip, deflate, br",
    "user-agent": userAgent,
  };
}

async function toAnswer(response: IncomingMessage, at: URL, options: GuardedFetchOptions, signal: AbortSignal): Promise<FetchedAnswer> {
  const { statusCode = 0, headers } = response;
  if (statusCode !== 200 && !options.anyStatus) {
    response.destroy();
    const retryable = statusCode >= 500;
    throw new GatewayError("UNAVAILABLE", `${at.host} answered ${statusCode}`, { retryable, details: { status: statusCode } });
  }
  const type = headers["content-type"];
  const { bytes, isCut } = await readBody(response, { ...options, host: at.host, signal });
  return { bytes, isCut, mimeType: mimeOf(type), charset: charsetOf(type), url: at.href, status: statusCode };
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) throw addressRefused("only http and https addresses are fetched");
  if (url.username !== "" || url.password !== "") throw addressRefused("an address with a user name or password is not fetched");
  return url;
}

/** The addresses to connect to. Refuses a name if any of its addresses is refused, so that the choice of address does not matter. */
async function checkedAddresses(url: URL, options: GuardedFetchOptions, signal: AbortSignal): Promise<readonly [string, ...string[]]> {
  const { resolve = systemResolve, isAllowed = isFetchableAddress } = options;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  let addresses: readonly string[];
  try {
    addresses = isIP(host) ? [host] : await abortable(resolve(host), signal);
  } catch (err) {
    if (signal.aborted) throw unreadable(url.host, err, signal);
    throw new GatewayError("UNAVAILABLE", `the name ${host} cannot be resolved`, { cause: err });
  }
  const [first, ...others] = addresses;
  if (first === undefined) throw new GatewayError("UNAVAILABLE", `the name ${host} has no address`);
  if (!addresses.every((each) => isAllowed(each))) throw addressRefused(`${host} is not on the public internet`);
  return [first, ...others];
}

const unreadable = (host: string, err: unknown, signal: AbortSignal): GatewayError =>
  new GatewayError("UNAVAILABLE", `${host} could not be read: ${signal.aborted ? "timed out" : reasonOf(err)}`, { cause: err });

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
  if (!secure) {
    const fix = "Use https, or add the host to NO_PROXY.";
    throw detailError("ADDRESS_REFUSED", "plain http is not fetched through a proxy", { fix });
  }
  return { agent: new TlsAgent({ proxyEnv: { HTTPS_PROXY: route.url.href } }), hostname: address, servername: url.hostname };
}

type OpenRequest = {
  url: URL;
  addresses: readonly [string, ...string[]];
  signal: AbortSignal;
  headers: Record<string, string>;
  options: GuardedFetchOptions;
};

function open({ url, addresses, signal, headers, options }: OpenRequest): Promise<IncomingMessage> {
  const tunnel = tunnelTo(url, addresses[0], options.proxies ?? environment);
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return new Promise((resolve, reject) => {
    const make = url.protocol === "https:" ? tlsRequest : plainRequest;
    const request: ClientRequest = make(url, {
      agent: false,
      ...tunnel,
      method: options.body === undefined ? "GET" : "POST",
      signal,
      headers,
      // The name is not resolved a second time, because the answer could differ.
      lookup: (_host, wanted, done) => {
        if (wanted.all) (done as unknown as (err: null, all: { address: string; family: number }[]) => void)(null, all);
        else done(null, all[0]!.address, all[0]!.family);
      },
    });
    request.on("response", resolve);
    request.on("error", (err) => reject(unreadable(url.host, err, signal)));
    request.end(options.body);
  });
}

type BodyOptions = Pick<GuardedFetchOptions, "maxBytes" | "tooLarge"> & { host: string; signal: AbortSignal };

async function readBody(
  response: IncomingMessage,
  { maxBytes, tooLarge = "refuse", host, signal }: BodyOptions,
): Promise<{ bytes: Uint8Array; isCut: boolean }> {
  const refusal = (): GatewayError => new GatewayError("TOO_LARGE", `the file at ${host} is larger than ${maxBytes} bytes`);
  try {
    if (tooLarge === "refuse" && Number(response.headers["content-length"] ?? 0) > maxBytes) throw refusal();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of (await decompress(response)) as AsyncIterable<Buffer>) {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes) continue;
      if (tooLarge === "refuse") throw refusal();
      return { bytes: Buffer.concat(chunks, maxBytes), isCut: true };
    }
    return { bytes: Buffer.concat(chunks), isCut: false };
  } catch (err) {
    throw err instanceof GatewayError ? err : unreadable(host, err, signal);
  } finally {
    response.destroy();
  }
}

/** The content as it was before it was compressed for the way. */
async function decompress(response: IncomingMessage): Promise<Readable> {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || encoding === "") return response;
  const { createBrotliDecompress, createGunzip, createInflate } = await import("node:zlib");
  const decompressors = { gzip: createGunzip, "x-gzip": createGunzip, deflate: createInflate, br: createBrotliDecompress };
  if (!Object.hasOwn(decompressors, encoding)) throw new Error(`its encoding ${encoding.slice(0, 40)} is not supported`);
  // The reader gets the error of either stream.
  return pipeline(response, decompressors[encoding as keyof typeof decompressors](), () => {});
}

const mimeOf = (header: string | undefined): string =>
  /^[\w.+-]{1,100}\/[\w.+-]{1,100}/.exec(header ?? "")?.[0].toLowerCase() ?? "application/octet-stream";

const charsetOf = (header: string | undefined): string | null =>
  /;\s{0,9}charset\s{0,9}=\s{0,9}"?([\w.:+-]{1,40})/i.exec(header ?? "")?.[1]?.toLowerCase() ?? null;
