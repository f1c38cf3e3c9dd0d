import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { GatewayError, missingScope } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import type { Store } from "../store/open.ts";
import * as rows from "../store/tokens.ts";
import { mint, TOKEN_PREFIXES, sha256 } from "./credentials.ts";
import { covers, isScope, OPERATOR_SCOPES } from "./scopes.ts";

export type { ServiceTokenRow } from "../store/tokens.ts";

/** How old the last-used mark of a token may get before it is written again. */
const USED_MS = 60_000;

/** Named tokens for programs: scopes, an optional expiry, stored as hashes, shown once. */
export class ServiceTokens {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #onRevoked: (tokenId: string) => void;

  /** `revoked` closes the sockets that came in with the token. */
  constructor(options: { store: Store; clock: Clock; revoked: (tokenId: string) => void }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#onRevoked = options.revoked;
  }

  /**
   * Makes a token; the answer is the only place where its text appears. Its scopes must be held by its creator. Throws
   * GatewayError FORBIDDEN or INVALID_REQUEST.
   */
  async create(
    wanted: { name: string; scopes: readonly string[]; expiresInMs?: number },
    creator: { scopes: ReadonlySet<string>; name: string },
  ): Promise<{ row: rows.ServiceTokenRow; token: Secret }> {
    const unknown = wanted.scopes.find((scope) => !isScope(scope));
    if (unknown !== undefined)
      throw new GatewayError("INVALID_REQUEST", `unknown scope: ${unknown.slice(0, 64)}`, {
        fix: `Valid scopes: ${OPERATOR_SCOPES.join(", ")}.`,
      });
    const missing = wanted.scopes.find((scope) => !covers(creator.scopes, [scope]));
    if (missing !== undefined) {
      throw missingScope(missing);
    }
    const life = wanted.expiresInMs;
    if (life !== undefined && !(Number.isSafeInteger(life) && life > 0 && life <= LIMITS.tokenLifeMs))
      throw new GatewayError("INVALID_REQUEST", `\`expiresInMs\` must be a whole number from 1 to ${LIMITS.tokenLifeMs}`, {
        fix: `Leave it out for ${LIMITS.serviceTokenMs / 86_400_000} days, or send null for a token that does not expire.`,
      });
    const now = this.#clock.now();
    const token = mint(TOKEN_PREFIXES.serviceToken, 256);
    const row: rows.ServiceTokenRow = {
      id: `t-${randomBytes(6).toString("hex")}`,
      name: wanted.name,
      scopes: [...new Set(wanted.scopes)],
      createdAt: now,
      createdBy: creator.name,
      expiresAt: life === undefined ? null : now + life,
      lastUsedAt: null,
    };
    await this.#store.write(() => {
      if (rows.listTokens(this.#store).some((each) => each.name === row.name))
        throw new GatewayError("CONFLICT", `there is already a token named ${row.name.slice(0, 64)}`, {
          fix: `Choose another name, or first: openclaw tokens revoke ${row.name.slice(0, 64)}`,
        });
      rows.insertToken(this.#store, row, sha256(token.reveal()));
    });
    return { row, token };
  }

  list(): rows.ServiceTokenRow[] {
    return rows.listTokens(this.#store);
  }

  /** Ends the token and closes its sockets. Throws GatewayError NOT_FOUND. */
  async revoke(id: string): Promise<void> {
    const removed = await this.#store.write(() => rows.removeToken(this.#store, id));
    if (!removed) throw new GatewayError("NOT_FOUND", `no such token: ${id.slice(0, 64)}`, { fix: "See them: openclaw tokens list" });
    this.#onRevoked(id);
  }

  /** The live token with this text, or null. */
  find(text: string): rows.ServiceTokenRow | null {
    if (!text.startsWith(TOKEN_PREFIXES.serviceToken)) return null;
    const row = rows.findToken(this.#store, sha256(text));
    return row && this.#isUnexpired(row) ? row : null;
  }

  /** Whether the token with this id is neither revoked nor expired. */
  isLive(id: string): boolean {
    const row = rows.findTokenById(this.#store, id);
    return row !== undefined && this.#isUnexpired(row);
  }

  #isUnexpired(row: rows.ServiceTokenRow): boolean {
    return row.expiresAt === null || row.expiresAt > this.#clock.now();
  }

  /** Notes the use; at most once a minute is written. */
  async recordUse(row: rows.ServiceTokenRow): Promise<void> {
    const now = this.#clock.now();
    if (row.lastUsedAt !== null && now - row.lastUsedAt < USED_MS) return;
    await this.#store.write(() => rows.markTokenUsed(this.#store, row.id, now));
  }
}
