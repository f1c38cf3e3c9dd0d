import { randomBytes } from "node:crypto";
import {
  auth,
  extractWWWAuthenticateParams,
  type AuthProvider,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import { GatewayError } from "../core/errors.ts";
import { secureEquals } from "../core/secure-compare.ts";
import { isPublicAddress } from "../tools/public-address.ts";
import { guardedFetch } from "../tools/web/guarded-fetch.ts";
import type { HttpFetch } from "./http-fetch.ts";
import { MCP_LIMITS } from "./limits.ts";
import type { LoginPart, LoginStore } from "./login-store.ts";

type Fetch = HttpFetch["fetch"];

export type OAuthOptions = {
  /** Name of the server. */
  name: string;
  url: URL;
  /** Rights to ask for, from the configuration. */
  scope: string | undefined;
  store: LoginStore;
  send: Fetch;
  now: () => number;
};

/** The server wants a person to sign in; the message says how. */
export class LoginRequired extends Error {
  constructor(name: string) {
    super(`it wants you to sign in: openclaw mcp login ${name}`);
  }
}

/** Where no one is redirected to: a sign-in is begun by a command, never by a connection. */
const NO_REDIRECT = "http://127.0.0.1/";

type PartOptions = { scope: string | undefined; now: () => number; save: () => Promise<void>; onRedirect?: () => never };

/** What the client library keeps, in one part of a sign-in. `save` stores it. */
class PartProvider implements OAuthClientProvider {
  /** Where a person is to sign in. */
  authorizationUrl: URL | null = null;
  readonly #part: LoginPart;
  readonly #options: PartOptions;

  constructor(part: LoginPart, options: PartOptions) {
    this.#part = part;
    this.#options = options;
  }

  get redirectUrl(): string {
    return this.#part.redirectUrl ?? NO_REDIRECT;
  }

  get clientMetadata(): OAuthClientMetadata {
    const { scope } = this.#options;
    return {
      client_name: "OpenClaw gateway",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      ...(scope !== undefined && { scope }),
    };
  }

  async state(): Promise<string> {
    this.#part.state = randomBytes(24).toString("base64url");
    await this.#options.save();
    return this.#part.state;
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.#part.client as StoredOAuthClientInformation | undefined;
  }

  async saveClientInformation(client: StoredOAuthClientInformation): Promise<void> {
    this.#part.client = { ...client };
    await this.#options.save();
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#part.tokens as StoredOAuthTokens | undefined;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    this.#part.tokens = { ...tokens };
    delete this.#part.expiresAt;
    if (typeof tokens.expires_in === "number") this.#part.expiresAt = this.#options.now() + tokens.expires_in * 1_000;
    await this.#options.save();
  }

  redirectToAuthorization(url: URL): void {
    this.#options.onRedirect?.();
    this.authorizationUrl = url;
  }

  async saveCodeVerifier(verifier: string): Promise<void> {
    this.#part.verifier = verifier;
    await this.#options.save();
  }

  codeVerifier(): string {
    return this.#part.verifier ?? "";
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#part.discovery as OAuthDiscoveryState | undefined;
  }

  async saveDiscoveryState(state: OAuthDiscoveryState): Promise<void> {
    this.#part.discovery = { ...state };
    await this.#options.save();
  }

  async invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): Promise<void> {
    if (scope === "all" || scope === "client") delete this.#part.client;
    if (scope === "all" || scope === "tokens") delete this.#part.tokens;
    if (scope === "all" || scope === "verifier") delete this.#part.verifier;
    if (scope === "all" || scope === "discovery") delete this.#part.discovery;
    await this.#options.save();
  }
}

/** The access token for the requests to a server. It is refreshed before it expires, and when the server refuses it, by one request at a time. */
export function bearerToken(options: OAuthOptions): AuthProvider {
  const { name, url, scope, store, now } = options;
  let refreshing: Promise<void> | null = null;
  let refreshedAt = -Infinity;
  const refresh = async (): Promise<void> => {
    const login = await store.read();
    const part = login.active;
    if (!part?.tokens) throw new LoginRequired(name);
    const onRedirect = (): never => {
      throw new LoginRequired(name);
    };
    const provider = new PartProvider(part, { scope, now, save: () => store.write(login), onRedirect });
    await auth(provider, { serverUrl: url, fetchFn: authorizationFetch(options) });
    refreshedAt = now();
  };
  const refreshOnce = (): Promise<void> => (refreshing ??= refresh().finally(() => (refreshing = null)));
  return {
    token: async () => {
      const { active } = await store.read();
      if (!active?.tokens) throw new LoginRequired(name);
      const isExpiring = active.expiresAt !== undefined && active.expiresAt - now() < MCP_LIMITS.tokenEarlyMs;
      if (!isExpiring || active.tokens["refresh_token"] === undefined) return String(active.tokens["access_token"]);
      await refreshOnce();
      return String((await store.read()).active?.tokens?.["access_token"]);
    },
    onUnauthorized: async () => {
      // Another request may have been refused with the token that is replaced by now.
      if (refreshing === null && Math.abs(now() - refreshedAt) < MCP_LIMITS.tokenEarlyMs) return;
      await refreshOnce();
    },
  };
}

/** Remembers which rights a server asks for when it refuses a request for want of them; the next sign-in asks for these. */
export async function noteRefusal(store: LoginStore, response: Response): Promise<void> {
  if (response.status !== 403) return;
  const { error, scope } = extractWWWAuthenticateParams(response);
  if (error !== "insufficient_scope" || scope === undefined) return;
  await store.write({ ...(await store.read()), wantedScope: scope });
}

/** Begins a sign-in; resolves to the address that a person opens. The tokens of the one before stay until it is completed. */
export async function startLogin(options: OAuthOptions, redirectUrl: string): Promise<string> {
  const { url, store, now } = options;
  const login = await store.read();
  const scopes = new Set(`${options.scope ?? ""} ${login.wantedScope ?? ""}`.split(" ").filter(Boolean));
  const scope = scopes.size > 0 ? [...scopes].join(" ") : undefined;
  const pending: LoginPart = { redirectUrl };
  login.pending = pending;
  const provider = new PartProvider(pending, { scope, now, save: () => store.write(login) });
  const { resourceMetadataUrl, scope: asked } = await challengeOf(options);
  await auth(provider, {
    serverUrl: url,
    fetchFn: authorizationFetch(options),
    ...(scope !== undefined ? { scope } : asked !== undefined && { scope: asked }),
    ...(resourceMetadataUrl && { resourceMetadataUrl }),
  });
  if (!provider.authorizationUrl) throw new Error("the server named no address for the sign-in");
  return provider.authorizationUrl.href;
}

/** What the server answers to a request without a token. */
async function challengeOf({ url, send }: OAuthOptions): Promise<ReturnType<typeof extractWWWAuthenticateParams>> {
  const response = await send(url, {
    method: "POST",
    headers: { accept: "application/json, text/event-stream", "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "ping" }),
    signal: AbortSignal.timeout(MCP_LIMITS.loginMs),
  });
  await response.body?.cancel();
  return extractWWWAuthenticateParams(response);
}

/** Completes a sign-in with the address to which the person was redirected, or only the code in it. */
export async function finishLogin(options: OAuthOptions, callback: string): Promise<void> {
  const { url, scope, store, now } = options;
  const login = await store.read();
  const { pending } = login;
  if (!pending?.verifier)
    throw new GatewayError("INVALID_REQUEST", `no sign-in at ${options.name} was begun`, { fix: `openclaw mcp login ${options.name}` });
  const { code, iss } = readCallback(callback, pending);
  const provider = new PartProvider(pending, { scope, now, save: () => store.write(login) });
  await auth(provider, {
    serverUrl: url,
    authorizationCode: code,
    fetchFn: authorizationFetch(options),
    ...(iss !== undefined && { iss }),
  });
  const { client, tokens, discovery, redirectUrl, expiresAt } = pending;
  const active = { client, tokens, discovery, redirectUrl, expiresAt };
  await store.write({ url: login.url, active: Object.fromEntries(Object.entries(active).filter(([, value]) => value !== undefined)) });
}

function readCallback(callback: string, pending: LoginPart): { code: string; iss?: string } {
  const query = /[?&=]/.test(callback) ? new URLSearchParams(callback.replace(/^[^?]*\?/, "")) : null;
  if (query === null) return { code: callback.trim() };
  const [code, state, iss, error] = ["code", "state", "iss", "error"].map((name) => query.get(name));
  if (error) throw new GatewayError("INVALID_REQUEST", `the sign-in was refused: ${error.slice(0, 100)}`);
  if (!code) throw new GatewayError("INVALID_REQUEST", "the address has no code", { fix: "Copy the whole address of the page." });
  if (!state || !secureEquals(state, pending.state ?? ""))
    throw new GatewayError("INVALID_REQUEST", "the address belongs to another sign-in", {
      fix: "Begin again, and use the page that opens then.",
    });
  return { code, ...(iss && { iss }) };
}

/**
 * HTTP for the addresses that a server names for the sign-in. Only its own origin is reached like the server itself; all others have to be on the
 * public internet, unless the server is on this machine or a private network too.
 */
function authorizationFetch({ url, send }: OAuthOptions): Fetch {
  const isPrivate =
    url.hostname === "localhost" || (/^[\d.]+$|^\[/.test(url.hostname) && !isPublicAddress(url.hostname.replace(/^\[(.*)\]$/, "$1")));
  return async (target, init = {}) => {
    const to = new URL(target);
    const signal = AbortSignal.any([AbortSignal.timeout(MCP_LIMITS.loginMs), ...(init.signal ? [init.signal] : [])]);
    if (to.origin === url.origin || isPrivate) return await send(to, { ...init, signal });
    const body = init.body === undefined || init.body === null ? undefined : String(init.body as string | URLSearchParams);
    const answer = await guardedFetch(to.href, {
      maxBytes: MCP_LIMITS.loginBytes,
      anyStatus: true,
      signal,
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(body !== undefined && { body }),
    });
    return new Response(Buffer.from(answer.bytes), { status: answer.status, headers: { "content-type": answer.mimeType } });
  };
}
