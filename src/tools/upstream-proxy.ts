import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import { bypassesProxy, proxyFor, type ProxySettings } from "../core/proxy.ts";
import { reasonOf } from "../core/errors.ts";
import { RefusedError } from "./egress-rules.ts";
import { TOOL_LIMITS } from "./limits.ts";

/** The proxies of the gateway's environment, as they are given to a process. */
export type ProxyRoutes = Omit<ProxySettings, "http" | "https"> & { http: string | null; https: string | null };

export const toProxyRoutes = (settings: ProxySettings): ProxyRoutes => ({
  ...settings,
  http: settings.http?.href ?? null,
  https: settings.https?.href ?? null,
});

const FIX = "Correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY of the gateway, and restart it.";

/** The proxy of the gateway's environment by which a host is reached; null: directly. Throws RefusedError for a setting that cannot be used. */
export function routeTo(scheme: "http" | "https", { host, port }: { host: string; port: number }, routes: ProxyRoutes): URL | null {
  const settings = { ...routes, http: toUrl(routes.http), https: toUrl(routes.https) };
  try {
    const route = proxyFor(scheme, null, settings);
    return route === null || bypassesProxy(host, port, route.noProxy) ? null : route.url;
  } catch (err) {
    throw new RefusedError(reasonOf(err), FIX);
  }
}

const toUrl = (text: string | null): URL | null => (text === null ? null : new URL(text));

/** A connection through a proxy to the first of the checked addresses that it reaches: by its name the host would be resolved a second time. */
export async function openThrough(proxy: URL, addresses: readonly string[], port: number): Promise<Socket> {
  let problem = "it has no address";
  // Not every proxy reaches IPv6.
  for (const address of addresses.toSorted((a, b) => isIP(a) - isIP(b))) {
    const opened = await connectBy(proxy, `${isIP(address) === 6 ? `[${address}]` : address}:${port}`);
    if (typeof opened !== "string") return opened;
    problem = opened;
  }
  throw new RefusedError(`the proxy ${proxy.host} ${problem}`, `It has to allow CONNECT to the address. ${FIX}`);
}

/** Resolves to the connection, or to why there is none. */
function connectBy(proxy: URL, authority: string): Promise<Socket | string> {
  const { username, password } = proxy;
  const credential = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  const request = proxy.protocol === "https:" ? secureRequest : plainRequest;
  return new Promise((resolve) => {
    const asked = request({
      host: proxy.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...(username !== "" && { "proxy-authorization": `Basic ${credential}` }) },
      timeout: TOOL_LIMITS.egressConnectMs,
      agent: false,
    });
    asked.once("connect", (response, socket: Socket, head) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        return void resolve(`answered ${response.statusCode} to CONNECT ${authority}`);
      }
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.once("response", (response) => {
      asked.destroy();
      resolve(`answered ${response.statusCode} to CONNECT ${authority}`);
    });
    asked.once("timeout", () => asked.destroy(new Error("no answer in time")));
    asked.once("error", (err) => resolve(`cannot be reached: ${reasonOf(err)}`));
    asked.end();
  });
}
