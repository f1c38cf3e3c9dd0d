import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { freePort } from "../channel-kit/ngircd.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { COMPILE_CACHE, seedPiCache } from "../wire/warm-start.ts";
import { dropHome, MAIN, modelConfig, newHome, stateDir } from "../wire/gateway-process.ts";

const PROBE = fileURLToPath(new URL("./event-loop-probe.ts", import.meta.url));

/** One turn of the gateway's loop that took long: milliseconds of CPU, and when it ended. */
export type Stall = { at: number; ms: number };

/** A gateway under fire, watched from inside. */
export class FuzzTarget {
  readonly port: number;
  readonly stalls: Stall[] = [];
  readonly #child: ChildProcess;
  readonly #model: ModelServer;
  readonly #home: string;
  readonly #ended: Promise<void>;
  #output = "";
  #over = false;

  private constructor(port: number, model: ModelServer, home: string, main: string) {
    this.port = port;
    this.#model = model;
    this.#home = home;
    this.#child = spawn(process.execPath, ["--import", PROBE, main, "gateway", "--port", String(port), "--json"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: home,
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        OPENCLAW_DISCOVER_LOCAL_MODELS: "0",
        OPENCLAW_AGENT_WARM_UP: "0",
      },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)));
    this.#ended = new Promise((resolve) =>
      this.#child.once("exit", () => {
        this.#over = true;
        resolve();
      }),
    );
    (this.#child.stdio[3] as Readable).on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) {
        const [at, ms] = line.split(" ").map(Number) as [number, number];
        this.stalls.push({ at, ms });
      }
    });
  }

  static async start(main: string = MAIN): Promise<FuzzTarget> {
    const [port, model, home] = [await freePort(), await startModelServer(), newHome()];
    mkdirSync(stateDir(home), { recursive: true });
    seedPiCache(stateDir(home));
    const config = {
      ...modelConfig(model.url),
      agents: { defaults: { model: { primary: "test/echo" }, maxConcurrent: 1, skipBootstrap: true } },
      gateway: { http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } } },
    };
    writeFileSync(join(stateDir(home), "openclaw.json"), JSON.stringify(config));
    const target = new FuzzTarget(port, model, home, main);
    while (!/"url"\s*:/.test(target.#output)) {
      if (target.#over) throw new Error(`the gateway did not start:\n${target.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return target;
  }

  get over(): boolean {
    return this.#over;
  }

  get output(): string {
    return this.#output;
  }

  token(): string {
    return readFileSync(join(stateDir(this.#home), "gateway", "token"), "utf8").trim();
  }

  /** Resident memory in MiB; 0 where the system does not tell. */
  residentMib(): number {
    if (this.#over || process.platform !== "linux") return 0;
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#ended;
    await this.#model.close();
    dropHome(this.#home);
  }
}
