import type { DoctorReport } from "../../src/core/doctor-report.ts";
import type { RemoteReport } from "../../src/core/remote-report.ts";

/** Invented answers about the gateway itself for the scripted one: health, processes, the log. */
const LINES = 1_200;
const MIN = 60_000;

const KINDS = [
  { level: "info", subsystem: "turns", message: "a turn ended", runId: "r1", ms: 1_850 },
  { level: "debug", subsystem: "server", message: "client connected", conn: "93752872" },
  { level: "warn", subsystem: "channels", message: "reconnecting to Slack <b>now</b>", cause: "429: slow down", inMs: 4_000 },
  { level: "error", subsystem: "agents", message: "the provider refused the key", runId: "r2", status: 401 },
];

export class ScriptedOperations {
  now = Date.now();
  #isBroken = false;
  #more: string[] = [];
  #lines = LINES;

  reset(): void {
    this.#isBroken = false;
    this.#lines = LINES;
    this.#more = [];
  }

  breakStore(): void {
    this.#isBroken = true;
  }

  /** The log begins with so many lines, of each kind as many. */
  shortenLog(lines: number): void {
    this.#lines = lines;
  }

  /** Adds a line to the end of the log. */
  log(message: string): void {
    this.#more.push(JSON.stringify({ time: new Date(this.now).toISOString(), level: "warn", subsystem: "test", message }));
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Record<string, unknown>): unknown {
    if (method === "health") return this.#health();
    if (method === "status") return { ...STATUS, telemetry: this.#telemetry(), remoteAccess: REMOTE };
    if (method === "system.info") return SYSTEM;
    if (method === "backup.status") return this.#backups();
    if (method === "update.status") return this.#updates(params);
    if (method === "gateway.doctor") return this.#checks();
    if (method === "system-presence") return [{ mode: "gateway" }, { mode: "webchat" }, { mode: "cli" }];
    return method === "logs.tail" ? this.#tail(params) : undefined;
  }

  /** Half a minute old; the disk is full while the store does not work. */
  #checks(): DoctorReport {
    const full = { check: "disk", severity: "problem", title: "the disk is full", why: "0 MB are free.", fix: "delete files." } as const;
    const findings = this.#isBroken ? [full] : [];
    return { ts: this.now - MIN / 2, problems: findings.length, warnings: 0, fine: 41, findings };
  }

  /** Traces arrive, metrics do not while the store does not work. */
  #telemetry(): unknown {
    const since = this.now - 50 * MIN;
    const broken = this.#isBroken ? { state: "failing", error: "connect ECONNREFUSED" } : { state: "ok", error: null };
    const common = { since, protocol: "http/protobuf", endpointFrom: "config", waiting: 0 };
    return {
      enabled: true,
      error: null,
      signals: [
        { ...common, signal: "traces", state: "ok", error: null },
        { ...common, ...broken, signal: "metrics" },
      ],
    };
  }

  /** A newer version is known after it was asked for. */
  #updates({ refreshCheckout }: Record<string, unknown>): unknown {
    const found = { currentVersion: "0.1.0", latestVersion: "0.2.0", channel: "stable" };
    const stats = { before: { version: "0.0.9" }, after: { version: "0.1.0" } };
    return {
      sentinel: { status: "ok", ts: this.now - 3_000 * MIN, message: null, stats },
      updateAvailable: refreshCheckout === true ? found : null,
      effectiveChannel: "stable",
      schedule: { channel: "stable", autoEnabled: false, install: { kind: "package" } },
    };
  }

  /** A daily backup; while the store does not work, the last one has failed. */
  #backups(): unknown {
    const at = this.now - 40 * MIN;
    return {
      enabled: true,
      at: "03:30",
      keep: 7,
      dir: "/home/ann/.openclaw/backups",
      isRunning: false,
      last: { at, ok: !this.#isBroken, kind: "scheduled", error: this.#isBroken ? "the disk is full" : null },
      lastGoodAt: at,
      nextAt: this.now + 600 * MIN,
      backups: [{ file: "/home/ann/.openclaw/backups/a.zip", kind: "scheduled", createdAt: at, bytes: 12_400_000 }],
    };
  }

  #health(): unknown {
    const since = this.now - 90 * MIN;
    const store = this.#isBroken
      ? { name: "store", state: "failing", cause: "the disk is full", since: this.now - 3 * MIN, vital: true }
      : { name: "store", state: "ready", cause: null, since, vital: true };
    return {
      ok: !this.#isBroken,
      methods: [
        { method: "chat.history", count: 1_204, p50Ms: 1, p95Ms: 5 },
        { method: "sessions.list", count: 311, p50Ms: 5, p95Ms: 25 },
        { method: "usage.report", count: 4, p50Ms: 100, p95Ms: null },
      ],
      eventLoop: {
        degraded: false,
        reasons: [],
        intervalMs: 10_000,
        delayP99Ms: 3.4,
        delayMaxMs: 21,
        utilization: 0.02,
        cpuCoreRatio: 0.013,
      },
      parts: [{ name: "channel:irc/libera", state: "ready", cause: null, since, vital: false }, store],
    };
  }

  #tail({ cursor, limit }: Record<string, unknown>): unknown {
    const all = [...Array.from({ length: this.#lines }, (_, index) => this.#line(index)), ...this.#more];
    const from = typeof cursor === "number" ? cursor : Math.max(0, all.length - Number(limit));
    return {
      file: "/home/ann/.openclaw/gateway/logs/gateway.log",
      cursor: all.length,
      size: all.length,
      lines: all.slice(from),
      truncated: false,
      reset: false,
    };
  }

  #line(index: number): string {
    const time = new Date(this.now - (this.#lines - index) * 1_000).toISOString();
    return JSON.stringify({ time, ...KINDS[index % KINDS.length] });
  }
}

const STATUS = {
  runtimeVersion: "0.1.0",
  agentRuntime: {
    state: "ready",
    restarts: 1,
    busy: 1,
    processes: 1,
    hosts: [{ kind: "shared", group: "shared 0", pid: 4_711, state: "ready", sessions: 31, running: 2, residentBytes: 117_000_000 }],
  },
};
const REMOTE: RemoteReport = {
  address: "https://desk.tail1.ts.net",
  urls: ["wss://192.168.1.20:18789"],
  tls: { fingerprint: "ab12".repeat(16), expiresAt: Date.parse("2028-03-01T00:00:00Z") },
  tailscale: { mode: "serve", url: "https://desk.tail1.ts.net" },
  mdns: "minimal",
  zone: null,
};
const SYSTEM = {
  uptimeMs: 93 * MIN,
  osLabel: "Linux 6.18",
  cpuCount: 2,
  loadAverage: [0.4, 0.3, 0.2],
  memoryTotalBytes: 8e9,
  memoryFreeBytes: 5.2e9,
  diskTotalBytes: 270e9,
  diskAvailableBytes: 80e9,
};
