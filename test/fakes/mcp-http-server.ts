// MCP servers that are reached over HTTP, made with the official library: the newer transport at /mcp, the older one at /sse.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

export type McpHttpServer = {
  origin: string;
  /** Method and path of every request, with the value of the header `x-key`. */
  requests: string[];
  /** Sessions that were begun and not ended. */
  sessions: () => number;
  /** What every further request is answered with instead. */
  answer: (handler: ((request: IncomingMessage, response: ServerResponse) => void) | null) => void;
  /** The server forgets its sessions. */
  forget: () => void;
};

function makeServer(): McpServer {
  const server = new McpServer({ name: "http", version: "1" });
  server.registerTool("greet", { description: "Greets." }, async () => ({ content: [{ type: "text", text: "hello" }] }));
  return server;
}

/** `guard` answers a request itself when it returns true. */
export async function startMcpHttpServer(
  t: TestContext,
  guard: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<McpHttpServer> {
  const requests: string[] = [];
  const streamable = new Map<string, StreamableHTTPServerTransport>();
  const sse = new Map<string, SSEServerTransport>();
  let handler: ((request: IncomingMessage, response: ServerResponse) => void) | null = null;

  const onStreamable = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = request.headers["mcp-session-id"];
    const known = typeof id === "string" ? streamable.get(id) : undefined;
    if (known) return await known.handleRequest(request, response);
    if (id !== undefined) return void response.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (session) => void streamable.set(session, transport),
      onsessionclosed: (session) => void streamable.delete(session),
    });
    await makeServer().connect(transport as never);
    await transport.handleRequest(request, response);
  };
  const onSse = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const known = sse.get(url.searchParams.get("sessionId") ?? "");
    if (request.method === "POST") return known ? await known.handlePostMessage(request, response) : void response.writeHead(404).end();
    const transport = new SSEServerTransport("/sse", response);
    sse.set(transport.sessionId, transport);
    response.on("close", () => sse.delete(transport.sessionId));
    await makeServer().connect(transport);
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://localhost");
    requests.push(`${request.method} ${url.pathname} ${String(request.headers["x-key"] ?? "-")}`);
    if (handler) return handler(request, response);
    if (guard(request, response)) return;
    if (url.pathname === "/moved") return void response.writeHead(307, { location: "/mcp" }).end();
    if (url.pathname === "/mcp") return void onStreamable(request, response);
    if (url.pathname === "/sse" && request.method !== "POST") return void onSse(request, response, url);
    if (url.pathname === "/sse" && url.search !== "") return void onSse(request, response, url);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    sessions: () => streamable.size + sse.size,
    answer: (next) => (handler = next),
    forget: () => streamable.clear(),
  };
}
