import type { Verified } from "../auth/authenticator.ts";
import type { Exchange } from "./exchange.ts";

/**
 * Who may use a route. `public` and `static` need no credential. `signed`: a chat platform, whose signature over the body is checked by
 * the channel before anything is done with it, or a sender of a hook, whose token or signature the hook checks.
 */
export type RouteAuth = "public" | "static" | "signed" | "operator.read" | "operator.write";

export type HttpRoute = {
  method: "GET" | "POST";
  /** Exact path, or a path that ends in `/*`. */
  path: string;
  auth: RouteAuth;
  run(exchange: Exchange, caller: Verified | null): void | Promise<void>;
};
