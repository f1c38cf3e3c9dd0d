import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { descendants, MAIN } from "../wire/gateway-process.ts";
import { COMPILE_CACHE } from "../wire/warm-start.ts";
import type { CrashBench } from "./crash-bench.ts";

const SCOPES = ["operator.admin", "operator.read", "operator.write"];
/** Children of a killed gateway may live this much longer. */
export const ORPHAN_MS = 1_000;
const START_MS = 60_000;
/** Title of a shared agent host. */
const HOST_TITLE = "openclaw-pi";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One process of the gateway, from its start to its death. */
export class GatewayRun {
  readonly startedAt = Date.now();
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<void>;
  /** Resolves to true when it serves, to false when it ended before. */
  readonly serving: Promise<boolean>;
  readonly #world: CrashBench;
  readonly #child: ChildProcess;
  #output = "";
  #over = false;

  constructor(world: CrashBench, options: { crashAt?: string; main?: string; env?: Record<string, string> } = {}) {
    this.#world = world;
    this.#child = spawn(process.execPath, [options.main ?? MAIN, "gateway", "--port", String(world.port), "--json"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: world.home,
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
        ...(options.crashAt ? { OPENCLAW_GATEWAY_CRASH_AT: options.crashAt } : {}),
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((resolve) =>
      this.#child.once("exit", () => {
        this.#over = true;
        resolve();
      }),
    );
    const listens = new Promise<boolean>((resolve) => {
      for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
        stream.on("data", (chunk: Buffer) => {
          this.#output = (this.#output + chunk.toString()).slice(-64_000);
          if (/"url"\s*:/.test(this.#output)) resolve(true);
        });
      }
    });
    this.serving = Promise.race([listens, this.ended.then(() => false)]);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get over(): boolean {
    return this.#over;
  }

  get output(): string {
    return this.#output;
  }

  /** `signal` if any, and null when it ended by itself. */
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** The shared agent hosts of this gateway that have started. */
  hosts(): number[] {
    return this.#over ? [] : descendants(this.pid).filter((pid) => commandOf(pid).startsWith(HOST_TITLE));
  }

  /** A client as soon as one is let in; null when the process ends before. */
  async connect(): Promise<ProtocolClient | null> {
    if (!(await this.serving)) return null;
    const end = Date.now() + START_MS;
    while (!this.#over) {
      try {
        return await openClient({
          url: `ws://127.0.0.1:${this.#world.port}`,
          credentials: { token: new Secret(this.#world.token()) },
          scopes: SCOPES,
        });
      } catch (err) {
        if (!(err instanceof ClientError)) throw err;
        if (err.kind !== "starting" && err.kind !== "unreachable") throw err;
        if (Date.now() > end) throw new Error(`the gateway does not let anyone in:\n${this.#output}`, { cause: err });
        await sleep(10);
      }
    }
    return null;
  }

  /** Ends the process; resolves to the children that outlived it by more than they may, as id and command line. */
  async end(signal: NodeJS.Signals): Promise<string[]> {
    const children = this.#over ? [] : descendants(this.pid);
    const names = new Map(children.map((pid) => [pid, commandOf(pid).replaceAll("\0", " ").slice(0, 200)]));
    if (!this.#over) this.#child.kill(signal);
    await this.ended;
    const end = Date.now() + ORPHAN_MS;
    let left = children.filter(isRunning);
    while (left.length > 0 && Date.now() < end) {
      await sleep(10);
      left = left.filter(isRunning);
    }
    return left.map((pid) => `${pid} ${names.get(pid)}`);
  }
}

/** Empty for a process that has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw err;
  }
}

/** A zombie does nothing any more: only its entry waits to be read. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return false;
    throw err;
  }
}
