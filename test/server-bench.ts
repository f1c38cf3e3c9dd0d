// A server with a real store, real sockets and a small method table, for the tests of server and auth.
import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { WebSocket } from "ws";
import type { AuthSettings } from "../src/auth/credentials.ts";
import { devicePayload } from "../src/auth/device.ts";
import { openAuth, type Auth } from "../src/auth/open.ts";
import type { PeerGate } from "../src/auth/peer-gate.ts";
import { systemClock, type Clock } from "../src/core/clock.ts";
import { silentLog, type Log } from "../src/core/log.ts";
import { silentMetrics } from "../src/core/metrics.ts";
import { Secret } from "../src/core/secret.ts";
import type { ServedMethods } from "../src/protocol/method.ts";
import type { ServerDeps, OriginPolicy } from "../src/server/deps.ts";
import { ClientHub } from "../src/server/hub.ts";
import { createServer, type Server } from "../src/server/server.ts";
import { openStore, type Store } from "../src/store/open.ts";
import { assertValidFrame } from "./protocol-oracle.ts";

export const TOKEN = "ocg_test-token-with-a-lot-of-entropy-0123456789abcdefXYZ";

export const SETTINGS: AuthSettings = {
  mode: "token",
  token: new Secret(TOKEN),
  password: null,
  proxy: null,
  trustedProxies: [],
  pairWithSharedSecret: true,
};

const HEALTH = { ok: true, ts: 1, durationMs: 0, channels: {}, channelOrder: [], channelLabels: {} };

export type ServerBench = {
  server: Server;
  auth: Auth;
  store: Store;
  port: number;
  url: string;
  phase: { value: "starting" | "serving" | "stopping" };
  /** May be called again. The end of the test file calls it too. */
  stop(): Promise<void>;
};

export type ServerBenchOptions = {
  settings?: Partial<AuthSettings>;
  surface?: Partial<OriginPolicy>;
  methods?: ServedMethods;
  deps?: Partial<ServerDeps>;
  /** State directory to open again; it is then not removed. */
  dir?: string;
  clock?: Clock;
  log?: Log;
  /** Decides about other gateways. */
  peers?: PeerGate;
};

const running = new Set<() => Promise<void>>();
// A test that fails before its own stop must not keep its file running.
after(() => Promise.all([...running].map((stop) => stop())));

export async function startServerBench(options: ServerBenchOptions = {}): Promise<ServerBench> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "server-room-"));
  const log = options.log ?? silentLog;
  const clock = options.clock ?? systemClock;
  const store = openStore({ dir, log });
  const phase: ServerBench["phase"] = { value: "serving" };
  let server: Server | null = null;
  const auth = openAuth({
    store,
    clock,
    log,
    settings: { ...SETTINGS, ...options.settings },
    requested: () => {},
    resolved: () => {},
    onRevoked: () => void server?.closeRevoked(),
    ...(options.peers && { peers: options.peers }),
  });
  const methods: ServedMethods = {
    health: { scope: "operator.read", run: () => HEALTH },
    ...options.methods,
  };
  server = createServer({
    auth,
    hub: new ClientHub(options.deps?.metrics ?? silentMetrics),
    clock,
    log,
    metrics: silentMetrics,
    version: "0.0.0-test",
    bootId: "boot",
    originPolicy: () => ({ allowedOrigins: [], publicOrigin: null, hostNames: [], ...options.surface }),
    phase: () => phase.value,
    methods: () => methods,
    hooks: {
      path: "/hooks",
      screen: () => Promise.resolve({ status: 404, body: "Not Found" }),
      receive: () => Promise.resolve({ status: 404, body: "Not Found" }),
    },
    a2a: {
      card: () => Promise.resolve({ status: 404, body: "Not Found" }),
      screen: () => Promise.resolve({ status: 404, body: "Not Found" }),
      call: () => Promise.resolve({ status: 404, body: "Not Found" }),
    },
    events: ["tick", "health"],
    capabilities: [],
    snapshot: () => ({ presence: [], health: HEALTH, stateVersion: { presence: 0, health: 0 }, uptimeMs: 0 }),
    health: () => HEALTH,
    presence: () => ({ presence: [] }),
    stateVersion: () => ({ presence: 0, health: 0 }),
    clientConnected: () => true,
    clientDisconnected: () => true,
    readiness: () => ({ ready: true, failing: [], degraded: [], parts: [] }),
    metricsText: () => "up 1\n",
    pageConfig: () => ({ basePath: "" }),
    basePath: "",
    pageDir: null,
    official: null,
    sessionHistory: () => null,
    invokeTool: async () => ({ ok: false, error: { code: "unknown", message: "there are no tools" } }),
    openai: null,
    receiveWebhook: null,
    missingWebhookHeader: () => null,
    strictTransportSecurity: () => null,
    ...options.deps,
  });
  const { port } = await server.listen(["127.0.0.1"], 0);
  const opened = server;
  const close = async (): Promise<void> => {
    await opened.stop("test over");
    auth.close();
    store.close();
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  };
  let closed: Promise<void> | null = null;
  const stop = (): Promise<void> => (closed ??= close().finally(() => running.delete(stop)));
  running.add(stop);
  return {
    server,
    auth,
    store,
    port,
    url: `ws://127.0.0.1:${port}`,
    phase,
    stop,
  };
}

export type Frame = Record<string, unknown> & {
  type?: string;
  id?: string;
  ok?: boolean;
  event?: string;
  seq?: number;
  payload?: Record<string, unknown>;
  error?: { code: string; message: string; details?: Record<string, unknown>; retryable?: boolean; retryAfterMs?: number };
};

/** A raw WebSocket that remembers what it got; every frame is checked against the published schema. */
export class RawClient {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  closed: { code: number; reason: string } | null = null;
  #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.ws = new WebSocket(url, { headers, perMessageDeflate: false });
    this.ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      assertValidFrame(frame);
      this.frames.push(frame);
      this.#wake();
    });
    this.ws.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
    this.ws.on("error", () => this.#wake());
  }

  send(frame: unknown): void {
    this.ws.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** The next frame that `match`es, in order; frames before it are passed over. */
  async next(match: (frame: Frame) => boolean = () => true): Promise<Frame> {
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++]!;
        if (match(frame)) return frame;
      }
      if (this.closed) throw new Error(`closed ${this.closed.code} ${this.closed.reason} while a frame was awaited`);
      await this.#change();
    }
  }

  async end(): Promise<{ code: number; reason: string }> {
    while (!this.closed) await this.#change();
    return this.closed;
  }

  async call(method: string, params?: unknown, id = `${method}-${Math.random()}`): Promise<Frame> {
    this.send({ type: "req", id, method, ...(params === undefined ? {} : { params }) });
    return this.next((frame) => frame.type === "res" && frame.id === id);
  }

  close(): void {
    this.ws.close();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export type TestDevice = { id: string; publicKey: string; key: KeyObject };

export function makeDevice(): TestDevice {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  return { id: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url"), key: privateKey };
}

export type ConnectOverrides = {
  auth?: Record<string, string>;
  scopes?: string[];
  role?: string;
  client?: Record<string, unknown>;
  device?: TestDevice;
  version?: 2 | 3;
  /** Changes the signed proof or the params after signing. */
  tamper?: (params: Record<string, unknown>) => void;
  params?: Record<string, unknown>;
};

/** Params of `connect` for the challenge that came. */
export function connectParams(challenge: Frame, overrides: ConnectOverrides = {}): Record<string, unknown> {
  const client = { id: "gateway-client", version: "1.0.0", platform: "linux", mode: "backend", ...overrides.client };
  const scopes = overrides.scopes ?? ["operator.read"];
  const role = overrides.role ?? "operator";
  const auth = overrides.auth ?? { token: TOKEN };
  const params: Record<string, unknown> = { minProtocol: 4, maxProtocol: 4, client, role, scopes, caps: [], ...overrides.params };
  if (Object.keys(auth).length > 0) params["auth"] = auth;
  if (overrides.device) {
    const proof = {
      id: overrides.device.id,
      publicKey: overrides.device.publicKey,
      signature: "",
      signedAt: challenge.payload!["ts"] as number,
      nonce: challenge.payload!["nonce"] as string,
    };
    const fields = {
      clientId: String(client.id),
      clientMode: String(client.mode),
      role,
      scopes,
      token: auth["token"] ?? auth["deviceToken"] ?? auth["bootstrapToken"] ?? "",
      platform: client.platform as string,
      deviceFamily: (client as { deviceFamily?: string }).deviceFamily,
    };
    const payload = devicePayload(overrides.version ?? 3, proof, fields);
    proof.signature = sign(null, Buffer.from(payload), overrides.device.key).toString("base64url");
    params["device"] = proof;
  }
  overrides.tamper?.(params);
  return params;
}

/** Opens a socket and sends `connect`; the answer may be a refusal. */
export async function tryConnect(
  room: Pick<ServerBench, "url">,
  overrides: ConnectOverrides = {},
  headers: Record<string, string> = {},
): Promise<{ raw: RawClient; answer: Frame }> {
  const raw = new RawClient(room.url, headers);
  const challenge = await raw.next();
  raw.send({ type: "req", id: "c", method: "connect", params: connectParams(challenge, overrides) });
  return { raw, answer: await raw.next((frame) => frame.id === "c") };
}

/** The same, and it must succeed. */
export async function connect(
  room: Pick<ServerBench, "url">,
  overrides: ConnectOverrides = {},
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const { raw, answer } = await tryConnect(room, overrides, headers);
  if (!answer.ok) throw new Error(`refused: ${JSON.stringify(answer.error)}`);
  return raw;
}

export type HttpResult = { status: number; headers: Record<string, string | string[] | undefined>; body: string };

/** One HTTP request; the path goes out as it is. */
export function http(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<HttpResult> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: "127.0.0.1", port, path, method: options.method ?? "GET", headers: options.headers ?? {}, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on("error", reject);
    request.end(options.body);
  });
}

export const BEARER = { authorization: `Bearer ${TOKEN}` };
