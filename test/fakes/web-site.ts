import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { guardedFetch, type GuardedFetch } from "../../src/tools/web/guarded-fetch.ts";
import { isPublicAddress } from "../../src/tools/public-address.ts";

export type WebSite = {
  /** `http://site.example:<port>` */
  origin: string;
  port: number;
  /** Method and path of every request, with what it sent. */
  requests: { line: string; headers: IncomingMessage["headers"]; body: string }[];
  /** The guarded fetch to which `site.example` is a public name; other addresses of this machine stay refused. */
  fetch: GuardedFetch;
};

async function resolve(host: string): Promise<readonly string[]> {
  if (host === "site.example") return ["127.0.0.1"];
  if (host === "inside.example") return ["10.0.0.7"];
  throw new Error(`there is no ${host}`);
}

const fetch: GuardedFetch = (url, options) =>
  guardedFetch(url, { resolve, isAllowed: (address) => address === "127.0.0.1" || isPublicAddress(address), ...options });

/** A site of the web on this machine, for the time of a test. */
export async function startWebSite(t: TestContext, listener: RequestListener): Promise<WebSite> {
  const requests: WebSite["requests"] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks).toString() });
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://site.example:${port}`, port, requests, fetch };
}
