/**
 * A scripted gateway for working on the page: protocol v4 as far as the page uses it, real handshakes, invented answers. It is a tool and
 * a test fixture. `node dev/server.ts [port]` serves `dist/web` and prints a sign-in link.
 */
import { createHash, createPublicKey, randomUUID, verify } from "node:crypto";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import { WebSocketServer } from "ws";
import { ApprovalRefusal, Approvals } from "./approvals.ts";
import { ChannelRefusal, Channels } from "./channels.ts";
import { COMMANDS, Conversations, MODELS } from "./conversation.ts";
import { AuditEvents } from "./audit.ts";
import { ScriptedMcp } from "./mcp.ts";
import { ScriptedBrowsers } from "./browsers.ts";
import { ScriptedJobs } from "./jobs.ts";
import { ScriptedUsage } from "./usage.ts";
import { ScriptedNodes } from "./nodes.ts";
import { ScriptedTasks } from "./tasks.ts";
import { ScriptedAgentFiles } from "./agent-files.ts";
import { ScriptedConfig } from "./config.ts";
import { ScriptedDevices } from "./devices.ts";
import { RefusedKey, ScriptedModels } from "./models.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { ScriptedSkills } from "./skills.ts";
import { ScriptedOverview } from "./overviews.ts";
import { ScriptedOperations } from "./operations.ts";
import { Timelines } from "./timelines.ts";
import { answerTools } from "./tools.ts";
import type { AddressInfo, Socket } from "node:net";
import type { WebSocket } from "ws";

export const CSP =
  "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'";
const ROOT = new URL("../../dist/web/", import.meta.url).pathname;
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};
/** What the page shows only where it is served. */
const SERVED = [
  "chat.startup",
  "chat.send",
  "gateway.overview",
  "gateway.doctor",
  "sessions.timeline",
  "route.explain",
  "tasks.list",
  "update.status",
];
/** Shown in conversations while they have branches. */
const BRANCHES = ["sessions.branches.list", "sessions.branches.switch", "sessions.fork", "sessions.rewind"];
const TOKEN = "dev-token-1234567890";
const CONNECT_KEYS = new Set(
  "minProtocol maxProtocol client caps commands permissions pathEnv role scopes device auth locale userAgent modelCatalog computerUse workerRuns".split(
    " ",
  ),
);

type Wire = { code: string; message: string; details?: Record<string, unknown>; retryable?: boolean; retryAfterMs?: number };
type Peer = {
  socket: WebSocket;
  seq: number;
  ready: boolean;
  scoped: boolean;
  sessions: boolean;
  keys: Set<string>;
  scopes: readonly string[];
  device: string;
  nonce: string;
  ts: number;
};
type Params = Record<string, unknown>;

class Refusal extends Error {
  readonly wire: Wire;

  constructor(wire: Wire) {
    super(wire.message);
    this.wire = wire;
  }
}

export type DevGateway = ScriptedPages & {
  url: string;
  token: string;
  conversations: Conversations;
  channels: Channels;
  audit: AuditEvents;
  approvals: Approvals;
  /** Every request that was answered, in order. */
  calls: { method: string; params: Params }[];
  /** The `connect` params of every attempt. */
  connects: Params[];
  newLink: () => string;
  /** Refuses every connect with this until it is set to null. */
  refuse: (wire: Wire | null) => void;
  /** Grants later connections these scopes at most; null: all that they ask for. */
  limitScopes: (scopes: readonly string[] | null) => void;
  /** While muted, events about questions are not sent. */
  muteEvents: (muted: boolean) => void;
  /** Makes one connection miss an event, so that its sequence has a hole. */
  skipSeq: () => void;
  announce: (event: string, payload: Params) => void;
  /** Cuts every connection without a goodbye. */
  cut: () => void;
  /** Waits until every connection has ended, and all that it asked for is in `calls`. */
  untilAlone: () => Promise<void>;
  /** While down, nothing listens on the port. */
  down: () => Promise<void>;
  up: () => Promise<void>;
  close: () => Promise<void>;
};

/** Closes a socket in order: everything sent before arrives. */
const leave = (socket: WebSocket): Promise<void> =>
  new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.close(1001);
  });

/** What the views beside the conversation read. */
const createPages = () => ({
  skills: new ScriptedSkills(),
  mcp: new ScriptedMcp(),
  browsers: new ScriptedBrowsers(),
  jobs: new ScriptedJobs(),
  nodes: new ScriptedNodes(),
  tasks: new ScriptedTasks(),
  agentFiles: new ScriptedAgentFiles(),
  config: new ScriptedConfig(),
  devices: new ScriptedDevices(),
  models: new ScriptedModels(),
  usage: new ScriptedUsage(),
  timelines: new Timelines(),
  overview: new ScriptedOverview(),
  operations: new ScriptedOperations(),
});
type ScriptedPages = ReturnType<typeof createPages>;

/** Starts on a free port of the loopback interface, or on `port`. */
export async function startDevGateway(port = 0, basePath = "/"): Promise<DevGateway> {
  const peers = new Set<Peer>();
  const sockets = new Set<Socket>();
  const links = new Set<string>();
  const deviceTokens = new Map<string, string>();
  const calls: { method: string; params: Params }[] = [];
  const connects: Params[] = [];
  let refusal: Wire | null = null;

  const emit = (event: string, payload: Params, sessionKey: string): void => {
    for (const peer of peers) {
      if (!peer.ready) continue;
      const stream = event === "chat" || event === "agent";
      if (stream && peer.scoped && !peer.keys.has(sessionKey)) continue;
      if (!stream && !peer.sessions && !peer.keys.has(sessionKey)) continue;
      push(peer, event, payload);
    }
  };
  let muted = false;
  const approvals = new Approvals((event, payload) => {
    if (muted) return;
    for (const peer of peers) if (peer.ready && peer.scopes.includes("operator.approvals")) push(peer, event, payload);
  });
  const conversations = new Conversations(emit, approvals);
  const channels = new Channels();
  const audit = new AuditEvents();
  let granted: readonly string[] | null = null;

  const http = createServer((request, response) => void serve(request.url ?? "/", basePath, response));
  http.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
  const refused = (): Wire | null => refusal;
  const grant = (scopes: readonly string[]): readonly string[] => scopes.filter((scope) => granted === null || granted.includes(scope));
  const pages = createPages();
  const parts = { conversations, channels, approvals, audit, ...pages };
  const house: House = { peers, links, deviceTokens, calls, connects, refused, grant, ...parts };
  wss.on("connection", (socket) => accept(socket, house));
  const listen = (at: number): Promise<void> => new Promise((resolve) => void http.listen(at, "127.0.0.1", resolve));
  const drop = (): void => {
    for (const peer of peers) peer.socket.terminate();
    for (const socket of sockets) socket.destroy();
  };
  await listen(port);
  const at = (http.address() as AddressInfo).port;
  const shut = (): Promise<void> =>
    new Promise((resolve) => {
      http.close(() => resolve());
      drop();
    });
  return {
    url: `http://127.0.0.1:${at}${basePath}`,
    token: TOKEN,
    ...parts,
    calls,
    connects,
    muteEvents: (now) => void (muted = now),
    limitScopes: (scopes) => void (granted = scopes),
    newLink: () => {
      const code = randomUUID().slice(0, 8);
      links.add(code);
      return `http://127.0.0.1:${at}${basePath}#k=${code}`;
    },
    refuse: (wire) => void (refusal = wire),
    skipSeq: () => {
      for (const peer of peers) peer.seq += 1;
    },
    announce: (event, payload) => {
      for (const peer of peers) if (peer.ready) push(peer, event, payload);
    },
    cut: drop,
    untilAlone: async () => {
      await Promise.all([...peers].map((peer) => new Promise((resolve) => void peer.socket.once("close", resolve))));
    },
    down: async () => {
      // A socket that is torn down may take with it what was just said.
      await Promise.all([...peers].map((peer) => leave(peer.socket)));
      await shut();
    },
    up: () => listen(at),
    close: async () => {
      drop();
      pages.config.close();
      wss.close();
      await shut();
    },
  };
}

function push(peer: Peer, event: string, payload: Params): void {
  peer.seq += 1;
  peer.socket.send(JSON.stringify({ type: "event", event, payload, seq: peer.seq }));
}

type House = ScriptedPages & {
  peers: Set<Peer>;
  links: Set<string>;
  deviceTokens: Map<string, string>;
  calls: { method: string; params: Params }[];
  connects: Params[];
  refused: () => Wire | null;
  grant: (scopes: readonly string[]) => readonly string[];
  channels: Channels;
  audit: AuditEvents;
  approvals: Approvals;
  conversations: Conversations;
};

/** One socket, from the challenge to its close. */
function accept(socket: WebSocket, house: House): void {
  const peer: Peer = {
    socket,
    seq: 0,
    ready: false,
    scoped: false,
    sessions: false,
    keys: new Set(),
    scopes: [],
    device: "",
    nonce: randomUUID(),
    ts: Date.now(),
  };
  house.peers.add(peer);
  socket.on("close", () => house.peers.delete(peer));
  socket.on("error", () => house.peers.delete(peer));
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: peer.nonce, ts: peer.ts, capabilities: [] } }));
  socket.on("message", (data) => {
    const frame = JSON.parse(String(data)) as { id: string; method: string; params?: Params };
    const params = frame.params ?? {};
    try {
      if (!peer.ready) house.connects.push(params);
      else house.calls.push({ method: frame.method, params });
      const payload = peer.ready
        ? (answerParts(house, peer, frame.method, params) ?? answer(house.conversations, peer, frame.method, params))
        : connect(peer, params, house);
      void Promise.resolve(payload).then(
        (value) => socket.send(JSON.stringify({ type: "res", id: frame.id, ok: true, payload: value })),
        (error: unknown) => socket.send(JSON.stringify({ type: "res", id: frame.id, ok: false, error: toWire(error) })),
      );
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      socket.send(JSON.stringify({ type: "res", id: frame.id, ok: false, error: error.wire }));
      if (!peer.ready) socket.close(error.wire.code === "UNAVAILABLE" ? 1013 : 1008, error.wire.message.slice(0, 120));
    }
  });
}

/** An error of the gateway's own methods. */
function toWire(error: unknown): Wire {
  if (!(error instanceof GatewayError)) throw error;
  return { code: error.code, message: error.message, details: { ...error.details, ...(error.fix !== undefined && { fix: error.fix }) } };
}

const invalid = (message: string, code?: string): Refusal =>
  new Refusal({ code: "INVALID_REQUEST", message, ...(code ? { details: { code } } : {}) });

/** The handshake, with the signature really checked. */
function connect(peer: Peer, params: Params, auth: House): unknown {
  const extra = Object.keys(params).find((key) => !CONNECT_KEYS.has(key));
  if (extra !== undefined) throw invalid(`invalid connect params: at root: unexpected property '${extra}'`);
  const given = (params["auth"] ?? {}) as Record<string, string | undefined>;
  const device = params["device"] as { id: string; publicKey: string; signature: string; signedAt: number; nonce: string } | undefined;
  const refusal = auth.refused();
  if (refusal !== null) throw new Refusal(refusal);
  const secret = given["bootstrapToken"] ?? given["deviceToken"] ?? given["token"] ?? "";
  if (device === undefined)
    throw new Refusal({ code: "NOT_PAIRED", message: "device identity required", details: { code: "DEVICE_IDENTITY_REQUIRED" } });
  checkSignature(peer, params, device, secret);
  if (given["bootstrapToken"] !== undefined) {
    if (!auth.links.delete(given["bootstrapToken"])) throw invalid("unauthorized: sign-in link invalid", "AUTH_BOOTSTRAP_TOKEN_INVALID");
  } else if (given["deviceToken"] !== undefined) {
    if (auth.deviceTokens.get(device.id) !== given["deviceToken"])
      throw invalid("unauthorized: device token mismatch", "AUTH_DEVICE_TOKEN_MISMATCH");
  } else if (secret === "") throw invalid("unauthorized: token missing", "AUTH_TOKEN_MISSING");
  else if (secret !== TOKEN) throw invalid("unauthorized: token mismatch", "AUTH_TOKEN_MISMATCH");
  const deviceToken = auth.deviceTokens.get(device.id) ?? `device-${randomUUID()}`;
  auth.deviceTokens.set(device.id, deviceToken);
  peer.ready = true;
  peer.device = device.id;
  peer.scopes = auth.grant(params["scopes"] as string[]);
  peer.scoped = (params["caps"] as string[]).includes("session-scoped-events");
  return {
    type: "hello-ok",
    protocol: 4,
    server: { version: "0.1.0-dev", connId: randomUUID() },
    features: {
      methods: [...SERVED, ...(auth.conversations.hasBranches ? BRANCHES : []), ...auth.models.served],
      events: ["chat", "agent"],
      capabilities: [],
    },
    snapshot: {
      presence: [],
      health: {},
      stateVersion: { presence: 0, health: 0 },
      uptimeMs: 1,
      sessionDefaults: { defaultAgentId: "main", mainKey: "main", mainSessionKey: "agent:main:main" },
    },
    auth: { method: "device-token", role: "operator", scopes: peer.scopes, deviceToken },
    policy: {
      maxPayload: 26_214_400,
      maxBufferedBytes: 52_428_800,
      tickIntervalMs: 30_000,
      attachments: { maxBytes: 19_464_192, maxImageBytes: 6_291_456 },
    },
  };
}

function checkSignature(
  peer: Peer,
  params: Params,
  device: { id: string; publicKey: string; signature: string; signedAt: number; nonce: string },
  secret: string,
): void {
  const raw = Buffer.from(device.publicKey, "base64url");
  if (createHash("sha256").update(raw).digest("hex") !== device.id) throw invalid("device id mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH");
  if (device.nonce !== peer.nonce || device.signedAt !== peer.ts) throw invalid("device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH");
  const client = params["client"] as { id: string; mode: string; platform: string };
  const scopes = (params["scopes"] as string[]).join(",");
  const platform = client.platform.trim().replace(/[A-Z]/g, (char) => char.toLowerCase());
  const text = ["v3", device.id, client.id, client.mode, params["role"], scopes, device.signedAt, secret, device.nonce, platform, ""].join(
    "|",
  );
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: device.publicKey }, format: "jwk" });
  if (!verify(null, Buffer.from(text), key, Buffer.from(device.signature, "base64url")))
    throw invalid("bad signature", "DEVICE_AUTH_SIGNATURE_INVALID");
}

const APPROVAL_METHODS = /^(?:exec\.)?approvals?\./;

function answerParts(
  { audit, channels, approvals, skills, mcp, browsers, jobs, usage, nodes, tasks, timelines, overview, operations, ...more }: House,
  { scopes, device }: Peer,
  method: string,
  params: Params,
): unknown {
  if (APPROVAL_METHODS.test(method) && !scopes.includes("operator.approvals"))
    throw new Refusal({ code: "INVALID_REQUEST", message: "missing scope: operator.approvals", details: { code: "MISSING_SCOPE" } });
  const traced = timelines.answer(method, params);
  if (traced === null) throw invalid("no message or run has this id", "MESSAGE_NOT_FOUND");
  try {
    return (
      traced ??
      overview.answer(method) ??
      more.models.answer(method, params) ??
      more.agentFiles.answer(method, params, more.models.agent()) ??
      more.config.answer(method, params) ??
      more.devices.answer(method, params) ??
      operations.answer(method, params) ??
      channels.answer(method, params) ??
      approvals.answer(method, params, device) ??
      skills.answer(method, params) ??
      mcp.answer(method, params) ??
      browsers.answer(method, params) ??
      jobs.answer(method, params) ??
      usage.answer(method, params) ??
      nodes.answer(method, params) ??
      tasks.answer(method, params) ??
      answerTools(method, params) ??
      audit.answer(method, params)
    );
  } catch (error) {
    if (!(error instanceof ChannelRefusal) && !(error instanceof ApprovalRefusal) && !(error instanceof RefusedKey)) throw error;
    throw new Refusal({ code: "INVALID_REQUEST", message: error.message, details: error.details });
  }
}

function answer(all: Conversations, peer: Peer, method: string, params: Params): unknown {
  const key = String(params["sessionKey"] ?? params["key"] ?? "");
  if (method === "sessions.subscribe") {
    peer.sessions = true;
    return { subscribed: true };
  }
  if (method === "sessions.messages.subscribe") {
    peer.keys.add(key);
    return { subscribed: true, key };
  }
  if (method === "sessions.messages.unsubscribe") {
    peer.keys.delete(key);
    return { subscribed: false, key };
  }
  if (method === "sessions.list") return all.list(params);
  if (method === "sessions.search") return all.search(String(params["query"]));
  if (method === "chat.media") {
    const found = all.media(key, String(params["messageId"]), Number(params["index"]));
    if (found === null) throw invalid("the picture was not found in this session");
    return found;
  }
  if (method === "models.list") return { models: MODELS };
  if (method === "commands.list") return { commands: COMMANDS };
  const branched = all.branches(method, key, params);
  if (branched !== undefined) return branched;
  if (method === "chat.startup" || method === "chat.history")
    return all.history(all.ensure(key), Number(params["limit"] ?? 80), all.offsetOf(key, params));
  if (method === "chat.send")
    return all.send(key, String(params["message"]), String(params["idempotencyKey"]), (params["attachments"] as unknown[]) ?? []);
  if (method === "chat.abort") {
    const runIds = all.abort(key);
    return { ok: true, aborted: runIds.length > 0, runIds };
  }
  if (method === "sessions.create") {
    const session = all.ensure(key, String(params["displayName"] ?? ""));
    if (typeof params["model"] === "string") session.model = params["model"];
    all.changed(session, "create");
    return { ok: true, key, sessionId: session.sessionId };
  }
  if (method === "sessions.patch") {
    const session = all.ensure(key);
    if ("label" in params) session.label = params["label"] as string | null;
    if ("model" in params) session.model = params["model"] as string | null;
    if ("archived" in params) session.archived = params["archived"] === true;
    if ("category" in params) session.category = params["category"] as string | null;
    if ("pinned" in params) session.pinned = params["pinned"] === true;
    if ("unread" in params) session.unread = params["unread"] === true;
    all.changed(session, "patch");
    return { ok: true, key };
  }
  if (method === "sessions.delete") {
    all.sessions.delete(key);
    push(peer, "sessions.changed", { sessionKey: key, reason: "delete", ts: Date.now() });
    return { ok: true, key, deleted: true };
  }
  throw invalid(`unknown method: ${method}`);
}

async function serve(url: string, basePath: string, response: import("node:http").ServerResponse): Promise<void> {
  const path = normalize(decodeURIComponent(new URL(url, "http://x").pathname));
  const inside = path.startsWith(basePath) ? path.slice(basePath.length) : null;
  const name = inside === "" ? "index.html" : inside;
  const file = name === null ? null : join(ROOT, name);
  if (file === null || !file.startsWith(ROOT) || file.endsWith(sep)) return void response.writeHead(404).end();
  try {
    const body = await readFile(file);
    const sent = name === "index.html" ? Buffer.from(String(body).replace('data-base-path="/"', `data-base-path="${basePath}"`)) : body;
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "content-security-policy": CSP,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    response.end(sent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    response.writeHead(404).end();
  }
}

if (import.meta.main) {
  const gateway = await startDevGateway(Number(process.argv[2] ?? 0));
  gateway.channels.fill();
  console.log(`Open  ${gateway.newLink()}\nToken ${gateway.token}`);
}
