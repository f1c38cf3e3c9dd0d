import { backoffDelay, sleep } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import type { HealthReporter } from "../../core/health.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { REMOTE_LIMITS } from "../limits.ts";
import { leadsTo, parseServeStatus, parseStatus, type ServedRoute } from "./answers.ts";
import type { ClaimProcess, TailscaleProgram } from "./program.ts";
import { claimFailure, type TailscaleMode } from "./requirements.ts";

export type TailscaleServeOptions = {
  mode: Exclude<TailscaleMode, "off">;
  /** Null: there is none on this machine. Asked before each claim, because it may be installed later. */
  findProgram: () => Promise<TailscaleProgram | null>;
  /** The port of the listener for Tailscale. */
  backendPort: number;
  /** The gateway's own port: a route to it was set by hand, or by another implementation. */
  gatewayPort: number;
  clock: Clock;
  random: () => number;
  log: Log;
  health: HealthReporter;
  metrics: Metrics;
  /** The gateway is served as `https://<host>`; null: not any more. */
  onServed: (served: { host: string; program: TailscaleProgram } | null) => void;
};

const PART = "tailscale";
const HTTPS_PORT = 443;
/** States of tailscaled that pass by themselves. */
const STARTING: ReadonlySet<string> = new Set(["NoState", "Starting"]);
const UNREACHABLE = /failed to connect to local tailscale|connection refused|\b503\b/i;

/**
 * Holds a claim of `tailscale serve` or `funnel` for the gateway: a process in the foreground, whose route is read back before it counts.
 * When it ends, for whatever reason, it is claimed again. A failure is reported as the state of this part and stops nothing else.
 */
export class TailscaleServe {
  readonly #options: TailscaleServeOptions;
  readonly #ended = new AbortController();
  #child: ClaimProcess | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: TailscaleServeOptions) {
    this.#options = options;
  }

  start(): void {
    const { log, health } = this.#options;
    health.report(PART, "starting", "waiting for Tailscale");
    this.#running = this.#run().catch((err: unknown) => {
      log.error("Tailscale is given up", { error: err });
      health.report(PART, "failing", `an unexpected error: ${reasonOf(err)}. openclaw gateway restart tries again`);
    });
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#stopChild();
    await this.#running;
    this.#options.health.forget(PART);
  }

  async #run(): Promise<void> {
    const { clock, random, log, health, metrics, onServed } = this.#options;
    let failures = 0;
    while (!this.#ended.signal.aborted) {
      const started = clock.monotonic();
      const { why, fix } = await this.#claimOnce();
      onServed(null);
      if (this.#ended.signal.aborted) return;
      if (clock.monotonic() - started >= REMOTE_LIMITS.tailscaleGoodClaimMs) failures = 0;
      const retryInMs = backoffDelay(REMOTE_LIMITS.tailscaleRetry, failures++, random());
      metrics.count("gateway_remote_tailscale_claims_lost_total");
      health.report(
        PART,
        "degraded",
        `the gateway is not reached over Tailscale: ${why}. ${fix} Next attempt in ${Math.ceil(retryInMs / 1_000)} s`,
      );
      if (failures <= 3) log.warn("the gateway is not reached over Tailscale", { cause: why, fix, retryInMs });
      await sleep(clock, retryInMs, this.#ended.signal);
    }
  }

  /** Resolves with the reason when the claim failed or has ended. */
  async #claimOnce(): Promise<{ why: string; fix: string }> {
    try {
      const program = await this.#options.findProgram();
      if (program === null) throw failure("there is no program tailscale that answers", "Install Tailscale, then: tailscale up.");
      const host = await this.#untilRunning(program);
      await this.#adoptRoute(program, host);
      return await this.#hold(program, host);
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      return { why: err.message, fix: sentence(err.fix ?? "tailscale status shows more") };
    }
  }

  /** The name of this machine in the tailnet, once tailscaled runs. */
  async #untilRunning(program: TailscaleProgram): Promise<string> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + REMOTE_LIMITS.tailscaleStartMs;
    for (;;) {
      const { code, stdout, stderr } = await program.run(["status", "--json"], REMOTE_LIMITS.tailscaleStatusMs);
      const status = parseStatus(stdout);
      if (status?.backendState === "Running") {
        if (status.host !== null) return status.host;
        throw failure("this machine has no name and no address in the tailnet", "Enable MagicDNS in the admin console.");
      }
      const passes = status === null ? UNREACHABLE.test(stderr) : STARTING.has(status.backendState);
      if (!passes || clock.monotonic() >= deadline) {
        if (status !== null) throw failure(`Tailscale is in the state ${status.backendState}`, "tailscale up signs this machine in.");
        const said = stderr.trim().slice(0, 200) || `tailscale status ended with ${code ?? "a timeout"}`;
        throw failure(`Tailscale does not answer: ${said}`, "Start tailscaled: systemctl start tailscaled.");
      }
      await sleep(clock, REMOTE_LIMITS.tailscaleStartPollMs, this.#ended.signal);
      if (this.#ended.signal.aborted) throw failure("the gateway stops", "");
    }
  }

  async #routes(program: TailscaleProgram): Promise<ServedRoute[]> {
    const { stdout, stderr, code } = await program.run(["serve", "status", "--json"], REMOTE_LIMITS.tailscaleStatusMs);
    const routes = code === 0 ? parseServeStatus(stdout) : null;
    if (routes === null) {
      const { why, fix } = claimFailure(stderr, this.#options.mode);
      throw failure(`the routes of Tailscale cannot be read: ${why}`, fix);
    }
    return routes;
  }

  /** A lone route to the gateway's own port that was set for good would be in the way; what else is there belongs to someone. */
  async #adoptRoute(program: TailscaleProgram, host: string): Promise<void> {
    const { gatewayPort, log } = this.#options;
    const routes = (await this.#routes(program)).filter(({ hostPort }) => hostPort === `${host}:${HTTPS_PORT}`);
    const held = routes.find(({ session }) => session !== null);
    if (held) {
      const why = `the foreground session ${held.session} holds ${held.hostPort} for ${held.proxy} (TAILSCALE_ROUTE_OWNERSHIP_CONFLICT)`;
      throw failure(why, "End that program.");
    }
    const [lone, ...others] = routes;
    if (lone === undefined) return;
    if (others.length > 0 || lone.path !== "/" || !leadsTo(lone, gatewayPort)) {
      const why = `${lone.hostPort} leads to ${lone.proxy} already, which is not this gateway`;
      throw failure(why, `Remove it, if nothing needs it: tailscale serve --https=${HTTPS_PORT} off.`);
    }
    log.info("took over a route of Tailscale that led to the gateway's own port", { proxy: lone.proxy });
    await program.run(["serve", "--yes", `--https=${HTTPS_PORT}`, "--set-path=/", "off"], REMOTE_LIMITS.tailscaleStatusMs);
  }

  async #hold(program: TailscaleProgram, host: string): Promise<{ why: string; fix: string }> {
    const { mode, backendPort, clock, health, log, onServed } = this.#options;
    const child = program.hold([mode, "--yes", "--bg=false", `--https=${HTTPS_PORT}`, String(backendPort)]);
    this.#child = child;
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-REMOTE_LIMITS.sshOutputChars)));
    }
    // The far end of its input closes when it ends.
    child.stdin?.on("error", () => {});
    const ended = new Promise<void>((resolve) => {
      const end = (): void => {
        this.#child = null;
        resolve();
      };
      child.once("error", (err) => {
        said += err.message;
        end();
      });
      child.once("close", end);
    });
    const deadline = clock.monotonic() + REMOTE_LIMITS.tailscaleClaimMs;
    while (this.#child === child && !this.#ended.signal.aborted) {
      if (await this.#isServed(program, host)) {
        onServed({ host, program });
        health.report(PART, "ready");
        log.info("the gateway is reached over Tailscale", { url: `https://${host}`, mode });
        await ended;
        const { why, fix } = claimFailure(said, mode);
        return { why: `the claim ended (${why})`, fix: sentence(fix) };
      }
      if (clock.monotonic() >= deadline) {
        await this.#stopChild();
        return { why: `tailscale ${mode} did not show its route in time`, fix: "tailscale serve status --json shows what is served." };
      }
      await Promise.race([ended, sleep(clock, REMOTE_LIMITS.tailscaleClaimPollMs, this.#ended.signal)]);
    }
    await this.#stopChild();
    const { why, fix } = claimFailure(said, mode);
    return { why, fix: sentence(fix) };
  }

  /** Only a route that Tailscale shows and that leads to our port counts. */
  async #isServed(program: TailscaleProgram, host: string): Promise<boolean> {
    const { backendPort, mode } = this.#options;
    const routes = await this.#routes(program);
    return routes.some(
      (route) =>
        route.hostPort === `${host}:${HTTPS_PORT}` &&
        route.session !== null &&
        route.path === "/" &&
        leadsTo(route, backendPort) &&
        route.funnel === (mode === "funnel"),
    );
  }

  /** Closing its input ends it (see program.ts). */
  async #stopChild(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.stdin?.end();
    const cancel = this.#options.clock.after(REMOTE_LIMITS.tailscaleStopMs, () => child.kill("SIGKILL"));
    await closed;
    cancel();
  }
}

const failure = (message: string, fix: string): GatewayError => new GatewayError("UNAVAILABLE", message, { fix });
const sentence = (text: string): string => (text === "" || /[.!?]$/.test(text) ? text : `${text}.`);
