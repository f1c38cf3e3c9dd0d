import { randomUUID } from "node:crypto";
import { openClient, type ProtocolClient, type ServerEvent } from "../client/client.ts";
import type { DeviceIdentity } from "../client/device.ts";
import { ClientError } from "../client/errors.ts";
import { backoffDelay, sleep, withTimeout, type BackoffPolicy } from "../core/async.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asString, fieldsOf } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { parseFingerprint } from "../core/tls-pin.ts";
import type { LinkConnection, PeersContext, PeerSettings } from "./context.ts";
import { helloText, verifyText } from "./envelope.ts";
import { keyIdOf, linkToken } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";

/** Another key than the pinned one was shown. */
class KeyChangedError extends Error {
  readonly publicKey: string;

  constructor(publicKey: string) {
    super("the other gateway shows another key than the pinned one");
    this.name = "KeyChangedError";
    this.publicKey = publicKey;
  }
}

export type DialTarget = Pick<PeerSettings, "url" | "tlsFingerprint">;

/** Connects to another gateway, as one that is paired there or by a pairing code; resolves with its key, which it has shown. */
export async function dial(
  identity: DeviceIdentity,
  { url, tlsFingerprint }: DialTarget,
  options: { token: string; signal: AbortSignal; onEvent: (event: ServerEvent) => void },
): Promise<{ client: ProtocolClient; publicKey: string }> {
  const pin = tlsFingerprint === undefined ? null : parseFingerprint(tlsFingerprint);
  if (pin === null && tlsFingerprint !== undefined) throw new Error("tlsFingerprint is not a SHA-256 fingerprint; nothing is sent");
  let client: ProtocolClient;
  try {
    client = await openClient({
      url: url ?? "",
      role: "peer",
      scopes: [],
      client: { id: "gateway-client", mode: "backend", displayName: "openclaw gateway" },
      credentials: { token: new Secret(options.token) },
      device: identity,
      ...(pin !== null && { tlsFingerprint: pin }),
      onEvent: options.onEvent,
      signal: options.signal,
    });
  } catch (err) {
    const shown = err instanceof ClientError && err.reason === "PEER_KEY_CHANGED" ? asString(err.details["publicKey"]) : "";
    throw shown === "" ? err : new KeyChangedError(shown);
  }
  try {
    return { client, publicKey: await readKey(identity, client) };
  } catch (err) {
    await client.close();
    throw err;
  }
}

/** The key of the other side, with the proof that it holds it. */
async function readKey(identity: DeviceIdentity, client: ProtocolClient): Promise<string> {
  const nonce = randomUUID();
  const answer = fieldsOf(await client.request("peer.hello", { nonce }));
  const publicKey = asString(answer["publicKey"]);
  if (verifyText(publicKey, helloText(nonce, identity.id, keyIdOf(publicKey)), asString(answer["signature"]))) return publicKey;
  throw new GatewayError("UNAVAILABLE", "the other gateway did not prove that it holds its key");
}

const BACKOFF: BackoffPolicy = { minMs: PEER_LIMITS.dialMinMs, maxMs: PEER_LIMITS.dialMaxMs, jitter: 0.25 };

export type DialerDeps = Pick<PeersContext, "own" | "keyOf" | "clock" | "log"> & {
  random: () => number;
  opened: (name: string, connection: LinkConnection) => void;
  closed: (name: string, connection: LinkConnection) => void;
  /** It could not connect, or the connection has ended. */
  failed: (name: string, cause: string) => void;
  keyChanged: (name: string, publicKey: string) => void;
  /** Judges a packet of the other side; resolves to the signed answer. */
  receive: (name: string, packet: unknown) => Promise<unknown>;
};

/** Keeps a connection to one gateway until `signal` aborts, with a growing, spread delay between the attempts. */
export async function keepLink(deps: DialerDeps, name: string, target: DialTarget, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const key = deps.keyOf(name);
    if (key === null) return;
    let hasConnected = false;
    try {
      await holdLink(deps, { name, target, keyId: key.keyId }, signal, () => (hasConnected = true));
    } catch (err) {
      if (err instanceof KeyChangedError) deps.keyChanged(name, err.publicKey);
      else deps.failed(name, reasonOf(err));
    }
    failures = hasConnected ? 0 : failures + 1;
    await sleep(deps.clock, backoffDelay(BACKOFF, failures, deps.random()), signal);
  }
}

async function holdLink(
  deps: DialerDeps,
  { name, target, keyId }: { name: string; target: DialTarget; keyId: string },
  signal: AbortSignal,
  onConnected: () => void,
): Promise<void> {
  const opened = Promise.withResolvers<ProtocolClient>();
  opened.promise.catch(() => {});
  const onEvent = ({ event, payload }: ServerEvent): void => {
    if (event !== "peer.push") return;
    opened.promise
      .then(async (client) =>
        client.request("peer.ack", {
          id: asString(fieldsOf(payload)["id"]),
          packet: await deps.receive(name, fieldsOf(payload)["packet"]),
        }),
      )
      .catch((err: unknown) => deps.log.warn("a message of another gateway was not acknowledged", { peer: name, cause: reasonOf(err) }));
  };
  const { client, publicKey } = await dial(deps.own.of(name), target, { token: linkToken(keyId), signal, onEvent });
  if (keyIdOf(publicKey) !== keyId) {
    await client.close();
    throw new KeyChangedError(publicKey);
  }
  const connection: LinkConnection = {
    direction: "outbound",
    since: deps.clock.now(),
    send: (packet) => client.request("peer.push", { packet }, { timeoutMs: PEER_LIMITS.ackMs }),
    close: () => client.terminate(),
  };
  onConnected();
  deps.opened(name, connection);
  opened.resolve(client);
  try {
    const { reason, code } = await client.closed;
    if (!signal.aborted) deps.failed(name, reason || `the connection closed with code ${code}`);
  } finally {
    deps.closed(name, connection);
  }
}

/** A connection that the other gateway has made: messages are events, and acknowledgements are requests. */
export class InboundConnection implements LinkConnection {
  readonly direction = "inbound";
  readonly since: number;
  readonly #deps: Pick<PeersContext, "clock"> & { send: (event: string, payload: unknown) => void; end: () => void; newId: () => string };
  readonly #pending = new Map<string, PromiseWithResolvers<unknown>>();

  constructor(
    deps: Pick<PeersContext, "clock"> & { send: (event: string, payload: unknown) => void; end: () => void; newId: () => string },
  ) {
    this.#deps = deps;
    this.since = deps.clock.now();
  }

  async send(packet: unknown): Promise<unknown> {
    const { clock, newId } = this.#deps;
    const id = newId();
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    this.#deps.send("peer.push", { id, packet });
    try {
      return await withTimeout(clock, PEER_LIMITS.ackMs, answer.promise, () => new Error("the other gateway did not acknowledge in time"));
    } finally {
      this.#pending.delete(id);
    }
  }

  /** The acknowledgement of a packet. One that nothing waits for is of no use any more. */
  acknowledge(id: string, packet: unknown): void {
    this.#pending.get(id)?.resolve(packet);
  }

  closed(): void {
    for (const answer of this.#pending.values()) answer.reject(new Error("the connection has ended"));
    this.#pending.clear();
  }

  close(): void {
    this.#deps.end();
  }
}
