import { readFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".ico": "image/x-icon",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** Answered by the gateway; every other path is a file of the page, or the page itself. */
const GATEWAY_PATHS = /^\/(control-ui-config\.json$|v1\/|sessions\/|api\/|avatar\/)/;

export type PageServer = { close: () => void };

/**
 * Serves the built Control UI on one origin with the gateway: files from the directory, everything else forwarded unchanged, so that the
 * gateway sees the origin of the page.
 */
export async function servePage(dir: string, port: number, gatewayPort: number): Promise<PageServer> {
  // Assets are relative in the build. Both attributes are set by the server that hosts the page; without them it reloads and drops its token.
  const index = readFileSync(join(dir, "index.html"), "utf8")
    .replaceAll('="./', '="/')
    .replace("<html", '<html data-openclaw-control-ui-base-path="" data-openclaw-terminal-enabled="false"');
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, "http://page").pathname));
    if (GATEWAY_PATHS.test(path)) forwardRequest(request, response, gatewayPort);
    else serveFile(dir, path, index, response);
  });
  const sockets = new Set<Duplex>();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    forwardUpgrade(request, socket, head, gatewayPort);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

function serveFile(dir: string, path: string, index: string, response: ServerResponse): void {
  const type = TYPES[extname(path)];
  if (!type || path === "/index.html") {
    response.writeHead(200, { "content-type": "text/html" }).end(index);
    return;
  }
  try {
    const content = readFileSync(join(dir, path));
    response.writeHead(200, { "content-type": type }).end(content);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT") throw err;
    response.writeHead(404).end();
  }
}

function forwardRequest(request: IncomingMessage, response: ServerResponse, port: number): void {
  const { method, headers, url } = request;
  const upstream = httpRequest({ host: "127.0.0.1", port, method: method!, path: url!, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(response);
  });
  upstream.on("error", () => response.destroy());
  request.pipe(upstream);
}

function forwardUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, port: number): void {
  const upstream = connect(port, "127.0.0.1", () => {
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
  });
  upstream.on("error", () => socket.destroy());
  socket.on("error", () => upstream.destroy());
  socket.on("close", () => upstream.destroy());
  upstream.on("close", () => socket.destroy());
}
