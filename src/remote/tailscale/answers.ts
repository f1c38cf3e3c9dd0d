import { asObject, asString, asStrings, fieldsOf, tryParseJson } from "../../core/json.ts";

// What `tailscale ... --json` prints, as far as it is used. Everything in it is checked: it comes from another program.

export type TailscaleStatus = {
  /** `Running`, `Starting`, `NoState`, `NeedsLogin`, `Stopped`, ... */
  backendState: string;
  /** Name of this machine in the tailnet, without the last dot; else its first address. Null: it has neither. */
  host: string | null;
};

/** `tailscale status --json`; null when it is something else. */
export function parseStatus(text: string): TailscaleStatus | null {
  const { BackendState, Self } = fieldsOf(tryParseJson(text));
  const backendState = asString(BackendState);
  if (backendState === "") return null;
  const self = fieldsOf(Self);
  const name = asString(self["DNSName"]).replace(/\.$/, "").toLowerCase();
  const address = asStrings(self["TailscaleIPs"])[0] ?? null;
  return { backendState, host: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name) ? name : address };
}

/** A route of `serve`: what one host and port leads to. `session`: of the program that holds it; null: it was set for good. */
export type ServedRoute = { hostPort: string; path: string; proxy: string; funnel: boolean; session: string | null };

/** `tailscale serve status --json`: also the routes that a running program holds, which the text form does not show. */
export function parseServeStatus(text: string): ServedRoute[] | null {
  const status = text.trim() === "" ? {} : asObject(tryParseJson(text));
  if (status === null) return null;
  const held = Object.entries(fieldsOf(status["Foreground"])).flatMap(([session, config]) => routesOf(fieldsOf(config), session));
  return [...routesOf(status, null), ...held];
}

function routesOf(config: Readonly<Record<string, unknown>>, session: string | null): ServedRoute[] {
  const funnels = fieldsOf(config["AllowFunnel"]);
  return Object.entries(fieldsOf(config["Web"])).flatMap(([hostPort, web]) =>
    Object.entries(fieldsOf(fieldsOf(web)["Handlers"])).flatMap(([path, handler]) => {
      const proxy = asString(fieldsOf(handler)["Proxy"]);
      return proxy === "" ? [] : [{ hostPort, path, proxy, funnel: funnels[hostPort] === true, session }];
    }),
  );
}

/** Whether a route leads to a port of this machine. Pure. */
export function leadsTo({ proxy }: ServedRoute, port: number): boolean {
  const url = URL.parse(proxy.includes("://") ? proxy : `http://${proxy}`);
  return url !== null && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname) && Number(url.port) === port;
}

/** The login of `tailscale whois --json <address>`; null for a machine without a person (tags). */
export function parseWhois(text: string): string | null {
  const login = asString(fieldsOf(fieldsOf(tryParseJson(text))["UserProfile"])["LoginName"]).trim();
  return login === "" || login === "tagged-devices" ? null : login;
}
