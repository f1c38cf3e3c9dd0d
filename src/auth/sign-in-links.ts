import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { missingScope } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import type { Store } from "../store/open.ts";
import * as rows from "../store/tokens.ts";
import { mint, TOKEN_PREFIXES, sha256 } from "./credentials.ts";
import type { Role } from "./devices.ts";
import { covers, OPERATOR_SCOPES } from "./scopes.ts";

export type { SignInLinkRow } from "../store/tokens.ts";

/**
 * One-time sign-in links: a 128-bit code that pairs the one device that presents it first, with the role and scopes that
 * were written into it when it was made.
 */
export class SignInLinks {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(options: { store: Store; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Makes a code. Its scopes must be held by its creator; the gateway itself holds all. Throws GatewayError FORBIDDEN. */
  async create(
    grant: { role: Role; scopes: readonly string[] },
    creator: { scopes: Iterable<string>; name: string },
  ): Promise<{ id: string; code: Secret; expiresAt: number }> {
    const held = [...creator.scopes];
    const needed = grant.role === "node" ? ["operator.admin"] : grant.scopes;
    const missing = needed.find((scope) => !covers(held, [scope]));
    if (missing !== undefined) {
      throw missingScope(missing);
    }
    const now = this.#clock.now();
    const code = mint(TOKEN_PREFIXES.link, 128);
    const row: rows.SignInLinkRow = {
      id: `l-${randomBytes(6).toString("hex")}`,
      role: grant.role,
      scopes: [...new Set(grant.scopes)],
      createdAt: now,
      createdBy: creator.name,
      expiresAt: now + LIMITS.signInLinkMs,
      usedAt: null,
      usedBy: null,
    };
    await this.#store.write(() => rows.insertSignInLink(this.#store, row, sha256(code.reveal())));
    return { id: row.id, code, expiresAt: row.expiresAt };
  }

  /** A code for the owner of this machine: everything that an operator may do. */
  createForOwner(): Promise<{ id: string; code: Secret; expiresAt: number }> {
    return this.create({ role: "operator", scopes: OPERATOR_SCOPES }, { scopes: OPERATOR_SCOPES, name: "gateway" });
  }

  /** The link with this code when it is neither used nor expired. */
  find(code: string): rows.SignInLinkRow | null {
    if (!code.startsWith(TOKEN_PREFIXES.link)) return null;
    const row = rows.findSignInLink(this.#store, sha256(code));
    return row && row.usedAt === null && row.expiresAt > this.#clock.now() ? row : null;
  }

  /** Uses the link up; call it inside the transaction that pairs the device. Throws when somebody was faster. */
  consume(row: rows.SignInLinkRow, deviceId: string): void {
    if (!rows.consumeSignInLink(this.#store, row.id, deviceId, this.#clock.now())) throw new SignInLinkUsedError();
  }
}

/** The code was used or has expired between look-up and use. */
export class SignInLinkUsedError extends Error {}
