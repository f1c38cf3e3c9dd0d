import { sleep, backoffDelay, type BackoffPolicy } from "../core/async.ts";
import { foregroundClock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import { ProtocolClient, openClient, type ProtocolClientOptions } from "./client.ts";
import { ClientError } from "./errors.ts";

export type ReconnectEvents = {
  /** Called for each connection, also the first. Subscriptions start here; a rejection ends that connection. */
  onConnected(client: ProtocolClient): void | Promise<void>;
  /** Called when a connection ended or could not be made, with the time until the next try; `retryNow` ends that time. */
  onDisconnected(err: ClientError, retryInMs: number, retryNow: () => void): void;
};

/**
 * Holds a connection until `signal` aborts: after each loss it connects again, with a growing, spread delay. Rejects when
 * another try cannot help (wrong credential, not paired, other protocol, or another program in the place of the gateway from the beginning);
 * resolves after the abort.
 */
export async function keepConnected(options: ProtocolClientOptions, events: ReconnectEvents, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let wasUp = false;
  while (!signal.aborted) {
    const err = await connectOnce(options, events, signal, () => {
      failures = 0;
      wasUp = true;
    });
    if (signal.aborted) return;
    // After a connection it is a gateway that starts again: its key changes with that.
    if (!wasUp && (err.kind === "unproven" || err.kind === "untrusted")) throw err;
    if (err.kind === "auth" || err.kind === "pairing" || err.kind === "handshake") throw err;
    const retryInMs = err.retryAfterMs ?? backoffDelay(BACKOFF, failures++, Math.random());
    const wait = new AbortController();
    events.onDisconnected(err, retryInMs, () => wait.abort());
    await sleep(foregroundClock, retryInMs, AbortSignal.any([signal, wait.signal]));
  }
}

async function connectOnce(
  options: ProtocolClientOptions,
  events: ReconnectEvents,
  signal: AbortSignal,
  onUp: () => void,
): Promise<ClientError> {
  let client: ProtocolClient | undefined;
  try {
    client = await openClient({ ...options, signal });
    await events.onConnected(client);
    onUp();
    const { code, reason } = await client.closed;
    return new ClientError("closed", reason || `the connection closed with code ${code}`, { closeCode: code });
  } catch (err) {
    if (err instanceof ClientError) return err;
    throw err;
  } finally {
    await client?.close();
  }
}

/** The jitter keeps clients that lost the same gateway from reconnecting all at once. */
const BACKOFF: BackoffPolicy = { minMs: LIMITS.clientReconnectMinMs, maxMs: LIMITS.clientReconnectMaxMs, jitter: 0.25 };
