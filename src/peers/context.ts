import type { DeviceIdentity } from "../client/device.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { PeerKeyRow, PeerOutboxRow, PeerRows } from "../store/peers.ts";
import type { Store } from "../store/open.ts";
import type { OwnKeys } from "./own-keys.ts";
import type { Ack, ReplyEnvelope, ReplyStatus, RequestEnvelope, RotateEnvelope } from "./envelope.ts";

export type PeerSettings = Config["peers"][string];

/** How a request ended. */
export type PeerOutcome = { status: ReplyStatus; text: string; reason: string | null };

/** An envelope as it is stored: for whom it is, is known when it is sent. */
export type StoredEnvelope = Omit<RequestEnvelope, "v" | "from" | "to"> | Omit<ReplyEnvelope, "v" | "from" | "to">;

/** What is sent over a link, before it is known with which keys. */
export type UnaddressedEnvelope = StoredEnvelope | { kind: "ping"; id: string } | Omit<RotateEnvelope, "v" | "from" | "to">;

export type LinkRows = PeerRows<StoredEnvelope, PeerOutcome>;
export type OutgoingRow = PeerOutboxRow<StoredEnvelope, PeerOutcome>;

/** What all parts of the links know. */
export type PeersContext = {
  identity: DeviceIdentity;
  own: OwnKeys;
  /** Keys with which the other side of a link may sign: its key, and the one before while that is accepted. */
  keysOf: (name: string) => readonly Pick<PeerKeyRow, "keyId" | "publicKey">[];
  /** The settings of a link that is used; null for all others. */
  settings: (name: string) => PeerSettings | null;
  /** The pinned key of a link. */
  keyOf: (name: string) => PeerKeyRow | null;
  rows: LinkRows;
  store: Store;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  crashPoint: (point: string) => void;
  newId: () => string;
};

/** What the other side says about what it was sent, as far as the queue needs it. */
export type LinkAnswer = Pick<Ack, "status" | "reason" | "agents"> & {
  /** What an agent that speaks A2A has made of a request, and how that ended when it has. */
  task?: { id: string | null; outcome: PeerOutcome | null };
};

/** A connection to another gateway, after both have shown their keys, or the way to an agent that speaks A2A. */
export type LinkConnection = {
  readonly direction: "outbound" | "inbound";
  readonly since: number;
  /** Resolves to the acknowledgement; rejects when there was none. */
  send(packet: unknown): Promise<unknown>;
  /** Instead of `send` where nothing is signed: resolves to the answer; rejects when there was none. */
  deliver?: (envelope: UnaddressedEnvelope) => Promise<LinkAnswer>;
  /** The answer of `deliver` is stored. */
  delivered?: (id: string) => void;
  close(): void;
};
