// MCP servers as the gateway holds them, with scripted servers as processes.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { McpConfig, McpServerConfig } from "../../src/config/schema.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import type { Log } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import { McpServers, type McpServerReport } from "../../src/mcp/servers.ts";
import type { ToolResult } from "../../src/tools/tool.ts";
import { MetricsProbe } from "../metrics-probe.ts";
import { toolContext, type TestToolContext } from "./tool-context.ts";

export const SCRIPTED_SERVER = join(import.meta.dirname, "mcp-server.mjs");

type Script = Record<string, unknown>;
type ServerOptions = Partial<Omit<McpServerConfig, "env" | "headers">> & {
  script?: Script;
  vars?: Record<string, string>;
  header?: Record<string, string>;
};

const secrets = (values: Record<string, string> = {}): Record<string, Secret> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Secret(value)]));

/** A server as the configuration has it; the scripted one unless a command or a url is given. */
export function mcpServer({ script = {}, vars = {}, header, ...rest }: ServerOptions = {}): McpServerConfig {
  const scripted = rest.command === undefined && rest.url === undefined;
  return {
    enabled: true,
    connectionTimeoutMs: 20_000,
    requestTimeoutMs: 20_000,
    supportsParallelToolCalls: false,
    sslVerify: true,
    toolFilter: {},
    oauth: {},
    args: scripted ? [SCRIPTED_SERVER] : [],
    ...(scripted && { command: process.execPath }),
    env: secrets({ ...(scripted && { MCP_SCRIPT: JSON.stringify(script) }), ...vars }),
    headers: secrets(header),
    ...rest,
  };
}

export type McpBench = {
  servers: McpServers;
  metrics: MetricsProbe;
  context: TestToolContext;
  marker: string;
  /** Lines of the log: severity and message. */
  lines: string[];
  /** Replaces the configuration. */
  configure: (servers: Record<string, McpServerConfig>, sessionIdleTtlMs?: number) => void;
  call: (name: string, args?: Script, context?: TestToolContext) => Promise<ToolResult>;
  report: (name: string) => McpServerReport;
  /** Another gateway with the same store. */
  restart: () => McpBench;
};

const SLOW_START_MS = 60_000;

type Stored = Map<string, unknown>;
type Options = { clock?: Clock; sessionIdleTtlMs?: number };

export function mcpBench(
  t: TestContext,
  servers: Record<string, McpServerConfig>,
  options: Options = {},
  stored: Stored = new Map(),
): McpBench {
  const { clock = systemClock, sessionIdleTtlMs = 600_000 } = options;
  let config: McpConfig = { servers, sessionIdleTtlMs };
  const metrics = new MetricsProbe();
  const context = toolContext(t);
  const lines: string[] = [];
  const write =
    (severity: string) =>
    (message: string): void =>
      void lines.push(`${severity} ${message}`);
  const log: Log = { debug: () => {}, info: write("info"), warn: write("warn"), error: write("error"), child: () => log };
  const marker = `test-${randomUUID()}`;
  const held = new McpServers({
    config: () => config,
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: tmpdir(), LANG: "C.UTF-8" },
    marker,
    pins: {
      keyValue: {
        get: (name) => structuredClone(stored.get(name)) ?? null,
        isDamaged: () => false,
        set: (name, value) => void stored.set(name, structuredClone(value)),
      },
      write: async (change) => change(),
      now: () => clock.now(),
    },
    vault: (server) => ({
      read: async (key) => (stored.get(`vault ${server} ${key}`) as Uint8Array | undefined) ?? null,
      write: async (key, value) => void stored.set(`vault ${server} ${key}`, value),
      clear: async () => void stored.delete(`vault ${server} login`),
    }),
    clock,
    // With the system's clock a server that starts slowly on a busy machine is waited for; the limit is tested with a clock that does not move.
    ...(clock === systemClock && { waitMs: SLOW_START_MS }),
    log,
    metrics,
  });
  t.after(() => held.stop());
  return {
    servers: held,
    metrics,
    context,
    marker,
    lines,
    configure: (next, idle = sessionIdleTtlMs) => {
      config = { servers: next, sessionIdleTtlMs: idle };
      held.configure();
    },
    call: (name, args = {}, given = context) => held.run({ id: "call", name, args }, given),
    report: (name) => held.report().find((each) => each.name === name)!,
    restart: () => mcpBench(t, config.servers, options, stored),
  };
}

/** A file in a temporary directory. */
export function scriptFile(
  t: TestContext,
  script: Script,
): { path: string; write: (script: Script) => void; read: (name: string) => string } {
  const dir = mkdtempSync(join(tmpdir(), "openclaw-mcp-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "script.json");
  const write = (next: Script): void => writeFileSync(path, JSON.stringify(next));
  write(script);
  return { path, write, read: (name) => readFileSync(join(dir, name), "utf8") };
}
