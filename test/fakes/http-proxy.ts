import { createServer, request, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** What the proxy was asked for: `CONNECT host:port`, or `GET http://host/path`. */
export type HttpProxy = { url: string; asked: string[]; credentials: Set<string>; close: () => Promise<void> };

/** A forward proxy on loopback that leads every host to `127.0.0.1:targetPort`. `status`: what it answers instead to CONNECT. */
export async function startHttpProxy(targetPort: () => number, { status = 200 }: { status?: number } = {}): Promise<HttpProxy> {
  const asked: string[] = [];
  const credentials = new Set<string>();
  const tunnels = new Set<Duplex>();
  const server: Server = createServer((incoming, answer) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const { pathname, search } = new URL(incoming.url!);
    const forward = request({
      port: targetPort(),
      host: "127.0.0.1",
      method: incoming.method,
      path: pathname + search,
      headers: incoming.headers,
    });
    forward.on("response", (response) => {
      answer.writeHead(response.statusCode!, response.headers);
      response.pipe(answer);
    });
    forward.on("error", () => answer.writeHead(502).end());
    incoming.pipe(forward);
  });
  server.on("connect", (incoming, client) => {
    asked.push(`CONNECT ${incoming.url}`);
    credentials.add(String(incoming.headers["proxy-authorization"] ?? ""));
    tunnels.add(client);
    client.on("error", () => client.destroy());
    client.on("close", () => tunnels.delete(client));
    if (status !== 200) return client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const target = connect(targetPort(), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      target.pipe(client);
      client.pipe(target);
    });
    target.on("error", () => client.destroy());
    client.on("close", () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    credentials,
    close: () => {
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
