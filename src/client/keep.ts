import { LIMITS } from "../core/limits.ts";
import { Client, openClient, type ClientOptions } from "./client.ts";
import { ClientError } from "./errors.ts";

export type KeepEvents = {
  /** Called for each connection, also the first. Subscriptions start here; a rejection ends that connection. */
  onOpen(client: Client): void | Promise<void>;
  /** Called when a connection ended or could not be made, with the time until the next try. */
  onDown(err: ClientError, retryInMs: number): void;
};

/**
 * Holds a connection until `signal` aborts: after each loss it connects again, with a growing, spread delay. Rejects when
 * another try cannot help (wrong credential, not paired, other protocol); resolves after the abort.
 */
export async function keepConnected(options: ClientOptions, events: KeepEvents, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const err = await holdOnce(options, events, signal, () => (failures = 0));
    if (signal.aborted) return;
    if (err.kind === "auth" || err.kind === "pairing" || err.kind === "handshake") throw err;
    const retryInMs = err.retryAfterMs ?? delayOf(failures++);
    events.onDown(err, retryInMs);
    await pause(retryInMs, signal);
  }
}

async function holdOnce(options: ClientOptions, events: KeepEvents, signal: AbortSignal, onUp: () => void): Promise<ClientError> {
  let client: Client | undefined;
  try {
    client = await openClient({ ...options, signal });
    await events.onOpen(client);
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

/** Doubles from LIMITS.clientReconnectMinMs to LIMITS.clientReconnectMaxMs, spread by a quarter so that clients do not come together. */
function delayOf(failures: number): number {
  const delay = Math.min(LIMITS.clientReconnectMaxMs, LIMITS.clientReconnectMinMs * 2 ** Math.min(failures, 16));
  return Math.round(delay * (0.75 + Math.random() / 4));
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener("abort", end, { once: true });
  });
}
