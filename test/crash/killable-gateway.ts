// A gateway that a campaign starts, kills and starts again.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { freePort } from "../channel-kit/ngircd.ts";
import { descendants, MAIN, stateDir } from "../wire/gateway-process.ts";
import { COMPILE_CACHE, seedPiCache } from "../wire/warm-start.ts";

/** Title of a shared agent host. */
const HOST_TITLE = "openclaw-pi";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class KillableGateway {
  readonly home = mkdtempSync(join(tmpdir(), "killable-"));
  readonly #main: string;
  readonly #scopes: readonly string[];
  port = 0;
  kills = 0;
  #child: ChildProcess | null = null;

  constructor({
    main = MAIN,
    scopes = ["operator.admin", "operator.read", "operator.write"],
  }: { main?: string | undefined; scopes?: readonly string[] } = {}) {
    this.#main = main;
    this.#scopes = scopes;
  }

  async prepare(config: unknown): Promise<void> {
    this.port = await freePort();
    mkdirSync(stateDir(this.home), { recursive: true });
    seedPiCache(stateDir(this.home));
    writeFileSync(join(stateDir(this.home), "openclaw.json"), JSON.stringify(config));
  }

  start(crashAt?: string): void {
    this.#child = spawn(process.execPath, [this.#main, "gateway", "--port", String(this.port), "--json"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.home,
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
        ...(crashAt && { OPENCLAW_GATEWAY_CRASH_AT: crashAt }),
      },
      stdio: "ignore",
    });
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Whether the process ends by itself within the time. */
  async diesWithin(ms: number): Promise<boolean> {
    const end = Date.now() + ms;
    while (this.#child?.signalCode === null && this.#child.exitCode === null) {
      if (Date.now() > end) return false;
      await sleep(20);
    }
    return true;
  }

  /** A client as soon as one is let in. */
  async connect(): Promise<ProtocolClient> {
    for (;;) {
      const client = await this.tryConnect();
      if (client !== null) return client;
      await sleep(20);
    }
  }

  token(): string {
    return readFileSync(join(stateDir(this.home), "gateway", "token"), "utf8").trim();
  }

  async tryConnect(): Promise<ProtocolClient | null> {
    try {
      const credentials = { token: new Secret(this.token()) };
      return await openClient({ url: `ws://127.0.0.1:${this.port}`, credentials, scopes: [...this.#scopes] });
    } catch (err) {
      const isAbsent = (err as NodeJS.ErrnoException).code === "ENOENT";
      if (!isAbsent && !(err instanceof ClientError)) throw err;
      return null;
    }
  }

  async call<T>(method: string, params: unknown): Promise<T> {
    const client = await this.connect();
    try {
      return await client.request<T>(method, params);
    } finally {
      await client.close();
    }
  }

  /** Rows of a table; the gateway has ended. */
  rows<R>(sql: string): R[] {
    const db = new DatabaseSync(join(stateDir(this.home), "gateway", "gateway.db"), { readOnly: true });
    try {
      return db.prepare(sql).all() as R[];
    } finally {
      db.close();
    }
  }

  /** Processes of the gateway in which agents run. */
  hosts(): number[] {
    const pid = this.#child?.pid;
    return pid === undefined ? [] : descendants(pid).filter((each) => commandOf(each).startsWith(HOST_TITLE));
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Empty for a process that has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
