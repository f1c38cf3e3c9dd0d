/** Why a proxy setting cannot be used, and how to fix it. */
export type ProxyProblem = { name: string; message: string; fix: string };

/** The proxies that the environment names, by the scheme of the target; null: connect directly. */
export type ProxySettings = {
  http: URL | null;
  https: URL | null;
  /** Hosts that are reached directly, as `NO_PROXY` lists them; this machine is always among them. */
  noProxy: string;
  problems: readonly ProxyProblem[];
};

/** This machine is always reached directly, so that local daemons and model servers work while a proxy is set. */
const LOOPBACK = "localhost,127.0.0.1-127.255.255.255,::1,[::1]";

/** The URL of an HTTP proxy, or what is wrong with it. Credentials in it are allowed (`http://user:password@proxy:3128`). */
export function parseProxyUrl(text: string): { url: URL } | { message: string; fix: string } {
  const fix = "Use the address of an HTTP proxy, e.g. http://proxy.example:3128.";
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (!url || url.hostname === "") return { message: "is not an address", fix };
  if (url.protocol.startsWith("socks")) return { message: "names a SOCKS proxy, which is not supported", fix };
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return { message: `has the scheme ${url.protocol.slice(0, 20)}, which is not supported`, fix };
  return { url };
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment, the lower-case names first, as curl and Node read them. A value
 * that cannot be used is a problem, never a direct connection: see `proxyFor`. `ALL_PROXY` is reported, because it has no effect.
 */
export function readProxySettings(env: Env): ProxySettings {
  const problems: ProxyProblem[] = [];
  const read = (lower: string): URL | null => {
    const name = env[lower] ? lower : lower.toUpperCase();
    const text = env[name]?.trim();
    if (!text) return null;
    const parsed = parseProxyUrl(text);
    if ("url" in parsed) return parsed.url;
    problems.push({ name, ...parsed });
    return null;
  };
  const http = read("http_proxy");
  const https = read("https_proxy");
  if ((env["all_proxy"] || env["ALL_PROXY"]) && (http === null || https === null)) {
    problems.push({
      name: env["all_proxy"] ? "all_proxy" : "ALL_PROXY",
      message: "has no effect here",
      fix: "Set HTTPS_PROXY (and HTTP_PROXY) instead.",
    });
  }
  const listed = (env["no_proxy"] || env["NO_PROXY"] || "").trim();
  return { http, https, noProxy: listed === "" ? LOOPBACK : `${listed},${LOOPBACK}`, problems };
}

/**
 * The settings for one account or target: its own proxy, which is used for every host but this machine, or those of the environment.
 * Throws when that proxy setting is invalid: traffic never bypasses a proxy that is set.
 */
export function proxyFor(scheme: "http" | "https", own: string | null, settings: ProxySettings): { url: URL; noProxy: string } | null {
  if (own !== null) {
    const parsed = parseProxyUrl(own);
    if (!("url" in parsed)) throw new Error(`the proxy of this account ${parsed.message}`);
    return { url: parsed.url, noProxy: LOOPBACK };
  }
  const broken = settings.problems.find(({ name }) => name.toLowerCase() === `${scheme}_proxy`);
  if (broken) throw new Error(`${broken.name} ${broken.message}`);
  const url = settings[scheme];
  return url && { url, noProxy: settings.noProxy };
}

/** Whether `NO_PROXY` lets a host be reached directly: `*`, names with everything below them, `host:port`, addresses and ranges of IPv4. */
export function bypassesProxy(hostname: string, port: number, noProxy: string): boolean {
  const host = hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      const range = /^(\d+(?:\.\d+){3})-(\d+(?:\.\d+){3})$/.exec(entry);
      if (range) return toNumber(host) >= toNumber(range[1]!) && toNumber(host) <= toNumber(range[2]!);
      const { name, wanted } = splitPort(entry);
      if (wanted !== null && wanted !== port) return false;
      const bare = name.replace(/^\*?\./, "");
      return host === bare || host.endsWith(`.${bare}`);
    });
}

/** `host:port`, `[::1]:port`, or only a host; an address of IPv6 without brackets has no port. */
function splitPort(entry: string): { name: string; wanted: number | null } {
  const bracketed = /^\[(.*)\](?::(\d{1,5}))?$/.exec(entry);
  if (bracketed) return { name: bracketed[1]!, wanted: bracketed[2] === undefined ? null : Number(bracketed[2]) };
  const plain = /^([^:]*):(\d{1,5})$/.exec(entry);
  return plain ? { name: plain[1]!, wanted: Number(plain[2]) } : { name: entry, wanted: null };
}

/** An IPv4 address as a number; NaN for everything else. */
const toNumber = (address: string): number =>
  /^\d+(?:\.\d+){3}$/.test(address) ? address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) : Number.NaN;
