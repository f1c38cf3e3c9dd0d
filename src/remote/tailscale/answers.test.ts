import assert from "node:assert/strict";
import { test } from "node:test";
import { leadsTo, parseServeStatus, parseStatus, parseWhois, type ServedRoute } from "./answers.ts";
import { peerUser } from "./peer-process.ts";
import { claimFailure, modeProblem } from "./requirements.ts";
import { TailnetWhois } from "./whois.ts";

// Shapes as `tailscale` prints them; recorded from its documentation and from reports on 2026-11-29, not from a real one.
const SERVE_STATUS = {
  TCP: { 443: { HTTPS: true } },
  Web: { "vm.tail1.ts.net:443": { Handlers: { "/": { Proxy: "http://127.0.0.1:18789" }, "/static": { Path: "/srv" } } } },
  Foreground: {
    s1: {
      TCP: { 8443: { HTTPS: true } },
      Web: { "vm.tail1.ts.net:8443": { Handlers: { "/": { Proxy: "http://127.0.0.1:4000" } } } },
      AllowFunnel: { "vm.tail1.ts.net:8443": true },
    },
  },
};

const status = (self: unknown): string => JSON.stringify({ BackendState: "Running", Self: self });

const route = (proxy: string): ServedRoute => ({ hostPort: "h:443", path: "/", proxy, funnel: false, session: null });

test("the status of Tailscale gives the name of this machine, or its first address", () => {
  assert.deepEqual(parseStatus(status({ DNSName: "VM.tail1.ts.net.", TailscaleIPs: ["100.64.0.1"] })), {
    backendState: "Running",
    host: "vm.tail1.ts.net",
  });
  assert.deepEqual(parseStatus(status({ DNSName: "", TailscaleIPs: ["100.64.0.1", "fd7a::1"] })), {
    backendState: "Running",
    host: "100.64.0.1",
  });
  assert.equal(parseStatus(status({ DNSName: "evil\r\nhost" }))?.host, null);
  for (const text of ["", "null", "[]", "{", "failed to connect to local tailscale", '{"BackendState":7}'])
    assert.equal(parseStatus(text), null, text);
});

test("routes are read with those that a program holds, and whether they are open to the internet", () => {
  const routes = parseServeStatus(JSON.stringify(SERVE_STATUS));
  assert.deepEqual(routes, [
    { hostPort: "vm.tail1.ts.net:443", path: "/", proxy: "http://127.0.0.1:18789", funnel: false, session: null },
    { hostPort: "vm.tail1.ts.net:8443", path: "/", proxy: "http://127.0.0.1:4000", funnel: true, session: "s1" },
  ]);
  assert.deepEqual(parseServeStatus("{}"), []);
  assert.deepEqual(parseServeStatus(""), []);
  assert.equal(parseServeStatus("no serve config"), null);
});

test("a route leads to a port of this machine, and to no other machine with that port", () => {
  for (const proxy of ["http://127.0.0.1:80", "http://localhost:80/", "127.0.0.1:80", "http://[::1]:80"].map((each) =>
    each.replace("80", "4000"),
  ))
    assert.equal(leadsTo(route(proxy), 4000), true, proxy);
  for (const proxy of ["http://127.0.0.1:4001", "http://192.0.2.1:4000", "http://127.0.0.1.evil.com:4000", ""])
    assert.equal(leadsTo(route(proxy), 4000), false, proxy);
});

test("whois names a person, and no machine", () => {
  assert.equal(
    parseWhois(JSON.stringify({ UserProfile: { LoginName: "ann@example.com", DisplayName: "Ann" }, Node: {} })),
    "ann@example.com",
  );
  for (const text of ["", "{}", "x", JSON.stringify({ UserProfile: { LoginName: "tagged-devices" } })])
    assert.equal(parseWhois(text), null, text);
});

test("whois is asked once for an address within a minute, and again soon after a failure", async () => {
  const asked: string[] = [];
  let login: string | null = null;
  let now = 0;
  const program = {
    run: (args: readonly string[]) => {
      asked.push(args.join(" "));
      return Promise.resolve({ code: 0, stdout: JSON.stringify({ UserProfile: { LoginName: login } }), stderr: "", timedOut: false });
    },
  };
  const whois = new TailnetWhois(program, { monotonic: () => now });
  assert.equal(await whois.isLogin("100.64.0.2", "ann@example.com"), false);
  login = "Ann@example.com";
  assert.equal(await whois.isLogin("100.64.0.2", "ann@example.com"), false);
  now = 5_000;
  assert.equal(await whois.isLogin("100.64.0.2", "ann@example.com"), true);
  assert.equal(await whois.isLogin("100.64.0.2", "bob@example.com"), false);
  now = 64_999;
  await whois.isLogin("100.64.0.2", "ann@example.com");
  assert.equal(asked.length, 2);
  now = 65_000;
  await whois.isLogin("100.64.0.2", "ann@example.com");
  assert.deepEqual(
    asked,
    Array.from({ length: 3 }, () => "whois --json 100.64.0.2"),
  );
});

test("funnel needs a password and serve a credential", () => {
  const rows = (["off", "serve", "funnel"] as const).flatMap((mode) =>
    (["token", "password", "none", "trusted-proxy"] as const).map((auth) => [mode, auth, modeProblem(mode, auth) === null] as const),
  );
  const refused = rows.filter(([, , isAllowed]) => !isAllowed).map(([mode, auth]) => `${mode} ${auth}`);
  assert.deepEqual(refused, ["serve none", "funnel token", "funnel none", "funnel trusted-proxy"]);
});

test("what Tailscale refuses is answered with what helps", () => {
  assert.match(claimFailure("error: Access denied: serve config denied", "serve").fix, /tailscale set --operator=\$USER/);
  assert.match(claimFailure("listener already exists for port 443", "serve").why, /TAILSCALE_ROUTE_OWNERSHIP_CONFLICT/);
  assert.match(claimFailure('Funnel not available; "funnel" node attribute not set', "funnel").fix, /node attribute funnel/);
  assert.match(claimFailure("Serve is not enabled on your tailnet.", "serve").fix, /HTTPS certificates/);
  assert.equal(claimFailure("", "serve").why, "tailscale serve ended without a reason");
});

test("the user at the other end of a loopback connection is found in the kernel's table", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0",
    "   1: 0100007F:4965 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1",
    "   2: 0100007F:C350 0100007F:4965 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1",
  ].join("\n");
  assert.equal(peerUser(table, 0xc350, 0x4965), 1000);
  assert.equal(peerUser(table, 0x4965, 0xc350), 0);
  assert.equal(peerUser(table, 1, 0x4965), null);
});
