import { parseStrings, decodeRow, decodeRows } from "./row-decoding.ts";
import type { Store } from "./open.ts";

export type ServiceTokenRow = {
  id: string;
  name: string;
  scopes: string[];
  createdAt: number;
  createdBy: string;
  /** Null: does not expire. */
  expiresAt: number | null;
  lastUsedAt: number | null;
};

export type SignInLinkRow = {
  id: string;
  role: string;
  scopes: string[];
  createdAt: number;
  createdBy: string;
  expiresAt: number;
  usedAt: number | null;
  usedBy: string | null;
};

const TOKEN_COLUMNS = `id, name, scopes, created_at AS createdAt, created_by AS createdBy, expires_at AS expiresAt, last_used_at AS lastUsedAt`;
const LINK_COLUMNS = `id, role, scopes, created_at AS createdAt, created_by AS createdBy, expires_at AS expiresAt, used_at AS usedAt,
  used_by AS usedBy`;

const withScopes = <T extends { scopes: string[] }>(raw: Omit<T, "scopes"> & { scopes: string }): T =>
  ({ ...raw, scopes: parseStrings(raw.scopes) }) as unknown as T;

type TokenSqlRow = Omit<ServiceTokenRow, "scopes"> & { scopes: string };
const tokenRowKey = (raw: TokenSqlRow): string => `service_tokens ${raw.id}`;

export function insertToken(store: Store, token: ServiceTokenRow, tokenHash: string): void {
  store.run(
    "INSERT INTO service_tokens (id, name, token_hash, scopes, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    token.id,
    token.name,
    tokenHash,
    JSON.stringify(token.scopes),
    token.createdAt,
    token.createdBy,
    token.expiresAt,
  );
}

export function listTokens(store: Store): ServiceTokenRow[] {
  const rows = store.all<TokenSqlRow>(`SELECT ${TOKEN_COLUMNS} FROM service_tokens ORDER BY created_at DESC`);
  return decodeRows(store, rows, tokenRowKey, withScopes<ServiceTokenRow>);
}

export function findToken(store: Store, tokenHash: string): ServiceTokenRow | undefined {
  const raw = store.get<TokenSqlRow>(`SELECT ${TOKEN_COLUMNS} FROM service_tokens WHERE token_hash = ?`, tokenHash);
  return decodeRow(store, raw, tokenRowKey, withScopes<ServiceTokenRow>);
}

export function findTokenById(store: Store, id: string): ServiceTokenRow | undefined {
  const raw = store.get<Omit<ServiceTokenRow, "scopes"> & { scopes: string }>(
    `SELECT ${TOKEN_COLUMNS} FROM service_tokens WHERE id = ?`,
    id,
  );
  return raw && withScopes<ServiceTokenRow>(raw);
}

export function removeToken(store: Store, id: string): boolean {
  return store.run("DELETE FROM service_tokens WHERE id = ?", id) > 0;
}

export function markTokenUsed(store: Store, id: string, at: number): void {
  store.run("UPDATE service_tokens SET last_used_at = ? WHERE id = ?", at, id);
}

export function insertSignInLink(store: Store, link: SignInLinkRow, codeHash: string): void {
  store.run("DELETE FROM sign_in_links WHERE expires_at < ?", link.createdAt - 86_400_000);
  store.run(
    "INSERT INTO sign_in_links (id, code_hash, role, scopes, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    link.id,
    codeHash,
    link.role,
    JSON.stringify(link.scopes),
    link.createdAt,
    link.createdBy,
    link.expiresAt,
  );
}

export function findSignInLink(store: Store, codeHash: string): SignInLinkRow | undefined {
  const raw = store.get<Omit<SignInLinkRow, "scopes"> & { scopes: string }>(
    `SELECT ${LINK_COLUMNS} FROM sign_in_links WHERE code_hash = ?`,
    codeHash,
  );
  return decodeRow(store, raw, (each) => `sign_in_links ${each.id}`, withScopes<SignInLinkRow>);
}

/** Consumes the link; false when it was used or has expired. */
export function consumeSignInLink(store: Store, id: string, deviceId: string, at: number): boolean {
  return (
    store.run(
      "UPDATE sign_in_links SET used_at = ?, used_by = ? WHERE id = ? AND used_at IS NULL AND expires_at > ?",
      at,
      deviceId,
      id,
      at,
    ) > 0
  );
}
