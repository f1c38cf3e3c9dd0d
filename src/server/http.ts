import type { IncomingMessage, ServerResponse } from "node:http";
import type { PeerFacts, Verified } from "../auth/admission.ts";
import { satisfies } from "../auth/scopes.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Backlog } from "./backlog.ts";
import { ByteBudget, Share } from "./budget.ts";
import type { CredentialWatch } from "./credential-watch.ts";
import { Exchange } from "./exchange.ts";
import { OpenAiRoutes } from "./openai.ts";
import { hookRoutes } from "./hooks.ts";
import { hostAllowed, originAllowed } from "./origin.ts";
import type { ServerDeps } from "./ports.ts";
import { sessionHistoryRoute } from "./session-history.ts";
import { Page } from "./static.ts";

/**
 * Who may use a route. `public` and `static` need no credential. `signed`: a chat platform, whose signature over the body is checked by
 * the channel before anything is done with it.
 */
export type RouteAuth = "public" | "static" | "signed" | "operator.read" | "operator.write";

export type HttpRoute = {
  method: "GET" | "POST";
  /** Exact path, or a path that ends in `/*`. */
  path: string;
  auth: RouteAuth;
  run(exchange: Exchange, caller: Verified | null): void | Promise<void>;
};

/** What the checks before any route found out; null when the request was refused and answered. */
export type Screened = { facts: PeerFacts; peer: string };

/** What requests share with the WebSockets of the same server. */
export type Shared = { watch: CredentialWatch; held: ByteBudget; backlog: Backlog };

/** Routes of the page that the browser may ask for directly. */
const PAGE_ROUTES = ["/", "/chat", "/chat/*"] as const;
const ASSET = /\.(?:m?js|css|json|map|ico|png|jpe?g|gif|webp|avif|svg|woff2?|wasm|webmanifest)$/i;

/** The HTTP half of the server: screening, one table of routes, everything else is 404. */
export class HttpFront {
  readonly routes: readonly HttpRoute[];
  readonly #deps: ServerDeps;
  /** Monotonic. */
  readonly #startedAt: number;
  readonly #page: Page | null;
  readonly #exact = new Map<string, HttpRoute[]>();
  readonly #prefixes: HttpRoute[] = [];
  readonly #shared: Shared;
  /** Bodies of requests that have proved nothing. */
  readonly #unproved = new ByteBudget(LIMITS.unprovedBodyBytes, LIMITS.unprovedBodyBytesPerPeer);

  constructor(deps: ServerDeps, shared: Shared) {
    this.#deps = deps;
    this.#shared = shared;
    deps.metrics.sample("gateway_server_held_request_bytes", () => [
      { labels: { proved: "yes" }, value: shared.held.held },
      { labels: { proved: "no" }, value: this.#unproved.held },
    ]);
    this.#startedAt = deps.clock.monotonic();
    this.#page = openPage(deps);
    this.routes = [
      ...this.#probes(),
      ...this.#observation(),
      ...this.#pages(),
      sessionHistoryRoute(deps.sessionHistory),
      ...new OpenAiRoutes(deps).routes,
      ...hookRoutes(deps),
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
  screen(request: IncomingMessage, refuse: (status: number, type: string, message: string) => void): Screened | null {
    const surface = this.#deps.surface();
    const { headers, socket } = request;
    // Node keeps the first; a proxy in front may have looked at another one.
    if (request.headersDistinct["host"]?.length !== 1) {
      refuse(400, "bad_request", "a request must have exactly one Host header");
      return null;
    }
    if (!hostAllowed(headers.host, socket.localAddress, surface)) {
      refuse(
        403,
        "host_not_allowed",
        `this gateway does not answer to the host ${JSON.stringify((headers.host ?? "").slice(0, 100))}; add its origin to gateway.controlUi.allowedOrigins`,
      );
      return null;
    }
    const route = this.#deps.auth.route(headers, socket.remoteAddress ?? "");
    if (route.via === "refused") {
      refuse(
        403,
        "proxy_attribution_required",
        "forwarded headers are accepted from the addresses of gateway.trustedProxies only; add the address of the proxy there",
      );
      return null;
    }
    const origin = headers.origin ?? null;
    const narrow = headers["x-openclaw-scopes"];
    const facts: PeerFacts = {
      address: route.address,
      direct: route.via === "direct",
      user: route.via === "proxy" ? route.user : null,
      origin,
      originAllowed: origin === null || originAllowed(origin, headers.host!, surface),
      narrow:
        narrow === undefined
          ? null
          : String(narrow)
              .split(",")
              .map((scope) => scope.trim()),
    };
    return { facts, peer: route.address };
  }

  /** Answers one request. `proved` is called once the caller's credential was accepted. */
  async handle(request: IncomingMessage, response: ServerResponse, proved: () => void): Promise<void> {
    const exchange = new Exchange(request, response, this.#deps.basePath);
    try {
      await this.#answer(exchange, proved);
    } catch (err) {
      this.#failed(exchange, err);
    }
  }

  async #answer(exchange: Exchange, proved: () => void): Promise<void> {
    const { request } = exchange;
    const screened = this.screen(request, (status, type, message) => exchange.fault(status, type, message));
    if (!screened) return;
    if (!screened.facts.originAllowed) return exchange.fault(403, "origin_not_allowed", "this origin is not allowed");
    const route = this.#find(exchange);
    if (!route) return;
    let caller: Verified | null = null;
    exchange.share = new Share(this.#unproved, screened.peer);
    if (route.auth !== "public" && route.auth !== "static" && route.auth !== "signed") {
      const found = this.#authorize(exchange, screened.facts, route.auth);
      if (!found) return;
      caller = found;
      const unwatch = this.#shared.watch.add(found, () => exchange.revoke());
      if (!unwatch) return exchange.revoke();
      exchange.response.on("close", unwatch);
      exchange.share = new Share(this.#shared.held, found.credential);
      exchange.proved = true;
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
      cut: () => void response.destroy(),
    };
    response.on("close", () => backlog.forget(reader));
    backlog.note(reader);
  }

  #find(exchange: Exchange): HttpRoute | null {
    const { path } = exchange;
    const candidates = this.#exact.get(path) ?? this.#prefixes.filter((route) => path.startsWith(route.path.slice(0, -1)));
    const asked = exchange.request.method === "HEAD" ? "GET" : exchange.request.method;
    const route = candidates.find((each) => each.method === asked);
    if (route) return route;
    if (this.#page?.has(path) && path !== "/index.html") {
      if (asked === "GET") return this.#asset(path);
      exchange.fault(405, "method_not_allowed", "only GET is served here", {});
    } else if (candidates.length > 0) {
      exchange.response.setHeader("allow", candidates.map((each) => each.method).join(", "));
      exchange.fault(405, "method_not_allowed", `only ${candidates.map((each) => each.method).join(", ")} is served here`);
    } else {
      exchange.fault(404, "not_found", "there is nothing here");
    }
    return null;
  }

  #authorize(exchange: Exchange, facts: PeerFacts, scope: string): Verified | null {
    const found = this.#deps.auth.admission.bearer(exchange.header("authorization"), facts);
    if ("refused" in found) {
      this.#deps.metrics.count("gateway_server_refused_total", { code: String(found.details["code"] ?? found.code) });
      if (found.retryAfterMs === undefined) {
        exchange.response.setHeader("www-authenticate", "Bearer");
        exchange.fault(401, "unauthorized", found.message);
      } else {
        exchange.fault(429, "rate_limited", found.message, { retryAfterMs: found.retryAfterMs });
      }
      return null;
    }
    if (!satisfies(found.scopes, scope)) {
      exchange.fault(403, "forbidden", `missing scope: ${scope}`);
      return null;
    }
    return found;
  }

  #failed(exchange: Exchange, err: unknown): void {
    if (err instanceof GatewayError) return exchange.failed(err, "invalid_request_error");
    this.#deps.log.error("a route failed unexpectedly", {
      path: exchange.path,
      cause: reasonOf(err),
      stack: err instanceof Error ? err.stack : undefined,
    });
    if (exchange.response.headersSent) exchange.response.destroy();
    else exchange.fault(500, "internal_error", "internal error");
  }

  #probes(): HttpRoute[] {
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
      // Names of channels and accounts are nothing for strangers from elsewhere, also when a proxy of this machine brings them.
      const { remoteAddress, localAddress } = exchange.request.socket;
      const local = remoteAddress === localAddress && deps.auth.route(exchange.request.headers, remoteAddress ?? "").via === "direct";
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

  #observation(): HttpRoute[] {
    const run = (exchange: Exchange): void =>
      exchange.bytes(200, "text/plain; version=0.0.4; charset=utf-8", Buffer.from(this.#deps.metricsText()));
    return ["/metrics", "/api/diagnostics/prometheus"].map((path) => ({ method: "GET", path, auth: "operator.read", run }));
  }

  #pages(): HttpRoute[] {
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
      if (ASSET.test(exchange.path)) exchange.fault(404, "not_found", "there is nothing here");
      else page.serve(exchange, "/index.html");
    };
    return [config, ...PAGE_ROUTES.map((path): HttpRoute => ({ method: "GET", path, auth: "static", run }))];
  }

  #asset(path: string): HttpRoute {
    return { method: "GET", path, auth: "static", run: (exchange) => this.#page!.serve(exchange, path) };
  }
}

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
