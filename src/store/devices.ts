import { parseStrings, decodeRow, decodeRows } from "./row-decoding.ts";
import type { Store } from "./open.ts";

export type DeviceInfo = {
  displayName: string | null;
  platform: string | null;
  deviceFamily: string | null;
  clientId: string | null;
  clientMode: string | null;
  remote: string | null;
};

export type DeviceRow = DeviceInfo & {
  deviceId: string;
  publicKey: string;
  label: string | null;
  approvedVia: string;
  createdAt: number;
  approvedAt: number;
  lastSeenAt: number | null;
  lastSeenReason: string | null;
};

export type GrantRow = {
  deviceId: string;
  role: string;
  scopes: string[];
  tokenHash: string | null;
  createdAt: number;
  rotatedAt: number | null;
  lastUsedAt: number | null;
  revokedAt: number | null;
};

export type DeviceRequestRow = DeviceInfo & {
  requestId: string;
  deviceId: string;
  publicKey: string;
  role: string;
  scopes: string[];
  reason: string;
  origin: string | null;
  isRepair: boolean;
  createdAt: number;
};

const INFO_COLUMNS = `display_name AS displayName, platform, device_family AS deviceFamily, client_id AS clientId,
  client_mode AS clientMode, remote`;
const DEVICE_COLUMNS = `device_id AS deviceId, public_key AS publicKey, label, ${INFO_COLUMNS}, approved_via AS approvedVia, created_at AS createdAt,
  approved_at AS approvedAt, last_seen_at AS lastSeenAt, last_seen_reason AS lastSeenReason`;
const GRANT_COLUMNS = `device_id AS deviceId, role, scopes, token_hash AS tokenHash, created_at AS createdAt, rotated_at AS rotatedAt,
  last_used_at AS lastUsedAt, revoked_at AS revokedAt`;
const REQUEST_COLUMNS = `request_id AS requestId, device_id AS deviceId, public_key AS publicKey, role, scopes, reason, ${INFO_COLUMNS}, origin,
  is_repair AS isRepair, created_at AS createdAt`;

type GrantSqlRow = Omit<GrantRow, "scopes"> & { scopes: string };
type DeviceRequestSqlRow = Omit<DeviceRequestRow, "scopes" | "isRepair"> & { scopes: string; isRepair: number };

const grantRowKey = (raw: GrantSqlRow): string => `device_grants ${raw.deviceId} ${raw.role}`;
const requestRowKey = (raw: DeviceRequestSqlRow): string => `device_requests ${raw.requestId}`;
const toGrant = (raw: GrantSqlRow): GrantRow => ({ ...raw, scopes: parseStrings(raw.scopes) });
const toRequest = (raw: DeviceRequestSqlRow): DeviceRequestRow => ({
  ...raw,
  scopes: parseStrings(raw.scopes),
  isRepair: raw.isRepair === 1,
});

export function listDevices(store: Store): DeviceRow[] {
  return store.all<DeviceRow>(`SELECT ${DEVICE_COLUMNS} FROM devices ORDER BY approved_at DESC`);
}

export function findDevice(store: Store, deviceId: string): DeviceRow | undefined {
  return store.get<DeviceRow>(`SELECT ${DEVICE_COLUMNS} FROM devices WHERE device_id = ?`, deviceId);
}

export function countDevices(store: Store): number {
  return store.get<{ n: number }>("SELECT count(*) AS n FROM devices")!.n;
}

export function listGrants(store: Store, deviceId: string): GrantRow[] {
  return decodeRows(
    store,
    store.all<GrantSqlRow>(`SELECT ${GRANT_COLUMNS} FROM device_grants WHERE device_id = ? ORDER BY role`, deviceId),
    grantRowKey,
    toGrant,
  );
}

export function findGrant(store: Store, deviceId: string, role: string): GrantRow | undefined {
  const raw = store.get<GrantSqlRow>(`SELECT ${GRANT_COLUMNS} FROM device_grants WHERE device_id = ? AND role = ?`, deviceId, role);
  return decodeRow(store, raw, grantRowKey, toGrant);
}

export function findGrantByToken(store: Store, tokenHash: string): GrantRow | undefined {
  const raw = store.get<GrantSqlRow>(`SELECT ${GRANT_COLUMNS} FROM device_grants WHERE token_hash = ? AND revoked_at IS NULL`, tokenHash);
  return decodeRow(store, raw, grantRowKey, toGrant);
}

/** Inserts the device, or updates its self-description; `approvedVia` and the times of an existing one stay. */
export function saveDevice(store: Store, device: Omit<DeviceRow, "label" | "lastSeenAt" | "lastSeenReason">): void {
  store.run(
    `INSERT INTO devices (device_id, public_key, display_name, platform, device_family, client_id, client_mode, remote, approved_via,
       created_at, approved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (device_id) DO UPDATE SET display_name = excluded.display_name, platform = excluded.platform,
       device_family = excluded.device_family, client_id = excluded.client_id, client_mode = excluded.client_mode,
       remote = excluded.remote`,
    device.deviceId,
    device.publicKey,
    device.displayName,
    device.platform,
    device.deviceFamily,
    device.clientId,
    device.clientMode,
    device.remote,
    device.approvedVia,
    device.createdAt,
    device.approvedAt,
  );
}

/** Sets the grant of the device for `role`. An existing token stays valid when `tokenHash` is null. */
export function saveGrant(
  store: Store,
  grant: { deviceId: string; role: string; scopes: readonly string[]; tokenHash: string | null },
  at: number,
): void {
  store.run(
    `INSERT INTO device_grants (device_id, role, scopes, token_hash, created_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (device_id, role) DO UPDATE SET scopes = excluded.scopes, revoked_at = NULL,
       rotated_at = CASE WHEN excluded.token_hash IS NULL THEN rotated_at ELSE excluded.created_at END,
       token_hash = coalesce(excluded.token_hash, token_hash)`,
    grant.deviceId,
    grant.role,
    JSON.stringify(grant.scopes),
    grant.tokenHash,
    at,
  );
}

export function revokeGrant(store: Store, deviceId: string, role: string, at: number): boolean {
  return (
    store.run(
      "UPDATE device_grants SET revoked_at = ?, token_hash = NULL WHERE device_id = ? AND role = ? AND revoked_at IS NULL",
      at,
      deviceId,
      role,
    ) > 0
  );
}

/** Revokes the active grants of devices that were approved in this way, and returns them. */
export function revokeGrantsVia(store: Store, approvedVia: string, at: number): { deviceId: string; role: string }[] {
  const ended = store.all<{ deviceId: string; role: string }>(
    `SELECT device_id AS deviceId, role FROM device_grants
     WHERE revoked_at IS NULL AND device_id IN (SELECT device_id FROM devices WHERE approved_via = ?)`,
    approvedVia,
  );
  for (const { deviceId, role } of ended) revokeGrant(store, deviceId, role, at);
  return ended;
}

/** Removes the device, its grants and its requests. */
export function removeDevice(store: Store, deviceId: string): boolean {
  store.run("DELETE FROM device_grants WHERE device_id = ?", deviceId);
  store.run("DELETE FROM device_requests WHERE device_id = ?", deviceId);
  return store.run("DELETE FROM devices WHERE device_id = ?", deviceId) > 0;
}

export function renameDevice(store: Store, deviceId: string, label: string): boolean {
  return store.run("UPDATE devices SET label = ? WHERE device_id = ?", label, deviceId) > 0;
}

export function markSeen(store: Store, deviceId: string, role: string, reason: string, at: number): void {
  store.run("UPDATE devices SET last_seen_at = ?, last_seen_reason = ? WHERE device_id = ?", at, reason, deviceId);
  store.run("UPDATE device_grants SET last_used_at = ? WHERE device_id = ? AND role = ?", at, deviceId, role);
}

export function listRequests(store: Store): DeviceRequestRow[] {
  return decodeRows(
    store,
    store.all<DeviceRequestSqlRow>(`SELECT ${REQUEST_COLUMNS} FROM device_requests ORDER BY created_at DESC`),
    requestRowKey,
    toRequest,
  );
}

export function findRequest(store: Store, requestId: string): DeviceRequestRow | undefined {
  const raw = store.get<DeviceRequestSqlRow>(`SELECT ${REQUEST_COLUMNS} FROM device_requests WHERE request_id = ?`, requestId);
  return decodeRow(store, raw, requestRowKey, toRequest);
}

export function findRequestOf(store: Store, deviceId: string, role: string): DeviceRequestRow | undefined {
  const raw = store.get<DeviceRequestSqlRow>(
    `SELECT ${REQUEST_COLUMNS} FROM device_requests WHERE device_id = ? AND role = ?`,
    deviceId,
    role,
  );
  return decodeRow(store, raw, requestRowKey, toRequest);
}

/** Inserts the request, or updates time and origin of the one with the same id, whose content is equal. Keeps at most `most`. */
export function saveRequest(store: Store, request: DeviceRequestRow, most: number): void {
  store.run(
    `INSERT INTO device_requests (request_id, device_id, public_key, role, scopes, reason, display_name, platform, device_family, client_id,
       client_mode, origin, remote, is_repair, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (request_id) DO UPDATE SET reason = excluded.reason, created_at = excluded.created_at, remote = excluded.remote,
       is_repair = excluded.is_repair`,
    request.requestId,
    request.deviceId,
    request.publicKey,
    request.role,
    JSON.stringify(request.scopes),
    request.reason,
    request.displayName,
    request.platform,
    request.deviceFamily,
    request.clientId,
    request.clientMode,
    request.origin,
    request.remote,
    request.isRepair ? 1 : 0,
    request.createdAt,
  );
  store.run(
    "DELETE FROM device_requests WHERE request_id NOT IN (SELECT request_id FROM device_requests ORDER BY created_at DESC LIMIT ?)",
    most,
  );
}

export function removeRequest(store: Store, requestId: string): boolean {
  return store.run("DELETE FROM device_requests WHERE request_id = ?", requestId) > 0;
}

export function removeOldRequests(store: Store, before: number): void {
  store.run("DELETE FROM device_requests WHERE created_at < ?", before);
}
