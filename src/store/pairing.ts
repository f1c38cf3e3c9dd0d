import { LIMITS } from "../core/limits.ts";
import type { Store } from "./open.ts";

/** An unknown sender who wrote to the agent. */
export type PairingRequest = {
  channel: string;
  account: string;
  sender: string;
  /** Name that the sender chose; untrusted text. */
  name: string | null;
  /** Sent to the sender once; identifies the request. */
  code: string;
  createdAt: number;
  expiresAt: number;
};

export type PairedSender = { channel: string; account: string; sender: string; name: string | null; approvedAt: number };

type PairingScope = { channel?: string | undefined; account?: string | undefined };

export type PairingOptions = {
  /** A new unguessable code; called again if it exists already. */
  newCode: () => string;
  now: () => number;
};

export type Pairings = ReturnType<typeof createPairings>;

const REQUEST_COLUMNS = "channel, account, sender, name, code, created_at AS createdAt, expires_at AS expiresAt";
const IN_SCOPE = "(? IS NULL OR channel = ?) AND (? IS NULL OR account = ?)";

const scopeParams = ({ channel = undefined, account = undefined }: PairingScope): (string | null)[] => [
  channel ?? null,
  channel ?? null,
  account ?? null,
  account ?? null,
];

/** Paired senders and pairing requests. Functions that change rows run inside a `store.write`. */
export function createPairings(store: Store, options: PairingOptions) {
  const pending = (place: PairingScope = {}): PairingRequest[] =>
    store.all<PairingRequest>(
      `SELECT ${REQUEST_COLUMNS} FROM pairing_requests WHERE expires_at > ? AND ${IN_SCOPE} ORDER BY created_at LIMIT ?`,
      options.now(),
      ...scopeParams(place),
      LIMITS.pairingListRows,
    );

  const find = (channel: string, account: string, code: string): PairingRequest | undefined =>
    pending({ channel, account }).find((request) => request.code === code);

  const forget = (request: PairingRequest): number =>
    store.run(
      "DELETE FROM pairing_requests WHERE channel = ? AND account = ? AND sender = ?",
      request.channel,
      request.account,
      request.sender,
    );

  function freshCode(): string {
    for (;;) {
      const code = options.newCode();
      if (!store.get("SELECT 1 FROM pairing_requests WHERE code = ?", code)) return code;
    }
  }

  return {
    isPaired: (channel: string, account: string, sender: string): boolean =>
      store.get("SELECT 1 FROM paired_senders WHERE channel = ? AND account = ? AND sender = ?", channel, account, sender) !== undefined,

    /**
     * The code for a new request; null when the sender has a valid code already, when the sender is
     * paired, or when LIMITS.pairingPendingPerAccount others wait.
     */
    request(channel: string, account: string, sender: string, name: string | undefined): string | null {
      const now = options.now();
      store.run("DELETE FROM pairing_requests WHERE expires_at <= ?", now);
      if (this.isPaired(channel, account, sender)) return null;
      const waiting = pending({ channel, account });
      if (waiting.length >= LIMITS.pairingPendingPerAccount || waiting.some((each) => each.sender === sender)) return null;
      const code = freshCode();
      store.run(
        "INSERT INTO pairing_requests (channel, account, sender, name, code, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        channel,
        account,
        sender,
        name?.slice(0, 128) ?? null,
        code,
        now,
        now + LIMITS.pairingTtlMs,
      );
      return code;
    },

    /** Pending requests, oldest first. */
    pending,

    /** Approves the sender of a request by its code. Undefined when the request does not exist. */
    approve(channel: string, account: string, code: string): PairingRequest | undefined {
      const request = find(channel, account, code);
      if (!request) return undefined;
      store.run(
        "INSERT INTO paired_senders (channel, account, sender, name, approved_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (channel, account, sender) DO UPDATE SET name = excluded.name, approved_at = excluded.approved_at",
        request.channel,
        request.account,
        request.sender,
        request.name,
        options.now(),
      );
      forget(request);
      return request;
    },

    /** Counts someone as paired whom the owner has approved elsewhere. */
    add: (channel: string, account: string, sender: string): number =>
      store.run(
        "INSERT INTO paired_senders (channel, account, sender, name, approved_at) VALUES (?, ?, ?, NULL, ?) ON CONFLICT DO NOTHING",
        channel,
        account,
        sender,
        options.now(),
      ),

    /** Discards a request without approval; the sender may ask again. */
    dismiss(channel: string, account: string, code: string): PairingRequest | undefined {
      const request = find(channel, account, code);
      if (request) forget(request);
      return request;
    },

    /** Paired senders, newest first. */
    paired: (place: PairingScope = {}): PairedSender[] =>
      store.all<PairedSender>(
        `SELECT channel, account, sender, name, approved_at AS approvedAt FROM paired_senders WHERE ${IN_SCOPE} ORDER BY approved_at DESC LIMIT ?`,
        ...scopeParams(place),
        LIMITS.pairingListRows,
      ),

    /** Removes a pairing; false when there was none. */
    unpair: (channel: string, account: string, sender: string): boolean =>
      store.run("DELETE FROM paired_senders WHERE channel = ? AND account = ? AND sender = ?", channel, account, sender) > 0,
  };
}
