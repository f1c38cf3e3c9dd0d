import type { ConnId } from "../core/ids.ts";
import type { Disconnect } from "./disconnects.ts";

/** Who gets an event: holders of `scope` that watch one of `topics` (no topics: everybody with the scope). */
export type Audience = {
  /** Scope that a connection must hold; absent for tick, health and presence. */
  scope?: string;
  /** `session:<key>`, `sessions`, ...; a connection gets the event once even when it watches several. */
  topics?: readonly string[];
  /** Only connections that announced this capability. */
  cap?: string;
  /** Connections that never get it, e.g. because they got it by another way. */
  except?: ConnId;
  /** May be left out for a client that reads slowly; its next `seq` shows no gap. */
  droppable?: boolean;
  /** No other event follows in this turn of the event loop: each client's bytes leave at once, which costs half. */
  alone?: boolean;
  stateVersion?: { presence: number; health: number };
};

/** The way from the rooms to the connected clients. Implemented by server/hub; a payload is encoded once for all. */
export type Hub = {
  publish(event: string, payload: unknown, audience: Audience): void;
  /** To one connection, without `seq`. */
  send(conn: ConnId, event: string, payload: unknown): void;
  watch(conn: ConnId, topic: string): void;
  unwatch(conn: ConnId, topic: string): void;
  watches(conn: ConnId, topic: string): boolean;
  /** Whether a client watches one of the topics: without a watcher, nothing has to be read or encoded for an event. */
  isWatched(topics: readonly string[]): boolean;
  /** Closes the sockets that `match`es, e.g. after a revocation. Returns how many. */
  close(match: (peer: Peer) => boolean, why: Disconnect): number;
  /** The connections after their handshake. */
  peers(): readonly Peer[];
};

export type Peer = {
  conn: ConnId;
  role: "operator" | "node" | "peer";
  scopes: ReadonlySet<string>;
  client: {
    id: string;
    mode: string;
    version: string;
    displayName?: string;
    platform?: string;
    instanceId?: string;
    deviceFamily?: string;
  };
  device: string | null;
  /** Id of the credential that let it in (token id, device id, `shared`), never the credential. */
  credential: string;
  connectedAt: number;
  remote: string;
  /** What a node says that it can do. Only for the role node. */
  claims?: PeerClaims;
};

/** What a node says in `connect`, unchecked beyond its schema. */
export type PeerClaims = {
  caps: readonly string[];
  commands: readonly string[];
  permissions: Readonly<Record<string, boolean>>;
  pathEnv: string | null;
  modelIdentifier: string | null;
  /** It has come with a one-time code that an administrator made for a node. */
  hasCode: boolean;
};
