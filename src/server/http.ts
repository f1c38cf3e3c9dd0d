import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { PeerFacts, Verified } from "../auth/authenticator.ts";
import { satisfies } from "../auth/scopes.ts";
import type { Listener, PeerAttribution } from "../auth/trusted-proxy.ts";
import { OFFICIAL_PATH } from "../core/control-ui-root.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Backlog } from "./backlog.ts";
import { ByteBudget, BudgetShare } from "./budget.ts";
import type { CredentialWatch } from "./credential-watch.ts";
import { Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { OpenAiRoutes } from "./openai.ts";
import { webhookRoutes } from "./channel-webhooks.ts";
import { a2aRoutes } from "./a2a.ts";
import { hookRoutes } from "./hooks.ts";
import { isHostAllowed, isOriginAllowed } from "./origin.ts";
import type { ServerDeps } from "./deps.ts";
import { sessionHistoryRoute } from "./session-history.ts";
import { toolsInvokeRoute } from "./tools-invoke.ts";
import { Page } from "./static.ts";

/** What the checks before any route found out; null when the request was refused and answered. */
export type ScreenedRequest = { facts: PeerFacts; peer: string; isEncrypted: boolean };

/** What requests share with the WebSockets of the same server. */
export type SharedResources = {
  credentialWatch: CredentialWatch;
  requestBudget: ByteBudget;
  backlog: Backlog;
  /** Which listener accepted the socket of a request. */
  listenerOf: (socket: Socket) => Listener;
};

/** Routes of the page that the browser may ask for directly. */
const PAGE_ROUTES = ["/", "/chat", "/chat/*"] as const;
const ASSET = /\.(?:m?js|css|json|map|ico|png|jpe?g|gif|webp|avif|svg|woff2?|wasm|webmanifest)$/i;

/** The HTTP half of the server: screening, one table of routes, everything else is 404. */
export class HttpRouter {
  readonly routes: readonly HttpRoute[];
  readonly #deps: ServerDeps;
  /** Monotonic. */
  readonly #startedAt: number;
  readonly #page: Page | null;
  readonly #exact = new Map<string, HttpRoute[]>();
  readonly #prefixes: HttpRoute[] = [];
  readonly #shared: SharedResources;
  /** Monotonic: until then refused proxies are not logged again. */
  #nextAttributionLog = 0;
  /** Bodies of requests that have proved nothing. */
  readonly #preAuthBodies = new ByteBudget(LIMITS.preAuthBodyBytes, LIMITS.preAuthBodyBytesPerPeer);

  constructor(deps: ServerDeps, shared: SharedResources) {
    this.#deps = deps;
    this.#shared = shared;
    deps.metrics.sample("gateway_server_held_request_bytes", () => [
      { labels: { authenticated: "yes" }, value: shared.requestBudget.held },
      { labels: { authenticated: "no" }, value: this.#preAuthBodies.held },
    ]);
    this.#startedAt = deps.clock.monotonic();
    this.#page = openPage(deps);
    this.routes = [
      ...this.#probeRoutes(),
      ...this.#metricsRoutes(),
      ...this.#pageRoutes(),
      ...this.#officialRoutes(),
      sessionHistoryRoute(deps.sessionHistory),
      toolsInvokeRoute(deps.invokeTool),
      ...new OpenAiRoutes(deps).routes,
      ...webhookRoutes(deps),
      ...hookRoutes(deps.hooks),
      ...a2aRoutes(deps.a2a),
    ];
    for (const route of this.routes) {
      if (route.path.endsWith("/*")) this.#prefixes.push(route);
      else this.#exact.set(route.path, [...(this.#exact.get(route.path) ?? []), route]);
    }
  }

  /**
   * The checks that every request and every upgrade passes, before anything is looked up: Host, forwarded headers. An origin
   * that is not allowed is marked; `connect` has its own answer for it. `refuse` answers.
   */
  screen(request: IncomingMessage, refuse: (status: number, type: string, message: string) => void): ScreenedRequest | null {
    const surface = this.#deps.originPolicy();
    const { headers, socket } = request;
    // Node keeps the first; a proxy in front may have looked at another one.
    if (request.headersDistinct["host"]?.length !== 1) {
      refuse(400, "bad_request", "a request must have exactly one Host header");
      return null;
    }
    if (!isHostAllowed(headers.host, socket.localAddress, surface)) {
      refuse(
        403,
        "host_not_allowed",
        `this gateway does not answer to the host ${JSON.stringify((headers.host ?? "").slice(0, 100))}; add its origin to gateway.controlUi.allowedOrigins`,
      );
      return null;
    }
    const listener = this.#shared.listenerOf(socket);
    const route = this.#deps.auth.attributePeer(headers, socket.remoteAddress ?? "", listener);
    if (route.via === "refused") {
      refuse(403, "proxy_attribution_required", this.#attributionFailure(route.headers, socket.remoteAddress ?? "", listener));
      return null;
    }
    const origin = headers.origin ?? null;
    const narrow = headers["x-openclaw-scopes"];
    const facts: PeerFacts = {
      address: route.address,
      direct: route.via === "direct",
      user: route.via === "proxy" ? route.user : null,
      tailnet: tailnetOf(route),
      origin,
      originAllowed: origin === null || isOriginAllowed(origin, headers.host!, surface),
      scopeLimit:
        narrow === undefined
          ? null
          : String(narrow)
              .split(",")
              .map((scope) => scope.trim()),
    };
    return { facts, peer: route.address, isEncrypted: isEncrypted(route, socket) };
  }

  /** Says what was seen, and what to do when the peer is a proxy that the operator trusts. One line a minute in the log. */
  #attributionFailure(headers: readonly string[], remote: string, listener: Listener): string {
    const address = remote.startsWith("::ffff:") ? remote.slice(7) : remote;
    const seen = headers.length > 0 ? headers.join(", ") : "no forwarded headers";
    const message =
      listener === "tailscale"
        ? `this port is for Tailscale on this machine only; ${address} sent ${seen}`
        : `${address} sent ${seen}, which are accepted from the addresses of gateway.trustedProxies only; if that is your proxy: openclaw config set gateway.trustedProxies '["${address}"]'`;
    const now = this.#deps.clock.monotonic();
    if (now >= this.#nextAttributionLog) {
      this.#nextAttributionLog = now + LIMITS.attributionLogMs;
      this.#deps.log.warn("refused a request of an unknown proxy", { address, headers: seen, listener });
    }
    return message;
  }

  /** Answers one request. `proved` is called once the caller's credential was accepted. */
  async handle(request: IncomingMessage, response: ServerResponse, proved: () => void): Promise<void> {
    const exchange = new Exchange(request, response, this.#deps.basePath);
    try {
      await this.#answer(exchange, proved);
    } catch (err) {
      this.#onError(exchange, err);
    }
  }

  async #answer(exchange: Exchange, proved: () => void): Promise<void> {
    const { request } = exchange;
    const screened = this.screen(request, (status, type, message) => exchange.sendError(status, type, message));
    if (!screened) return;
    const hsts = screened.isEncrypted ? this.#deps.strictTransportSecurity() : null;
    if (hsts !== null) exchange.response.setHeader("strict-transport-security", hsts);
    if (!screened.facts.originAllowed) return exchange.sendError(403, "origin_not_allowed", "this origin is not allowed");
    const route = this.#findRoute(exchange);
    if (!route) return;
    let caller: Verified | null = null;
    exchange.peer = screened.peer;
    exchange.budgetShare = new BudgetShare(this.#preAuthBodies, screened.peer);
    if (route.auth !== "public" && route.auth !== "static" && route.auth !== "signed") {
      const found = this.#authorize(exchange, screened.facts, route.auth);
      if (!found) return;
      caller = found;
      const unwatch = this.#shared.credentialWatch.add(found, () => exchange.revoke());
      if (!unwatch) return exchange.revoke();
      exchange.response.on("close", unwatch);
      exchange.budgetShare = new BudgetShare(this.#shared.requestBudget, found.credential);
      exchange.authenticated = true;
      proved();
    }
    await route.run(exchange, caller);
    this.#limitBacklog(exchange);
  }

  /** An answer that its client does not read counts like what waits for a WebSocket. */
  #limitBacklog({ response }: Exchange): void {
    if (response.destroyed || response.writableFinished) return;
    const { backlog } = this.#shared;
    const reader = {
      get waitingBytes() {
        return response.writableFinished ? 0 : Math.max(response.writableLength, response.socket?.writableLength ?? 0);
      },
      destroy: () => void response.destroy(),
    };
    response.on("close", () => backlog.forget(reader));
    backlog.update(reader);
  }

  #findRoute(exchange: Exchange): HttpRoute | null {
    const { path } = exchange;
    const candidates = this.#exact.get(path) ?? this.#prefixes.filter((route) => path.startsWith(route.path.slice(0, -1)));
    const asked = exchange.request.method === "HEAD" ? "GET" : exchange.request.method;
    const route = candidates.find((each) => each.method === asked);
    if (route) return route;
    if (this.#page?.has(path) && path !== "/index.html") {
      if (asked === "GET") return this.#assetRoute(path);
      exchange.sendError(405, "method_not_allowed", "only GET is served here", {});
    } else if (candidates.length > 0) {
      exchange.response.setHeader("allow", candidates.map((each) => each.method).join(", "));
      exchange.sendError(405, "method_not_allowed", `only ${candidates.map((each) => each.method).join(", ")} is served here`);
    } else {
      exchange.sendError(404, "not_found", "there is nothing here");
    }
    return null;
  }

  #authorize(exchange: Exchange, facts: PeerFacts, scope: string): Verified | null {
    const found = this.#deps.auth.authenticator.authenticateBearer(exchange.header("authorization"), facts);
    if ("refused" in found) {
      this.#deps.metrics.count("gateway_server_refused_total", { code: String(found.details["code"] ?? found.code) });
      if (found.retryAfterMs === undefined) {
        exchange.response.setHeader("www-authenticate", "Bearer");
        exchange.sendError(401, "unauthorized", found.message);
      } else {
        exchange.sendError(429, "rate_limited", found.message, { retryAfterMs: found.retryAfterMs });
      }
      return null;
    }
    if (!satisfies(found.scopes, scope)) {
      exchange.sendError(403, "forbidden", `missing scope: ${scope}`);
      return null;
    }
    return found;
  }

  #onError(exchange: Exchange, err: unknown): void {
    if (err instanceof GatewayError) return exchange.sendGatewayError(err, "invalid_request_error");
    this.#deps.log.error("a route failed unexpectedly", {
      path: exchange.path,
      cause: reasonOf(err),
      stack: err instanceof Error ? err.stack : undefined,
    });
    if (exchange.response.headersSent) exchange.response.destroy();
    else exchange.sendError(500, "internal_error", "internal error");
  }

  #probeRoutes(): HttpRoute[] {
    const deps = this.#deps;
    const uptimeMs = (): number => Math.round(deps.clock.monotonic() - this.#startedAt);
    const alive = (exchange: Exchange): void => {
      const phase = deps.phase();
      if (phase === "serving") exchange.json(200, { ok: true, status: "live" });
      else exchange.json(503, { ok: false, status: phase });
    };
    const started = (exchange: Exchange): void => {
      const ok = deps.phase() !== "starting";
      exchange.json(ok ? 200 : 503, { ok, status: ok ? "started" : "starting", version: deps.version, uptimeMs: uptimeMs() });
    };
    const ready = (exchange: Exchange): void => {
      const state = deps.readiness();
      const strict = exchange.query.has("strict");
      const ok = deps.phase() === "serving" && state.ready && (!strict || state.degraded.length === 0);
      // Names of channels and accounts are only for local callers, not for those behind a proxy of this machine.
      const { remoteAddress, localAddress } = exchange.request.socket;
      const local =
        remoteAddress === localAddress &&
        deps.auth.attributePeer(exchange.request.headers, remoteAddress ?? "", this.#shared.listenerOf(exchange.request.socket)).via ===
          "direct";
      exchange.json(ok ? 200 : 503, { ...(local ? state : {}), ready: ok, uptimeMs: uptimeMs() });
    };
    return [
      route("/healthz", alive),
      route("/health", alive),
      route("/startupz", started),
      route("/readyz", ready),
      route("/ready", ready),
    ];
  }

  #metricsRoutes(): HttpRoute[] {
    const run = (exchange: Exchange): void =>
      exchange.bytes(200, "text/plain; version=0.0.4; charset=utf-8", Buffer.from(this.#deps.metricsText()));
    return ["/metrics", "/api/diagnostics/prometheus"].map((path) => ({ method: "GET", path, auth: "operator.read", run }));
  }

  #pageRoutes(): HttpRoute[] {
    const config: HttpRoute = {
      method: "GET",
      path: "/control-ui-config.json",
      auth: "operator.read",
      run: (exchange) => exchange.json(200, this.#deps.pageConfig()),
    };
    const page = this.#page;
    if (!page?.usable) return [config];
    const run = (exchange: Exchange): void => {
      // A browser that asks for a script or a picture has no use for the page.
      if (ASSET.test(exchange.path)) exchange.sendError(404, "not_found", "there is nothing here");
      else page.serve(exchange, "/index.html");
    };
    return [config, approvalRoute, ...PAGE_ROUTES.map((path): HttpRoute => ({ method: "GET", path, auth: "static", run }))];
  }

  /** The Control UI of OpenClaw, which asks for everything below its own path. */
  #officialRoutes(): HttpRoute[] {
    const { official, log } = this.#deps;
    if (official === null) return [];
    const { root, mount } = official;
    const loading = import("./official-page.ts").then(({ OfficialPage }) => {
      const page = new OfficialPage(root, mount, log);
      page.prepare();
      return page;
    });
    const run = async (exchange: Exchange): Promise<void> => (await loading).serve(exchange, exchange.path.slice(OFFICIAL_PATH.length));
    const addSlash = (exchange: Exchange): void => void exchange.response.writeHead(302, { location: `${mount}/` }).end();
    const config = (exchange: Exchange): void => exchange.json(200, { ...this.#deps.pageConfig(), basePath: mount });
    return [
      { method: "GET", path: OFFICIAL_PATH, auth: "static", run: addSlash },
      { method: "GET", path: `${OFFICIAL_PATH}/control-ui-config.json`, auth: "operator.read", run: config },
      { method: "GET", path: `${OFFICIAL_PATH}/*`, auth: "static", run },
    ];
  }

  #assetRoute(path: string): HttpRoute {
    return { method: "GET", path, auth: "static", run: (exchange) => this.#page!.serve(exchange, path) };
  }
}

/** The login of a client of the tailnet as the headers say; it counts once `whois` has confirmed it. */
const tailnetOf = (route: PeerAttribution): PeerFacts["tailnet"] =>
  route.via === "tailscale-serve" && route.login !== null ? { login: route.login, address: route.address } : null;

/** Whether the client spoke TLS: with us, with a trusted proxy, or with Tailscale. */
const isEncrypted = (route: PeerAttribution, socket: Socket): boolean =>
  route.via === "proxy" ? route.secure : route.via !== "direct" || (socket as { encrypted?: boolean }).encrypted === true;

const APPROVAL_PATH = "/approve/";
/** The link of an approval leads to its place on the page. */
const approvalRoute: HttpRoute = {
  method: "GET",
  path: `${APPROVAL_PATH}*`,
  auth: "static",
  run: (exchange) => {
    const id = exchange.path.slice(APPROVAL_PATH.length);
    if (!/^(?!\.{1,2}$)[\w.:-]{1,128}$/.test(id)) return exchange.sendError(404, "not_found", "there is nothing here");
    // Relative: a proxy in front may serve the gateway below a path of its own.
    exchange.response.writeHead(302, { location: `../#approve=${id}`, "cache-control": "no-store" }).end();
  },
};

const route = (path: string, run: (exchange: Exchange) => void): HttpRoute => ({ method: "GET", path, auth: "public", run });

function openPage(deps: ServerDeps): Page | null {
  if (deps.pageDir === null) return null;
  try {
    return new Page(deps.pageDir, deps.basePath);
  } catch (err) {
    deps.log.warn("the page is not built; the gateway runs without it", { dir: deps.pageDir, cause: reasonOf(err) });
    return null;
  }
}
