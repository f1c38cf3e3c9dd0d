import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, startGateway, type GatewayUnderTest } from "../wire/gateway-process.ts";
import type { OfficialInstall } from "./install.ts";

/** What came of one task of one client. */
export type Result = { client: string; task: string; ok: boolean; seen: string };

/** Our gateway with a scripted model, and a home for the official clients that knows it as a remote gateway. */
export type OfficialBench = {
  official: OfficialInstall;
  gateway: GatewayUnderTest;
  model: ModelServer;
  /** Where the gateway serves the Control UI. */
  pageUrl: string;
  /** A one-time link to it. */
  officialLink(): Promise<string>;
  /** Environment of the official programs: a home of their own, nothing of this user's. */
  env: Record<string, string>;
  results: Result[];
  /** Runs one task; what it throws is its failure. It returns what was seen, in one line. */
  task(client: string, task: string, run: () => Promise<string>): Promise<void>;
  close(): Promise<void>;
};

export async function openOfficialBench(official: OfficialInstall): Promise<OfficialBench> {
  const model = await startModelServer();
  const gateway = await startGateway({
    config: {
      ...modelConfig(model.url),
      gateway: { controlUi: { root: dirname(official.program) } },
      channels: { irc: { enabled: false, host: "irc.invalid", nick: "bot" } },
    },
  });
  const home = mkdtempSync(join(tmpdir(), "official-"));
  const state = join(home, ".openclaw");
  mkdirSync(state, { recursive: true });
  const remote = { mode: "remote", remote: { url: gateway.url, token: gateway.token() } };
  writeFileSync(join(state, "openclaw.json"), JSON.stringify({ gateway: remote }), { mode: 0o600 });
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    TMPDIR: tmpdir(),
    OPENCLAW_STATE_DIR: state,
    TERM: "xterm-256color",
    NO_COLOR: "1",
  };
  const results: Result[] = [];
  return {
    official,
    gateway,
    model,
    pageUrl: `${gateway.http}/official`,
    env,
    results,
    async officialLink() {
      const client = await gateway.connect();
      try {
        return (await client.request<{ officialUrl: string }>("device.pair.setupCode", { includeQr: false })).officialUrl;
      } finally {
        client.close();
      }
    },
    async task(client, task, run) {
      const result = await run().then(
        (seen) => ({ client, task, ok: true, seen }),
        (err: unknown) => ({
          client,
          task,
          ok: false,
          seen: (err instanceof Error ? err.message : String(err)).split("\n")[0]!.slice(0, 200),
        }),
      );
      results.push(result);
      console.log(`${result.ok ? "✓" : "✗"} ${client}: ${task}${result.seen === "" ? "" : `: ${result.seen}`}`);
    },
    async close() {
      await gateway.kill();
      await model.close();
      dropHome(gateway.home);
      dropHome(home);
    },
  };
}

export type CommandResult = { code: number | null; out: string; err: string };

/** Runs the official command line to its end. */
export function runOfficial({ official, env }: OfficialBench, args: readonly string[], timeoutMs = 120_000): Promise<CommandResult> {
  const child = spawn(process.execPath, [official.program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  return ended(child, timeoutMs);
}

export function ended(child: ChildProcess, timeoutMs: number): Promise<CommandResult> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`did not end within ${timeoutMs / 1_000} s; the last it said: ${(out + err).trim().slice(-150)}`));
    }, timeoutMs);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(late);
      resolve({ code, out, err });
    });
  });
}

/** Fails with what was printed unless a text is there. */
export function expectText(text: string, wanted: RegExp): string {
  const found = wanted.exec(text);
  if (!found) throw new Error(`${String(wanted)} is not in: ${text.trim().slice(-150).replaceAll(/\s+/g, " ")}`);
  return found[0].replaceAll(/\s+/g, " ").slice(0, 80);
}
