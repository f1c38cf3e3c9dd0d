// A node host that a campaign starts, kills and starts again: our own, or one of OpenClaw's.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendants, MAIN } from "../wire/gateway-process.ts";
import { COMPILE_CACHE } from "../wire/warm-start.ts";

export type NodeHostOptions = {
  /** Its entry file. */
  main?: string | undefined;
  /** Words before the program, such as those that enter another network. */
  prefix?: readonly string[];
  /** Where it finds the gateway. */
  address?: string;
  /** It is OpenClaw's: it shares no directory. */
  isOfficial?: boolean;
};

export class KillableNodeHost {
  readonly name: string;
  readonly home = mkdtempSync(join(tmpdir(), "killable-node-"));
  readonly #marks = join(this.home, "marks");
  /** What commands run: it notes its first argument and waits for so many seconds. A file, because OpenClaw's host refuses shell text. */
  readonly program = join(this.home, "mark");
  /** Null: it shares no files. */
  readonly files: string | null;
  readonly #main: string;
  readonly #prefix: readonly string[];
  readonly #address: string;
  readonly #isOfficial: boolean;
  #child: ChildProcess | null = null;
  #output = "";

  constructor(name: string, { main = MAIN, prefix = [], address = "127.0.0.1", isOfficial = false }: NodeHostOptions) {
    this.name = name;
    this.#main = main;
    this.#prefix = prefix;
    this.#address = address;
    this.#isOfficial = isOfficial;
    writeFileSync(this.program, `#!/bin/sh\necho "$1" >> ${this.#marks}\nsleep "$2"\necho "$1 ran"\n`, { mode: 0o755 });
    this.files = isOfficial ? null : join(this.home, "files");
    if (this.files === null) return;
    mkdirSync(this.files);
    writeFileSync(join(this.files, "note"), `from the ${name}`);
  }

  get output(): string {
    return this.#output;
  }

  start(port: number, { args = [], env = {} }: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {}): void {
    const shared = this.files === null ? [] : ["--files", this.files];
    const place = ["--host", this.#address, "--port", String(port), "--display-name", this.name];
    const [program, ...rest] = [...this.#prefix, process.execPath, this.#main, "node", "run", ...place, ...shared, ...args];
    this.#child = spawn(program!, rest, {
      env: { PATH: process.env["PATH"] ?? "", HOME: this.home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-4_000)));
  }

  /** It was started, and has ended by itself or was killed. */
  get hasEnded(): boolean {
    return this.#child !== null && (this.#child.exitCode !== null || this.#child.signalCode !== null);
  }

  /** Kills it; OpenClaw's host runs in a second process, which the first one would take with it only when it ends by itself. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const others = this.#isOfficial ? descendants(child.pid!) : [];
    child.kill("SIGKILL");
    for (const pid of others) killQuietly(pid);
    await ended;
  }

  /** How often each mark was written. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    if (!existsSync(this.#marks)) return counts;
    for (const mark of readFileSync(this.#marks, "utf8").split("\n").filter(Boolean)) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    return counts;
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ESRCH") throw err;
  }
}
