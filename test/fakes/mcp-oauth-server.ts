// An MCP server that wants a person to sign in, with its authorization server: registration, PKCE, refresh with rotation, rights.
import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { startMcpHttpServer, type McpHttpServer } from "./mcp-http-server.ts";

type Grant = { clientId: string; scope: string; /** Of a code. */ challenge?: string };

export type McpOAuthServer = {
  resource: McpHttpServer;
  issuer: string;
  /** Path of every request to the authorization server. */
  requests: string[];
  /** A person opens the address and agrees; resolves to the address that they are redirected to. */
  agree: (url: string) => Promise<string>;
  /** Access tokens that were issued stop working. */
  expire: () => void;
  /** Nothing that was issued works any more. */
  revoke: () => void;
  /** Rights that the resource wants. */
  want: (scope: string) => void;
  /** What the authorization server says of itself. */
  metadata: Record<string, unknown>;
  /** Seconds until a token expires. */
  lifetime: (seconds: number) => void;
};

const sendJson = (response: ServerResponse, status: number, value: unknown): void =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

export async function startMcpOAuthServer(t: TestContext): Promise<McpOAuthServer> {
  const requests: string[] = [];
  const clients = new Map<string, string[]>();
  const codes = new Map<string, Grant>();
  const access = new Map<string, Grant>();
  const refresh = new Map<string, Grant>();
  let wanted = "tools";
  let lifetime = 3_600;

  const resource = await startMcpHttpServer(t, (request, response) => {
    if (request.url!.startsWith("/.well-known/oauth-protected-resource")) {
      sendJson(response, 200, { resource: `${resource.origin}/mcp`, authorization_servers: [issuer], scopes_supported: ["tools"] });
      return true;
    }
    const grant = access.get((request.headers.authorization ?? "").replace(/^Bearer /, ""));
    const about = `resource_metadata="${resource.origin}/.well-known/oauth-protected-resource/mcp"`;
    if (!grant) {
      response.writeHead(401, { "www-authenticate": `Bearer ${about}` }).end();
      return true;
    }
    if (wanted.split(" ").every((scope) => grant.scope.split(" ").includes(scope))) return false;
    response.writeHead(403, { "www-authenticate": `Bearer error="insufficient_scope", scope="${wanted}", ${about}` }).end();
    return true;
  });

  const issue = (response: ServerResponse, grant: Grant): void => {
    const [token, next] = [`access-${randomUUID()}`, `refresh-${randomUUID()}`];
    access.set(token, grant);
    refresh.set(next, grant);
    sendJson(response, 200, { access_token: token, refresh_token: next, token_type: "bearer", expires_in: lifetime, scope: grant.scope });
  };
  const onToken = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const given = Object.fromEntries(new URLSearchParams(await bodyOf(request))) as Record<string, string | undefined>;
    const isCode = given["grant_type"] === "authorization_code";
    const key = (isCode ? given["code"] : given["refresh_token"]) ?? "";
    const grant = isCode ? codes.get(key) : refresh.get(key);
    codes.delete(key);
    refresh.delete(key);
    const challenge = createHash("sha256")
      .update(given["code_verifier"] ?? "")
      .digest("base64url");
    const isRight = grant && grant.clientId === given["client_id"] && (!isCode || challenge === grant.challenge);
    if (!isRight) return sendJson(response, 400, { error: "invalid_grant", error_description: "not valid" });
    issue(response, { clientId: grant.clientId, scope: grant.scope });
  };
  const onAuthorize = (response: ServerResponse, query: URLSearchParams): void => {
    const [clientId, redirectUri] = [query.get("client_id") ?? "", query.get("redirect_uri") ?? ""];
    if (!clients.get(clientId)?.includes(redirectUri)) return void response.writeHead(400).end();
    const code = `code-${randomUUID()}`;
    codes.set(code, { clientId, scope: query.get("scope") ?? "", challenge: query.get("code_challenge") ?? "" });
    const to = new URL(redirectUri);
    to.search = new URLSearchParams({ code, state: query.get("state") ?? "", iss: issuer }).toString();
    response.writeHead(302, { location: to.href }).end();
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://localhost");
    requests.push(url.pathname);
    if (url.pathname.startsWith("/.well-known/")) return sendJson(response, 200, metadata);
    if (url.pathname === "/authorize") return onAuthorize(response, url.searchParams);
    if (url.pathname === "/token") return void onToken(request, response);
    if (url.pathname !== "/register") return void response.writeHead(404).end();
    void bodyOf(request).then((text) => {
      const client = JSON.parse(text) as { redirect_uris: string[] };
      const id = randomUUID();
      clients.set(id, client.redirect_uris);
      sendJson(response, 201, { ...client, client_id: id });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const metadata: Record<string, unknown> = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    response_types_supported: ["code"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported: ["none"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
  };
  return {
    resource,
    issuer,
    requests,
    metadata,
    agree: async (url) => (await fetch(url, { redirect: "manual" })).headers.get("location")!,
    expire: () => access.clear(),
    revoke: () => {
      access.clear();
      refresh.clear();
    },
    want: (scope) => (wanted = scope),
    lifetime: (seconds) => (lifetime = seconds),
  };
}
