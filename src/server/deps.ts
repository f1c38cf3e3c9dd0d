import type { Metrics } from "../core/metrics.ts";
import type { Log } from "../core/log.ts";
import type { Clock } from "../core/clock.ts";
import type { Secret } from "../core/secret.ts";
import type { Auth } from "../auth/open.ts";
import type { ServedMethods } from "../protocol/method.ts";
import type { Peer } from "../protocol/hub.ts";
import type { AnsweredListener } from "./dispatch.ts";
import type { ClientHub } from "./hub.ts";
import type { OpenAiBackend } from "./openai-backend.ts";
import type { A2aBackend } from "./a2a.ts";
import type { HookBackend } from "./hooks.ts";
import type { SessionHistoryReader } from "./session-history.ts";
import type { ToolInvoker } from "./tools-invoke.ts";

/** Whether `connect` works. */
export type Phase = "starting" | "serving" | "stopping";

export type ReadinessResponse = {
  ready: boolean;
  /** Parts without which nothing works. */
  failing: readonly string[];
  /** Parts that are broken for themselves. */
  degraded: readonly string[];
  parts: readonly { name: string; state: string; detail?: string }[];
};

/** Where clients may come from, by the configuration. */
export type OriginPolicy = {
  /** Exact origins of pages that may connect, e.g. `https://gateway.example`. */
  allowedOrigins: readonly string[];
  /** The address under which a proxy publishes the gateway, or null. */
  publicOrigin: string | null;
  /** Host names that are ours besides loopback and the bound address, e.g. the tailnet name. */
  hostNames: readonly string[];
};

/** What the server needs from the rest of the gateway. It knows sockets and routes; everything else is asked for here. */
export type ServerDeps = {
  auth: Auth;
  /** How events reach the clients. */
  hub: ClientHub;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  version: string;
  /** Differs at every start. */
  bootId: string;
  originPolicy: () => OriginPolicy;
  phase: () => Phase;
  /** Signs the nonce of a client that asks who listens here; see core/identity-proof.ts. Absent: nothing is signed. */
  identityKey?: Secret;
  /** Asked once, by `listen`. */
  methods: () => ServedMethods;
  /** Names of the events that clients may get. */
  events: readonly string[];
  /** Names of optional abilities that hello-ok advertises. */
  capabilities: readonly string[];
  /** `snapshot` of hello-ok, as this peer may see it. */
  snapshot: (peer: Peer) => Record<string, unknown>;
  /** Payload of the `health` event. */
  health: () => Record<string, unknown>;
  /** Payload of the `presence` event. */
  presence: () => Record<string, unknown>;
  stateVersion: () => { presence: number; health: number };
  /** A connection was opened or has ended. True: the presence list is another one. */
  clientConnected: (peer: Peer) => boolean;
  clientDisconnected: (peer: Peer) => boolean;
  readiness: () => ReadinessResponse;
  metricsText: () => string;
  /** Called with each request over a WebSocket that was answered. */
  requestAnswered?: AnsweredListener;
  /** Boot data of the page; see `/control-ui-config.json`. */
  pageConfig: () => Record<string, unknown>;
  /** Value of the header Strict-Transport-Security, for requests that came over TLS; null: none is sent. */
  strictTransportSecurity: () => string | null;
  /** Path under which the gateway is reached besides `/`, e.g. `/openclaw` behind a proxy; empty: only `/`. No slash at its end. */
  basePath: string;
  /** Directory of the built page; null when there is none. */
  pageDir: string | null;
  /** Where the built Control UI of OpenClaw is looked for, and its path in browsers; null: it is not served. */
  official: { readonly root: string; readonly mount: string } | null;
  /** Reads a page of the history of a session for `GET /sessions/{key}/history`. */
  sessionHistory: SessionHistoryReader;
  /** Runs a tool for `POST /tools/invoke`. */
  invokeTool: ToolInvoker;
  /** Null: the OpenAI-compatible routes are off. */
  openai: OpenAiBackend | null;
  /** Takes requests of other programs that start runs. */
  hooks: HookBackend;
  /** Takes tasks of agents that speak A2A. */
  a2a: A2aBackend;
  /** Takes what a chat platform pushes; throws NOT_FOUND when no account takes pushes there. Null: nothing does. */
  receiveWebhook: ((channel: string, account: string, request: InboundWebhookRequest) => Promise<InboundWebhookResponse>) | null;
  /**
   * Asked before the body of a push is read: the header without which its signature cannot be good, or null. Throws as `hook` does when
   * no account takes pushes there.
   */
  missingWebhookHeader: (channel: string, account: string, headers: InboundWebhookRequest["headers"]) => string | null;
};

/** A pushed request; `headers` in lower case, the first of each name. */
export type InboundWebhookRequest = {
  method: string;
  path: string;
  query: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
};
export type InboundWebhookResponse = { status: number; headers?: Readonly<Record<string, string>>; body?: string };
