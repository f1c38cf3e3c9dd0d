// Fetches on behalf of content go through one guarded function: every other way to the network is on this list, with its reason.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

/** Whatever opens a connection or sends a request. Types and servers that only listen are none. */
const WAYS: readonly RegExp[] = [
  /(?<![.\w#])fetch\(/,
  /\bimport\s*\{[^}]*\b(?:request|get)\b[^}]*\}\s*from\s*"node:(?:http|https)"/,
  /\bimport\s*\{[^}]*\b(?:connect|createConnection|Socket(?! *[},] *from "node:net"))\b[^}]*\}\s*from\s*"node:(?:net|tls|http2)"/,
  /\bimport\s+(?:\*\s+as\s+)?\w+\s+from\s*"node:(?:http|https|net|tls|http2|dgram)"/,
  /\b(?:import|require)\(\s*["']node:(?:http|https|net|tls|http2|dgram)["']\s*\)/,
  /from\s*"(?:node:http2|node:dgram|undici|ws|axios|got|node-fetch)"/,
  /\bnew (?:WebSocket|EventSource|XMLHttpRequest)\(/,
  /\bsendBeacon\(/,
];

const ALLOWED: Readonly<Record<string, string>> = {
  "src/agents/models.ts": "asks servers of this machine, at addresses that are constants, whether they are model servers",
  "src/channels/http.ts": "the API of a platform; addresses come from the configuration and from the platform",
  "src/channels/irc/connection.ts": "the configured IRC server",
  "src/channels/websocket.ts": "the socket of a platform",
  "src/cli/doctor-system.ts": "our command, to the configured servers of models, with --deep",
  "src/cli/remote-check.ts": "our command, to the gateway that its user names, hop by hop",
  "src/client/client.ts": "our client, to the gateway that its user names",
  "src/client/pinned-connection.ts": "our client, to a gateway whose certificate is pinned",
  "src/mcp/http-fetch.ts": "MCP servers, at the addresses of the configuration, and redirects within their origin",
  "src/peers/a2a/http.ts": "agents that speak A2A, at the addresses of the links of the configuration",
  "src/observe/otel/post.ts": "the collector of the configuration",
  "src/remote/discovery/multicast.ts": "multicast DNS of the local network, while discovery is on",
  "src/remote/ssh/tunnel.ts": "the private socket of an ssh that it has started",
  "src/server/listen.ts": "asks the holder of our own port whether it is a gateway",
  "src/server/server.ts": "listens; it loads the server of TLS on first use",
  "src/tools/egress-proxy.ts": "what browsers and sandboxed commands of agents ask for, to addresses that it has checked",
  "src/tools/upstream-proxy.ts": "the proxy of the gateway's environment, by which these addresses are reached",
  "src/tools/web/guarded-fetch.ts": "the guarded function itself",
  "src/tools/sandbox/relay.ts": "runs in the sandbox, and connects to the proxy of the gateway",
  "src/tools/sandbox/trial.ts": "the trial of the sandbox, inside of it, to a port of its own",
  "src/update/canary.ts": "the canary that it has started, on a port of this machine",
  "web/src/client.ts": "the page, to the host that served it",
};

/** Imports of types send nothing. */
const withoutTypes = (text: string): string => text.replaceAll(/\bimport type [^;]*;/g, "").replaceAll(/\btype \w+\s*,?\s*/g, "");

export const opensConnections = (text: string): boolean => WAYS.some((way) => way.test(withoutTypes(text)));

test("only the listed files reach the network", () => {
  const files = globSync(["src/**/*.ts", "web/src/**/*.{ts,tsx}"], { cwd: root }).map((file) => file.split(sep).join("/"));
  assert.ok(files.length > 200);
  const found = files.filter((file) => !file.endsWith(".test.ts") && opensConnections(readFileSync(join(root, file), "utf8")));
  assert.deepEqual(found.toSorted(), Object.keys(ALLOWED).toSorted());
});

test("what a client names is fetched by the guarded function and by nothing else", () => {
  const callers = globSync("src/**/*.ts", { cwd: root })
    .map((file) => relative(root, join(root, file)))
    .filter((file) => !file.endsWith(".test.ts") && /from "[^"]*guarded-fetch\.ts"/.test(readFileSync(join(root, file), "utf8")))
    .map((file) => file.split(sep).join("/"));
  assert.ok(callers.length > 0);
  for (const caller of callers) assert.match(caller, /^src\/(?:gateway|mcp|tools|methods)\//);
});

test("every way to the network is detected", () => {
  for (const text of [
    'const a = await fetch("http://x");',
    'import { get } from "node:http";',
    'import { request as requestHttps } from "node:https";',
    'import { connect as tcp, type Socket } from "node:net";',
    'import http from "node:http";',
    'import * as net from "node:net";',
    'const tls = await import("node:tls");',
    'import { fetch as f } from "undici";',
    "const ws = new WebSocket(url);",
    "new EventSource(url)",
    "navigator.sendBeacon(url)",
  ])
    assert.ok(opensConnections(text), text);
  for (const text of [
    'import type { Socket } from "node:net";',
    'import { isIP } from "node:net";',
    "deps.fetch(url)",
    "prefetch(x)",
    'import { createServer } from "node:http";',
  ])
    assert.ok(!opensConnections(text), text);
});
