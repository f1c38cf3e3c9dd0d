import type { ConnId, DeviceId } from "../core/ids.ts";
import type { ParamsOf } from "./gen/params.js";
import type { ServedMethod } from "./served-methods.ts";

/** Params of one method, as the schema declares what is served of them. */
export type MethodParams<M extends ServedMethod> = ParamsOf[M];

/** Scopes of protocol v4. `admin` satisfies every other; `write` satisfies `read`. */
export type OperatorScope =
  | "operator.read"
  | "operator.write"
  | "operator.admin"
  | "operator.approvals"
  | "operator.pairing"
  | "operator.questions"
  | "operator.talk.secrets";

/** Who calls. Built by the handshake from verified credentials only. */
export type Caller = {
  conn: ConnId;
  role: "operator" | "node" | "peer";
  scopes: ReadonlySet<string>;
  client: { id: string; mode: string; version: string; displayName?: string; platform?: string; instanceId?: string };
  caps: ReadonlySet<string>;
  /** Set when the connection proved a device key. */
  device: DeviceId | null;
  /** Aborts when the connection closes. */
  signal: AbortSignal;
  /** The client's trace, if its request names a valid one. */
  traceparent?: string;
  /** First answer of a two-stage call; the returned value is the second, and the call waits from here on. */
  accept(payload: unknown): void;
};

/**
 * One RPC method: data plus one function, params in, payload out. It never sees a socket. `scope` is what the caller must
 * hold; `"dynamic"` methods decide in `run` and throw `missingScope`.
 */
export type Method<Params> = {
  scope: OperatorScope | "dynamic" | "node" | "peer";
  /** Bytes of the request frame; default LIMITS.requestBytes. */
  maxBytes?: number;
  /** It waits for a run or for a person: it holds none of the places in which requests of a connection run side by side. */
  waits?: true;
  /** The generated validators have checked `params`. May return a promise. */
  run(params: Params, caller: Caller): unknown;
};

/** Methods by name, each with the params of its schema. */
export type MethodTable = { readonly [M in ServedMethod]?: Method<MethodParams<M>> };

/** A method whose code is loaded with the first request of its family. */
export type LazyMethod<Params> = {
  /** Bytes of the request frame, which is read before the code is there; default LIMITS.requestBytes. */
  maxBytes?: number;
  load(): Promise<Method<Params>>;
};

/** All methods of a gateway: this table is the advertised list. */
export type ServedMethods = { readonly [M in ServedMethod]?: Method<MethodParams<M>> | LazyMethod<MethodParams<M>> };
