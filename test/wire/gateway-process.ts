import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { Secret } from "../../src/core/secret.ts";
import { freePort } from "../channel-kit/ngircd.ts";
import { until } from "../until.ts";
import { COMPILE_CACHE, gatewayEntry, keepPiCache, seedPiCache } from "./warm-start.ts";

export { until };

/** Entry file of the gateway under test. */
export const MAIN = gatewayEntry();

export type GatewayUnderTest = {
  url: string;
  http: string;
  port: number;
  pid: number;
  home: string;
  /** Everything that the process printed. */
  output: () => string;
  token: () => string;
  connect: (options?: { scopes?: string[]; caps?: string[] }) => Promise<ProtocolClient>;
  kill: (signal?: NodeJS.Signals) => Promise<void>;
  ended: Promise<number | null>;
};

/** Starts the agent host with the gateway, as in production; other tests start it with their first turn. */
export const WARM_AGENTS = { OPENCLAW_AGENT_WARM_UP: "1" } as const;

export type StartOptions = {
  /** An existing home, to start again on the same state. */
  home?: string;
  port?: number;
  config?: unknown;
  env?: Record<string, string>;
  args?: string[];
  /** Entry file; the sources by default. */
  main?: string;
};

/** Commands run as the gateway's user, and no person is asked about them. */
export const UNASKED = { mode: "full", host: "gateway" } as const;

/** A configuration with one model of the deterministic model server. */
export const modelConfig = (modelUrl: string): Record<string, unknown> => ({
  models: {
    providers: {
      test: {
        baseUrl: `${modelUrl}/v1`,
        apiKey: "test-key",
        api: "openai-completions",
        models: [{ id: "echo", name: "Echo", contextWindow: 128_000, maxTokens: 4_096 }],
      },
    },
  },
  agents: { defaults: { model: { primary: "test/echo" } } },
  tools: { exec: UNASKED },
});

export const newHome = (): string => mkdtempSync(join(tmpdir(), "gateway-"));
export function dropHome(home: string): void {
  keepPiCache(stateDir(home));
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
export const stateDir = (home: string): string => join(home, ".openclaw");

/** Starts the real process on a free port and waits until it says that it listens. */
export async function startGateway(options: StartOptions = {}): Promise<GatewayUnderTest> {
  const home = options.home ?? newHome();
  const port = options.port ?? (await freePort());
  mkdirSync(stateDir(home), { recursive: true });
  seedPiCache(stateDir(home));
  if (options.config !== undefined)
    writeFileSync(
      join(stateDir(home), "openclaw.json"),
      typeof options.config === "string" ? options.config : JSON.stringify(options.config, null, 2),
    );
  const child = spawn(process.execPath, [options.main ?? MAIN, "gateway", "--port", String(port), "--json", ...(options.args ?? [])], {
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: home,
      TMPDIR: tmpdir(),
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
      OPENCLAW_AGENT_WARM_UP: "0",
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(child);
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  await listening(child, output, ended);
  const token = (): string => readFileSync(join(stateDir(home), "gateway", "token"), "utf8").trim();
  const url = `ws://127.0.0.1:${port}`;
  return {
    url,
    http: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    home,
    output,
    token,
    ended,
    connect: ({ scopes = ["operator.admin", "operator.read", "operator.write", "operator.pairing"], caps = [] } = {}) =>
      openClient({ url, credentials: { token: new Secret(token()) }, scopes, caps }),
    kill: async (signal = "SIGTERM") => {
      child.kill(signal);
      await ended;
    },
  };
}

function collect(child: ChildProcess): () => string {
  let text = "";
  child.stdout!.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

async function listening(child: ChildProcess, output: () => string, ended: Promise<number | null>): Promise<void> {
  const said = new Promise<void>((resolve) => {
    const look = (): void => {
      if (!/"url"\s*:/.test(output())) return;
      child.stdout!.off("data", look);
      resolve();
    };
    child.stdout!.on("data", look);
  });
  const code = await Promise.race([said.then(() => "ready" as const), ended]);
  if (code !== "ready") throw new Error(`the gateway ended with ${code} before it listened:\n${output()}`);
}

/** Process ids of the children of a process, and of theirs. */
export function descendants(pid: number): number[] {
  let listed: string;
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    // It has ended meanwhile.
    if (code === "ENOENT" || code === "ESRCH") return [];
    throw err;
  }
  const direct = listed.trim().split(/\s+/).filter(Boolean).map(Number);
  return direct.flatMap((child) => [child, ...descendants(child)]);
}
