// Who sent a request, by listener, address of the socket and headers: the whole table.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuthSettings } from "./credentials.ts";
import { TrustedProxies, type Listener, type PeerAttribution, type RequestHeaders } from "./trusted-proxy.ts";

const settings: AuthSettings = {
  mode: "token",
  token: null,
  password: null,
  proxy: null,
  trustedProxies: ["10.0.0.1"],
  pairWithSharedSecret: true,
};
const FORWARDED = { "x-forwarded-for": "100.64.0.2", "x-forwarded-proto": "https", "x-forwarded-host": "vm.tail1.ts.net" };
const LOGIN = { "tailscale-user-login": "ann@example.com", "tailscale-user-name": "Ann" };

type Row = [name: string, listener: Listener, remote: string, headers: RequestHeaders, expected: PeerAttribution["via"]];

const ROWS: readonly Row[] = [
  ["a plain request of this machine", "gateway", "127.0.0.1", {}, "direct"],
  ["a plain request of another machine", "gateway", "192.0.2.7", {}, "direct"],
  ["a trusted proxy", "gateway", "10.0.0.1", FORWARDED, "proxy"],
  ["a trusted proxy that passes on headers of Tailscale", "gateway", "10.0.0.1", { ...FORWARDED, ...LOGIN }, "proxy"],
  ["a trusted proxy with nothing but these", "gateway", "10.0.0.1", LOGIN, "direct"],
  ["an unknown proxy of this machine", "gateway", "127.0.0.1", FORWARDED, "refused"],
  ["an unknown proxy elsewhere", "gateway", "192.0.2.7", { forwarded: "for=1.2.3.4" }, "refused"],
  ["headers of Tailscale at the ordinary port, from this machine", "gateway", "127.0.0.1", LOGIN, "refused"],
  ["headers of Tailscale at the ordinary port, from the tailnet", "gateway", "100.64.0.2", LOGIN, "refused"],
  ["the marker of Funnel at the ordinary port", "gateway", "127.0.0.1", { "tailscale-funnel-request": "?1" }, "refused"],
  ["Tailscale with a login", "tailscale", "127.0.0.1", { ...FORWARDED, ...LOGIN }, "tailscale-serve"],
  ["Tailscale over IPv6", "tailscale", "::ffff:127.0.0.1", { ...FORWARDED, "x-forwarded-for": "fd7a:115c:a1e0::2" }, "tailscale-serve"],
  ["Tailscale without a login, as of a tagged machine", "tailscale", "127.0.0.1", FORWARDED, "tailscale-serve"],
  ["Funnel", "tailscale", "127.0.0.1", { ...FORWARDED, "tailscale-funnel-request": "?1" }, "tailscale-funnel"],
  [
    "Funnel with a login that someone added",
    "tailscale",
    "127.0.0.1",
    { ...FORWARDED, ...LOGIN, "tailscale-funnel-request": "?1" },
    "tailscale-funnel",
  ],
  ["a request to the listener for Tailscale without its headers", "tailscale", "127.0.0.1", {}, "refused"],
  ["a login alone", "tailscale", "127.0.0.1", LOGIN, "refused"],
  ["another machine at the listener for Tailscale", "tailscale", "192.0.2.7", { ...FORWARDED, ...LOGIN }, "refused"],
  ["a client address of this machine", "tailscale", "127.0.0.1", { ...FORWARDED, "x-forwarded-for": "127.0.0.1" }, "refused"],
  ["two client addresses", "tailscale", "127.0.0.1", { ...FORWARDED, "x-forwarded-for": "100.64.0.2, 100.64.0.3" }, "refused"],
  ["no client address", "tailscale", "127.0.0.1", { ...FORWARDED, "x-forwarded-for": "unknown" }, "refused"],
  ["a client without TLS", "tailscale", "127.0.0.1", { ...FORWARDED, "x-forwarded-proto": "http" }, "refused"],
  ["no forwarded host", "tailscale", "127.0.0.1", { ...FORWARDED, "x-forwarded-host": undefined }, "refused"],
];

test("every kind of request is attributed as the table says, and no header makes a login of it elsewhere", () => {
  const rules = new TrustedProxies(settings);
  for (const [name, listener, remote, headers, expected] of ROWS) {
    const found = rules.attributePeer(headers, remote, listener);
    assert.equal(found.via, expected, name);
    if ("user" in found) assert.equal(found.user, null, name);
    const login = found.via === "tailscale-serve" ? found.login : null;
    assert.equal(login, expected === "tailscale-serve" && headers["tailscale-user-login"] ? "ann@example.com" : null, name);
  }
});
