import { backoffDelay, sleep, untilAborted } from "../core/async.ts";
import { LIMITS } from "../core/limits.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Channel, ChannelContext, WebhookResponse, WebhookRequest, ChannelEvent, Link, ConnectionState } from "./channel.ts";
import { TerminalError } from "./channel.ts";
import { runWithOwner, runWithoutOwner, type FailureHandler } from "./containment.ts";
import type { AccountSpec, AccountStatus, SupervisorDeps, CredentialLeases } from "./account-types.ts";

/** One supervised account. */
export type ManagedAccount = {
  spec(): AccountSpec;
  /** Takes over a configuration that applies without a new connection. */
  update(spec: AccountSpec): void;
  /** Takes over a configuration and connects with it, unless an operator has stopped the account. */
  restart(spec: AccountSpec): void;
  start(): void;
  stop(cause: string): Promise<void>;
  receive(request: WebhookRequest): Promise<WebhookResponse>;
  missingHeader(headers: WebhookRequest["headers"]): string | null;
  status(): AccountStatus;
};

const BACKOFF_MIN_MS = LIMITS.channelBackoffFirstMs;
const BACKOFF_MAX_MS = LIMITS.channelBackoffLastMs;
/** After a connection that was ready this long, the back-off starts again with its shortest delay. */
const STABLE_MS = 60_000;
/** A run that has not ended this long after its abort is abandoned: it cannot store events any more, and keeps its credential until it ends. */
const STOP_MS = LIMITS.channelStopMs;

/** The delay before retry `n`, from 1. Half of it is random, so that many accounts do not reconnect at once. */
export function channelBackoffMs(n: number, random: number): number {
  return backoffDelay({ minMs: BACKOFF_MIN_MS, maxMs: BACKOFF_MAX_MS, jitter: 0.5 }, n - 1, random);
}

/** Whether an account runs in a worker thread. */
export function runsInWorker(config: unknown): boolean {
  return typeof config === "object" && config !== null && (config as { isolate?: unknown }).isolate === true;
}

type SupervisedRun = { abort: AbortController; ended: Promise<void> };
/** One connection attempt. Only the newest may change the state; a revoked one may not store events either. */
type ConnectionAttempt = { host: ChannelContext; channel: Channel; account: unknown; revoked: boolean };

export function superviseAccount(spec: AccountSpec, deps: SupervisorDeps, leases: CredentialLeases): ManagedAccount {
  const account = new AccountSupervisor(spec, deps, leases);
  if (spec.enabled) account.start();
  return account;
}

class AccountSupervisor implements ManagedAccount {
  readonly #deps: SupervisorDeps;
  readonly #leases: CredentialLeases;
  readonly #name: string;
  readonly #log: Log;
  readonly #status: AccountStatus;
  #spec: AccountSpec;
  #running: SupervisedRun | null = null;
  #connection: ConnectionAttempt | null = null;
  #isStoppedByOperator = false;

  constructor(spec: AccountSpec, deps: SupervisorDeps, leases: CredentialLeases) {
    const { channel, account, enabled } = spec;
    this.#spec = spec;
    this.#deps = deps;
    this.#leases = leases;
    this.#name = `${channel}/${account}`;
    this.#log = deps.log.child({ channel, account });
    const never = { retryAt: null, lastMessageAt: null, lastEventAt: null, lastReadAt: null, lastWriteAt: null };
    const cause = enabled ? null : "disabled in the configuration";
    this.#status = {
      channel,
      account,
      enabled,
      isolated: runsInWorker(spec.config),
      state: "stopped",
      since: deps.clock.now(),
      cause,
      fix: null,
      ...never,
      reconnects: 0,
      rateLimits: 0,
    };
  }

  spec(): AccountSpec {
    return this.#spec;
  }

  status(): AccountStatus {
    return { ...this.#status };
  }

  start(): void {
    this.#isStoppedByOperator = false;
    if (this.#running || !this.#spec.enabled) return;
    this.#status.reconnects = 0;
    const mine: SupervisedRun = { abort: new AbortController(), ended: Promise.resolve() };
    this.#running = mine;
    mine.ended = this.#supervise(this.#spec, mine.abort.signal)
      .catch((err: unknown) => this.#log.error("an account could not be supervised", { error: err }))
      .finally(() => {
        if (this.#running === mine) this.#running = null;
      });
  }

  stop(cause: string): Promise<void> {
    this.#isStoppedByOperator = true;
    return this.#stopRun(cause);
  }

  update(next: AccountSpec): void {
    this.#spec = next;
    this.#status.enabled = next.enabled;
    this.#status.isolated = runsInWorker(next.config);
  }

  restart(next: AccountSpec): void {
    this.update(next);
    this.#restart(next).catch((err: unknown) => this.#log.error("an account could not be restarted", { error: err }));
  }

  async receive(request: WebhookRequest): Promise<WebhookResponse> {
    const { channel, account, host } = this.#requireReceiver();
    return runWithOwner(host.fail, async () => channel.handleWebhook!(account, request, host));
  }

  missingHeader(headers: WebhookRequest["headers"]): string | null {
    return this.#requireReceiver().channel.requiredWebhookHeaders?.find((name) => !headers[name]) ?? null;
  }

  #requireReceiver(): ConnectionAttempt {
    const target = this.#connection;
    if (!target) throw new GatewayError("UNAVAILABLE", `${this.#name} is not running`, { retryAfterMs: 5_000 });
    if (!target.channel.handleWebhook) throw new GatewayError("NOT_FOUND", `${this.#name} does not accept HTTP requests`);
    return target;
  }

  #setLink(link: Link | null): void {
    this.#deps.links.set(this.#spec.channel, this.#spec.account, link);
  }

  async #restart(next: AccountSpec): Promise<void> {
    await this.#stopRun(next.enabled ? "restarting with a changed configuration" : "disabled in the configuration");
    if (!this.#isStoppedByOperator && this.#spec === next) this.start();
  }

  async #stopRun(cause: string): Promise<void> {
    const stopping = this.#running;
    const generation = this.#connection;
    this.#running = null;
    this.#connection = null;
    this.#setLink(null);
    if (stopping) {
      stopping.abort.abort(new Error(cause));
      const ended = await Promise.race([stopping.ended.then(() => true), sleep(this.#deps.clock, STOP_MS).then(() => false)]);
      if (generation) generation.revoked = true;
      if (!ended) this.#log.warn("the connection did not end in time and was abandoned");
    }
    if (!this.#running) this.#setState("stopped", cause);
  }

  /** After the first few attempts, a server that stays unreachable is logged at every 20th attempt only. */
  #logLevelFor(state: ConnectionState): "debug" | "info" | "warn" | "error" {
    if (state === "terminal") return "error";
    const { reconnects } = this.#status;
    if (reconnects > 3 && reconnects % 20 !== 0 && (state === "backoff" || state === "connecting")) return "debug";
    return state === "backoff" || state === "degraded" ? "warn" : "info";
  }

  #setState(state: ConnectionState, cause: string | null = null, more: { fix?: string; retryAt?: number } = {}): void {
    const status = this.#status;
    const changed = state !== status.state;
    if (!changed && cause === status.cause && more.retryAt === undefined) return;
    Object.assign(status, { state, cause, fix: more.fix ?? null, retryAt: more.retryAt ?? null });
    if (changed) {
      status.since = this.#deps.clock.now();
      this.#deps.metrics.count("gateway_channels_state_changes_total", { channel: status.channel, state });
    }
    this.#log[this.#logLevelFor(state)](`channel is ${state}`, {
      ...(cause !== null && { cause }),
      ...(more.fix !== undefined && { fix: more.fix }),
    });
    this.#deps.onState({ ...status });
  }

  async #supervise(wanted: AccountSpec, signal: AbortSignal): Promise<void> {
    const { channel, account } = wanted;
    try {
      const impl = await this.#deps.load(channel);
      if (signal.aborted) return;
      if (!impl)
        return this.#setState("terminal", `there is no channel "${channel}"`, {
          fix: "Correct the name, or remove the block from the configuration.",
        });
      const result = wanted.parsed?.channel === impl ? wanted.parsed.result : impl.parse(wanted.config);
      if ("issues" in result) {
        const fix = result.issues.find((issue) => issue.fix !== undefined)?.fix;
        return this.#setState(
          "terminal",
          result.issues.map(({ path, message }) => `${path}: ${message}`).join("; "),
          fix === undefined ? {} : { fix },
        );
      }
      const held = await this.#acquireLease(`${channel} ${impl.identity(result.account)}`, signal);
      const run = (await this.#deps.toWorkerChannel?.(impl, wanted)) ?? impl;
      await this.#runWithBackoff(run, result.account, signal).finally(() => held?.release());
    } catch (err) {
      if (signal.aborted) return;
      if (err instanceof TerminalError) return this.#setState("terminal", reasonOf(err), { fix: err.fix });
      this.#setState("terminal", `a bug stopped this account: ${reasonOf(err)}`, {
        fix: `openclaw channels start ${channel} --account ${account}`,
      });
    }
  }

  /** Waits until this account is the only one with its credential. Null when stopped meanwhile. */
  async #acquireLease(identity: string, signal: AbortSignal): Promise<{ release: () => void } | null> {
    while (!signal.aborted) {
      const taken = this.#leases.acquire(identity, this.#name);
      if ("release" in taken) return taken;
      if (taken.holder === this.#name) this.#setState("connecting", "waiting for the previous connection to end");
      else
        this.#setState("terminal", `${taken.holder} uses the same credential`, {
          fix: `Remove or disable one of ${taken.holder} and ${this.#name}.`,
        });
      await Promise.race([taken.freed, untilAborted(signal)]);
    }
    return null;
  }

  async #runWithBackoff(impl: Channel, parsed: unknown, signal: AbortSignal): Promise<void> {
    const { clock, metrics, random } = this.#deps;
    for (let failures = 0; !signal.aborted;) {
      this.#setState("connecting");
      let readyAt: number | null = null;
      const reason = await this.#runOnce(impl, parsed, signal, () => (readyAt ??= clock.monotonic()));
      if (signal.aborted) return;
      if (readyAt !== null && clock.monotonic() - readyAt >= STABLE_MS) failures = 0;
      failures++;
      this.#status.reconnects++;
      metrics.count("gateway_channels_reconnects_total", { channel: impl.id });
      const asked = reason instanceof GatewayError ? (reason.retryAfterMs ?? 0) : 0;
      const delayMs = Math.max(asked, channelBackoffMs(failures, random()));
      this.#setState("backoff", reasonOf(reason), { retryAt: clock.now() + delayMs });
      await sleep(clock, delayMs, signal);
    }
  }

  /** One attempt. Resolves to the reason for which it ended; throws TerminalError when trying again cannot help. */
  async #runOnce(impl: Channel, parsed: unknown, signal: AbortSignal, onReady: () => void): Promise<unknown> {
    const run = new AbortController();
    const forward = (): void => run.abort(signal.reason);
    signal.addEventListener("abort", forward, { once: true });
    const isCurrent = (): boolean => this.#connection === generation && !signal.aborted;
    const failed = Promise.withResolvers<never>();
    // A failure that comes after the run has ended has no listener.
    failed.promise.catch(() => undefined);
    let failure: { cause: unknown } | null = null;
    const onFail = (cause: unknown): void => {
      failure ??= { cause };
      failed.reject(cause);
    };
    const host = this.#createContext(isCurrent, () => generation.revoked, onFail);
    const generation: ConnectionAttempt = { host, channel: impl, account: parsed, revoked: false };
    this.#connection = generation;
    const onLive = (link: Link | null): void => {
      if (!isCurrent()) return;
      this.#setLink(link && guardLink(link, isCurrent, () => (this.#status.lastWriteAt = this.#deps.clock.now()), host.fail));
      if (link) onReady();
      const { state } = this.#status;
      if (link && state === "connecting") this.#setState("ready");
      else if (!link && (state === "ready" || state === "degraded")) this.#setState("connecting");
    };
    try {
      const running = runWithOwner(host.fail, async () =>
        impl.run(parsed, host, (link) => runWithoutOwner(() => onLive(link)), run.signal),
      );
      await Promise.race([running, this.#afterFailure(failed.promise, running, run)]);
      if (failure) throw (failure as { cause: unknown }).cause;
      return new Error("the connection ended");
    } catch (err) {
      // A run that was aborted because of a failure ends in its own way; the failure is the reason.
      const reason: unknown = failure ? (failure as { cause: unknown }).cause : err;
      if (reason instanceof TerminalError) throw reason;
      return reason;
    } finally {
      signal.removeEventListener("abort", forward);
      generation.revoked = true;
      if (this.#connection === generation) {
        this.#connection = null;
        this.#setLink(null);
      }
      run.abort(new Error("the run has ended"));
    }
  }

  /** Aborts a run whose callback has failed and waits for its end, so that two runs do not overlap. Rejects with the failure. */
  async #afterFailure(failed: Promise<never>, running: Promise<void>, run: AbortController): Promise<never> {
    const err: unknown = await failed.catch((reason: unknown) => reason);
    run.abort(err);
    const ended = await Promise.race([
      running.then(
        () => true,
        () => true,
      ),
      sleep(this.#deps.clock, STOP_MS).then(() => false),
    ]);
    if (!ended) this.#log.warn("the failed connection did not end in time and was abandoned");
    throw err;
  }

  #createContext(isCurrent: () => boolean, isRevoked: () => boolean, onFail: FailureHandler): ChannelContext {
    const { admit, cursor, clock, metrics, vault } = this.#deps;
    const { channel, account } = this.#spec;
    const status = this.#status;
    return {
      async admit(events: readonly ChannelEvent[], next?: string) {
        // Events that were read before a stop may still be stored: a platform without redelivery would not send them again.
        if (isRevoked()) throw new GatewayError("CONFLICT", `a connection of ${channel}/${account} that was replaced tried to write`);
        // The account is set here, so that a channel cannot write for another account.
        const owned = events.map((event) => ({ ...event, account }));
        const began = performance.now();
        await runWithoutOwner(() => admit(channel, account, owned, next));
        metrics.observe("gateway_channels_admit_seconds", (performance.now() - began) / 1_000, { channel, account });
        const now = clock.now();
        status.lastReadAt = now;
        if (events.length > 0) status.lastEventAt = now;
        if (events.some((event) => event.kind === "message")) status.lastMessageAt = now;
        metrics.count("gateway_channels_events_total", { channel }, events.length);
      },
      cursor: () => cursor(channel, account),
      reportActivity: () => {
        if (isCurrent()) status.lastReadAt = clock.now();
      },
      setState: (state, cause) => {
        if (isCurrent()) runWithoutOwner(() => this.#setState(state, cause ?? null));
      },
      reportRateLimit: () => {
        status.rateLimits++;
        metrics.count("gateway_channels_rate_limits_total", { channel });
      },
      fail: (err) => {
        metrics.count("gateway_channels_failures_total", { channel });
        // A TerminalError is a decision of the platform; everything else is a bug.
        if (!(err instanceof TerminalError))
          this.#log.error("a callback of the channel failed; the account connects again", { error: err });
        onFail(err);
      },
      commands: this.#deps.commands,
      log: this.#log,
      ...(vault && { vault: vault(channel, account) }),
    };
  }
}

/** The link as senders get it: it refuses once its connection was replaced. */
function guardLink(link: Link, isCurrent: () => boolean, onWrite: () => void, fail: FailureHandler): Link {
  /** Failures of what a call starts inside the channel belong to the account as well. */
  const owned = <A extends unknown[], T>(method: (...args: A) => T): ((...args: A) => T) => {
    const bound = method.bind(link);
    return (...args) => runWithOwner(fail, () => bound(...args));
  };
  const send = owned(link.send);
  const copy: Link = {
    async send(part, signal) {
      if (!isCurrent()) return { state: "refused", retryable: true, reason: "the connection was replaced" };
      const result = await send(part, signal);
      if (result.state === "sent") onWrite();
      return result;
    },
  };
  if (link.typing) copy.typing = owned(link.typing);
  if (link.edit) copy.edit = owned(link.edit);
  if (link.react) copy.react = owned(link.react);
  if (link.remove) copy.remove = owned(link.remove);
  if (link.pin) copy.pin = owned(link.pin);
  if (link.openThread) copy.openThread = owned(link.openThread);
  if (link.poll) copy.poll = owned(link.poll);
  if (link.download) copy.download = owned(link.download);
  if (link.lookup) copy.lookup = owned(link.lookup);
  return copy;
}
