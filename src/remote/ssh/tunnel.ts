import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { backoffDelay, sleep } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { startProcess, type ChildProcess, type ChildProcessByStdio } from "../../core/start-process.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { sshFailure, type SshFailure } from "./failure.ts";
import { sshArguments, type SshOptions } from "./target.ts";

export type TunnelState = { state: "up" } | { state: "down"; failure: SshFailure; retryInMs: number | null };

export type TunnelOptions = SshOptions & {
  /** Port on this machine; 0: a free one. */
  localPort: number;
  clock: Clock;
  random: () => number;
  onState?: (state: TunnelState) => void;
  /** For tests; else ssh of the system's directories. */
  program?: string;
  env: Readonly<Record<string, string | undefined>>;
};

/** ssh is not searched on the path, where another program could take its name. */
const SYSTEM_SSH = ["/usr/bin/ssh", "/bin/ssh", "/usr/local/bin/ssh", "/opt/homebrew/bin/ssh"];

/**
 * A tunnel to the gateway of another machine. The port of this machine belongs to this process for the whole time, and leads to a Unix
 * socket in a private directory, on which ssh forwards: no other program can take the port while ssh is down, and it stays the same.
 * ssh is started again when it ends, unless the key of the host has changed or the sign-in fails.
 */
export class SshTunnel {
  readonly port: number;
  readonly #options: TunnelOptions;
  readonly #program: string;
  readonly #server: Server;
  readonly #dir = mkdtempSync(join(tmpdir(), "openclaw-ssh-"));
  readonly #ended = new AbortController();
  readonly #sockets = new Set<Socket>();
  #child: ChildProcess | null = null;
  #isUp = false;
  /** Called when ssh forwards, or when it never will again. */
  readonly #waiting = new Set<() => void>();
  #supervised: Promise<void> = Promise.resolve();

  private constructor(options: TunnelOptions, program: string, server: Server) {
    this.#options = options;
    this.#program = program;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#forward(socket));
    process.once("exit", this.#onExit);
  }

  /** Resolves when ssh forwards. Rejects with UNAVAILABLE when the first attempt fails. */
  static async open(options: TunnelOptions): Promise<SshTunnel> {
    const program = options.program ?? SYSTEM_SSH.find((path) => existsSync(path));
    if (program === undefined)
      throw new GatewayError("UNAVAILABLE", "there is no ssh on this machine", { fix: "Install it: apt-get install openssh-client" });
    const server = await listenOnLoopback(options.localPort);
    const tunnel = new SshTunnel(options, program, server);
    const failure = await tunnel.#start();
    if (failure !== null) {
      await tunnel.close();
      throw new GatewayError("UNAVAILABLE", failure.reason, { fix: failure.fix });
    }
    tunnel.#supervised = tunnel.#supervise();
    return tunnel;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Process id of ssh while it runs. */
  get sshPid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Neither the port nor ssh keeps this process alive from here on; ssh ends with it. */
  unref(): void {
    this.#server.unref();
    this.#child?.unref();
    (this.#child?.stderr as Socket | null | undefined)?.unref();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    process.off("exit", this.#onExit);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await this.#stopChild();
    await this.#supervised;
    rmSync(this.#dir, { recursive: true, force: true });
  }

  readonly #onExit = (): void => {
    this.#child?.kill("SIGKILL");
    rmSync(this.#dir, { recursive: true, force: true });
  };

  get #socketPath(): string {
    return join(this.#dir, "gateway.sock");
  }

  /** Starts ssh; null once it forwards, else why it does not. */
  async #start(): Promise<SshFailure | null> {
    const { clock, env } = this.#options;
    rmSync(this.#socketPath, { force: true });
    let child: ChildProcessByStdio<null, null, Readable>;
    try {
      child = startProcess(this.#program, sshArguments(this.#options, this.#socketPath), { stdio: ["ignore", "ignore", "pipe"], env });
    } catch (err) {
      return { reason: reasonOf(err), fix: "raise the limit of open files (ulimit -n).", isFinal: false };
    }
    this.#child = child;
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-REMOTE_LIMITS.sshOutputChars)));
    const ended = new Promise<number | null>((resolve) => {
      child.once("error", (err) => {
        said += err.message;
        resolve(null);
      });
      child.once("close", (code) => resolve(code));
    });
    this.#childEnded = ended.then((value) => {
      this.#isUp = false;
      this.#child = null;
      return sshFailure(said, this.#options.target, value);
    });
    const deadline = clock.monotonic() + REMOTE_LIMITS.sshReadyMs;
    while (this.#child === child && !this.#ended.signal.aborted) {
      if (existsSync(this.#socketPath)) return this.#onUp();
      if (clock.monotonic() > deadline) {
        await this.#stopChild();
        const reason = "ssh did not open the tunnel in time";
        return { reason, fix: "connect with ssh -v to see why.", isFinal: false };
      }
      await Promise.race([this.#childEnded, sleep(clock, REMOTE_LIMITS.sshPollMs, this.#ended.signal)]);
    }
    return this.#childEnded;
  }

  #childEnded: Promise<SshFailure> = Promise.resolve({ reason: "ssh was not started", fix: "", isFinal: false });

  #onUp(): null {
    this.#isUp = true;
    this.#options.onState?.({ state: "up" });
    for (const go of this.#waiting) go();
    return null;
  }

  /** Starts ssh again whenever it ends. */
  async #supervise(): Promise<void> {
    const { clock, random, onState } = this.#options;
    let failures = 0;
    let failure: SshFailure = await this.#childEnded;
    while (!this.#ended.signal.aborted) {
      const retryInMs = failure.isFinal ? null : backoffDelay(REMOTE_LIMITS.sshRetry, failures++, random());
      onState?.({ state: "down", failure, retryInMs });
      if (retryInMs === null) {
        this.#ended.abort();
        for (const go of this.#waiting) go();
        return;
      }
      await sleep(clock, retryInMs, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      const again = await this.#start();
      if (again === null) {
        failures = 0;
        failure = await this.#childEnded;
      } else failure = again;
    }
  }

  async #stopChild(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    child.kill("SIGTERM");
    const cancel = this.#options.clock.after(REMOTE_LIMITS.sshStopMs, () => child.kill("SIGKILL"));
    await this.#childEnded;
    cancel();
  }

  /** A connection that arrives while ssh is down waits for it a while. */
  async #forward(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    if (!this.#isUp && !(await this.#untilUp())) return void socket.destroy();
    if (socket.destroyed) return;
    const upstream = connect(this.#socketPath);
    this.#sockets.add(upstream);
    upstream.on("error", () => socket.destroy());
    upstream.on("close", () => {
      this.#sockets.delete(upstream);
      socket.destroy();
    });
    socket.on("close", () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  }

  #untilUp(): Promise<boolean> {
    if (this.#waiting.size >= REMOTE_LIMITS.sshWaitingConnections || this.#ended.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(done);
        resolve(this.#isUp);
      };
      const cancel = this.#options.clock.after(REMOTE_LIMITS.sshWaitMs, done);
      this.#waiting.add(done);
    });
  }
}

function listenOnLoopback(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (err: NodeJS.ErrnoException) => {
      const message = err.code === "EADDRINUSE" ? `port ${port} of this machine is taken` : `no port can be opened: ${err.message}`;
      reject(new GatewayError("UNAVAILABLE", message, { fix: "Choose another one: --local-port <port>, or omit it.", cause: err }));
    });
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
