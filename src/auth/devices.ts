import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, missingScope } from "../core/errors.ts";
import { asId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import * as rows from "../store/devices.ts";
import type { Store } from "../store/open.ts";
import { mint, TOKEN_PREFIXES, sha256 } from "./credentials.ts";
import { covers, intersectScopes } from "./scopes.ts";

export type Role = "operator" | "node";
export type { DeviceInfo, DeviceRequestRow, DeviceRow, GrantRow } from "../store/devices.ts";

/** The caller that requests a change: it cannot grant more than its own scopes. */
export type Approver = { scopes: ReadonlySet<string>; device: DeviceId | null };

/** Events for other modules. */
export type DeviceEvents = {
  requested(request: rows.DeviceRequestRow): void;
  resolved(request: { requestId: string; deviceId: string; decision: "approved" | "rejected" | "expired" }): void;
  /** Credentials of a device were revoked: its sockets must be closed at once. `role` null: all roles. */
  revoked(deviceId: DeviceId, role: Role | null): void;
};

export type PairedDevice = rows.DeviceRow & { grants: rows.GrantRow[] };
type Paired = { deviceId: DeviceId; role: Role; scopes: string[]; token: Secret | null; issuedAt: number };

/** Minimum age of the last-seen time of a device before it is written again. */
const SEEN_MS = 60_000;

/** Paired devices, pairing requests and device tokens. Tokens are stored as hashes. */
export class Devices {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: DeviceEvents;
  /** Number of revocations of a device's credentials (per role) since the start; see `revision`. */
  readonly #revisions = new Map<string, number>();
  /** The shared secret was replaced: devices that it paired silently are refused, even before the store is updated. */
  #silentGrantsRevoked = false;
  /** Retired request id -> the request that replaced it, for the error to callers that use the old id. */
  readonly #replacedRequests = new Map<string, string>();

  constructor(options: { store: Store; clock: Clock; events: DeviceEvents }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#events = options.events;
  }

  list(): { pending: rows.DeviceRequestRow[]; paired: PairedDevice[] } {
    const oldest = this.#clock.now() - LIMITS.pendingDeviceMs;
    return {
      pending: rows.listRequests(this.#store).filter((request) => request.createdAt >= oldest),
      paired: rows.listDevices(this.#store).map((device) => ({ ...device, grants: rows.listGrants(this.#store, device.deviceId) })),
    };
  }

  /** The grant of the device for this role, or null. */
  grant(deviceId: string, role: Role): rows.GrantRow | null {
    const grant = rows.findGrant(this.#store, deviceId, role);
    return grant && grant.revokedAt === null && !this.#isRevokedWithSecret(deviceId) ? grant : null;
  }

  /** The grant of a device token. */
  grantOfToken(token: string): rows.GrantRow | null {
    if (!token.startsWith(TOKEN_PREFIXES.deviceToken)) return null;
    const grant = rows.findGrantByToken(this.#store, sha256(token));
    return grant && !this.#isRevokedWithSecret(grant.deviceId) ? grant : null;
  }

  /** Differs from an earlier result if the credentials of the device in this role were revoked in between. */
  revision(deviceId: string, role: Role): number {
    return this.#revisions.get(`${role} ${deviceId}`) ?? 0;
  }

  /** Whether the shared secret alone may pair this device or widen its scopes: not after a person has decided about it. */
  mayPairSilently(deviceId: string): boolean {
    const device = rows.findDevice(this.#store, deviceId);
    return device === undefined || device.approvedVia === "silent";
  }

  /**
   * Revokes every grant that rests only on the replaced shared secret, without approval. They are refused at once; `within` is
   * written in the same transaction. Resolves to the number of grants.
   */
  async revokeSilentGrants(within: () => void): Promise<number> {
    this.#silentGrantsRevoked = true;
    const now = this.#clock.now();
    const ended = await this.#store.write(() => {
      within();
      return rows.revokeGrantsVia(this.#store, "silent", now);
    });
    this.#silentGrantsRevoked = false;
    for (const { deviceId, role } of ended) this.#revokeCredentials(deviceId, role as Role);
    return ended.length;
  }

  /**
   * Pairs the device or widens its grant, and creates its token unless it has one. `within` runs in the same transaction
   * and aborts it by throwing, e.g. because a one-time code was used meanwhile.
   */
  async pair(
    device: { id: DeviceId; publicKey: string; facts: rows.DeviceInfo },
    grant: { role: Role; scopes: readonly string[] },
    approvedVia: "silent" | "link" | "owner",
    within: () => void = () => {},
  ): Promise<Paired> {
    const now = this.#clock.now();
    let token: Secret | null = null;
    const scopes = await this.#store.write(() => {
      within();
      if (!rows.findDevice(this.#store, device.id) && rows.countDevices(this.#store) >= LIMITS.pairedDevices) {
        throw new GatewayError("UNAVAILABLE", `more than ${LIMITS.pairedDevices} devices are paired`, {
          retryable: false,
          fix: "Remove unused devices: openclaw devices list, openclaw devices remove <id>.",
        });
      }
      const before = rows.findGrant(this.#store, device.id, grant.role);
      const live = before?.revokedAt === null ? before : undefined;
      const all = [...new Set([...(live?.scopes ?? []), ...grant.scopes])];
      if (!live?.tokenHash && approvedVia !== "owner") token = mint(TOKEN_PREFIXES.deviceToken, 256);
      const tokenHash = token && sha256((token as Secret).reveal());
      rows.saveDevice(this.#store, {
        deviceId: device.id,
        publicKey: device.publicKey,
        ...device.facts,
        approvedVia,
        createdAt: now,
        approvedAt: now,
      });
      rows.saveGrant(this.#store, { deviceId: device.id, role: grant.role, scopes: all, tokenHash }, now);
      const open = rows.findRequestOf(this.#store, device.id, grant.role);
      if (open && covers(all, open.scopes)) rows.removeRequest(this.#store, open.requestId);
      return all;
    });
    return { deviceId: device.id, role: grant.role, scopes, token, issuedAt: now };
  }

  /** Creates the token of an approved device that has none yet. */
  async issueToken(deviceId: DeviceId, role: Role): Promise<{ token: Secret; issuedAt: number } | null> {
    const now = this.#clock.now();
    const token = mint(TOKEN_PREFIXES.deviceToken, 256);
    const issued = await this.#store.write(() => {
      const grant = rows.findGrant(this.#store, deviceId, role);
      if (!grant || grant.revokedAt !== null || grant.tokenHash !== null) return false;
      rows.saveGrant(this.#store, { deviceId, role, scopes: grant.scopes, tokenHash: sha256(token.reveal()) }, now);
      return true;
    });
    return issued ? { token, issuedAt: now } : null;
  }

  /**
   * Files a request for approval. A repeated identical request of the device keeps its id. A request for
   * anything else retires the old one: an id identifies exactly the content that was shown with it.
   */
  async request(
    device: { id: DeviceId; publicKey: string; facts: rows.DeviceInfo; origin: string | null },
    wanted: { role: Role; scopes: readonly string[]; reason: string },
  ): Promise<rows.DeviceRequestRow> {
    const now = this.#clock.now();
    let retired: string | null = null;
    const request = await this.#store.write(() => {
      rows.removeOldRequests(this.#store, now - LIMITS.pendingDeviceMs);
      const open = rows.findRequestOf(this.#store, device.id, wanted.role);
      const asked: rows.DeviceRequestRow = {
        requestId: randomUUID(),
        deviceId: device.id,
        publicKey: device.publicKey,
        role: wanted.role,
        scopes: [...wanted.scopes],
        reason: wanted.reason,
        ...device.facts,
        origin: device.origin,
        isRepair: rows.findDevice(this.#store, device.id) !== undefined,
        createdAt: now,
      };
      const same = open !== undefined && approvedContentOf(open) === approvedContentOf(asked);
      retired = same ? null : (open?.requestId ?? null);
      if (retired !== null) rows.removeRequest(this.#store, retired);
      const row = same ? { ...asked, requestId: open.requestId } : asked;
      rows.saveRequest(this.#store, row, LIMITS.pendingDevices);
      return row;
    });
    if (retired !== null) this.#retire(retired, request);
    this.#events.requested(request);
    return request;
  }

  /** Approves a request. The approver must hold every scope that it grants; only an admin may approve a node. */
  async approve(requestId: string, approver: Approver): Promise<PairedDevice> {
    const request = this.#requireRequest(requestId);
    this.#requireScopes(approver, request.role as Role, request.scopes);
    const device = { id: asId<DeviceId>(request.deviceId), publicKey: request.publicKey, facts: factsOf(request) };
    await this.pair(device, { role: request.role as Role, scopes: request.scopes }, "owner", () => {
      if (!rows.removeRequest(this.#store, requestId)) throw this.#requestNotFound(requestId);
    });
    this.#events.resolved({ requestId, deviceId: request.deviceId, decision: "approved" });
    return this.#requireDevice(request.deviceId);
  }

  async reject(requestId: string): Promise<rows.DeviceRequestRow> {
    const request = this.#requireRequest(requestId);
    const removed = await this.#store.write(() => rows.removeRequest(this.#store, requestId));
    if (!removed) throw this.#requestNotFound(requestId);
    this.#events.resolved({ requestId, deviceId: request.deviceId, decision: "rejected" });
    return request;
  }

  /** Removes the device; its tokens become invalid and its sockets are closed. */
  async remove(deviceId: string, approver: Approver): Promise<void> {
    const device = this.#requireDevice(deviceId);
    for (const grant of device.grants) this.#requireScopes(approver, grant.role as Role, grant.scopes);
    await this.#store.write(() => rows.removeDevice(this.#store, deviceId));
    this.#revokeCredentials(deviceId, null);
  }

  /** Renames the device. People decide by names, so this also requires the scopes of the device. */
  async rename(deviceId: string, label: string, approver: Approver): Promise<PairedDevice> {
    for (const grant of this.#requireDevice(deviceId).grants) this.#requireScopes(approver, grant.role as Role, grant.scopes);
    const renamed = await this.#store.write(() => rows.renameDevice(this.#store, deviceId, label));
    if (!renamed) throw deviceNotFound(deviceId);
    return this.#requireDevice(deviceId);
  }

  /**
   * Rotates the token of a device and closes its sockets. The device itself gets the new token in the answer; for another
   * device `token` is null, and that device gets it at its next sign-in. `scopes` can only reduce the approved ones.
   */
  async rotate(
    deviceId: string,
    role: Role,
    scopes: readonly string[] | undefined,
    approver: Approver,
  ): Promise<{ scopes: string[]; token: Secret | null; rotatedAt: number }> {
    const grant = this.#requireGrant(deviceId, role);
    this.#requireScopes(approver, role, grant.scopes);
    const narrowed = scopes === undefined ? grant.scopes : intersectScopes(scopes, grant.scopes);
    if (scopes && narrowed.length < new Set(scopes).size) {
      const missing = scopes.find((scope) => !narrowed.includes(scope))!;
      throw missingScope(missing);
    }
    const token = approver.device === deviceId ? mint(TOKEN_PREFIXES.deviceToken, 256) : null;
    const now = this.#clock.now();
    await this.#store.write(() => {
      rows.revokeGrant(this.#store, deviceId, role, now);
      rows.saveGrant(this.#store, { deviceId, role, scopes: narrowed, tokenHash: token && sha256(token.reveal()) }, now);
    });
    this.#revokeCredentials(deviceId, role);
    return { scopes: narrowed, token, rotatedAt: now };
  }

  /** Revokes the grant of the device for this role. */
  async revoke(deviceId: string, role: Role, approver: Approver): Promise<{ revokedAt: number }> {
    const grant = this.#requireGrant(deviceId, role);
    this.#requireScopes(approver, role, grant.scopes);
    const now = this.#clock.now();
    await this.#store.write(() => rows.revokeGrant(this.#store, deviceId, role, now));
    this.#revokeCredentials(deviceId, role);
    return { revokedAt: now };
  }

  /** Updates the last-seen time; written at most once a minute, without waiting. */
  async recordSeen(grant: rows.GrantRow, reason: string): Promise<void> {
    const now = this.#clock.now();
    if (grant.lastUsedAt !== null && now - grant.lastUsedAt < SEEN_MS) return;
    await this.#store.write(() => rows.markSeen(this.#store, grant.deviceId, grant.role, reason, now));
  }

  #retire(requestId: string, by: rows.DeviceRequestRow): void {
    this.#replacedRequests.set(requestId, by.requestId);
    if (this.#replacedRequests.size > LIMITS.pendingDevices) this.#replacedRequests.delete(this.#replacedRequests.keys().next().value!);
    this.#events.resolved({ requestId, deviceId: by.deviceId, decision: "expired" });
  }

  #isRevokedWithSecret(deviceId: string): boolean {
    return this.#silentGrantsRevoked && rows.findDevice(this.#store, deviceId)?.approvedVia === "silent";
  }

  /** The credentials of a device were revoked; null: in every role. */
  #revokeCredentials(deviceId: string, role: Role | null): void {
    for (const each of role === null ? (["operator", "node"] as const) : [role])
      this.#revisions.set(`${each} ${deviceId}`, this.revision(deviceId, each) + 1);
    this.#events.revoked(asId<DeviceId>(deviceId), role);
  }

  #requireRequest(requestId: string): rows.DeviceRequestRow {
    const request = rows.findRequest(this.#store, requestId);
    if (!request || this.#clock.now() - request.createdAt > LIMITS.pendingDeviceMs) throw this.#requestNotFound(requestId);
    return request;
  }

  #requestNotFound(requestId: string): GatewayError {
    const by = this.#replacedRequests.get(requestId);
    if (by === undefined) return requestNotFound(requestId);
    return detailError("PAIRING_REQUEST_REPLACED", `pairing request ${requestId} was replaced: the device sent a different request`, {
      details: { requestId, replacedBy: by },
      fix: `Check the new request (openclaw devices list), then approve request ${by}`,
    });
  }

  #requireDevice(deviceId: string): PairedDevice {
    const device = rows.findDevice(this.#store, deviceId);
    if (!device) throw deviceNotFound(deviceId);
    return { ...device, grants: rows.listGrants(this.#store, deviceId) };
  }

  #requireGrant(deviceId: string, role: Role): rows.GrantRow {
    const grant = this.grant(deviceId, role);
    if (!grant) throw deviceNotFound(deviceId);
    return grant;
  }

  #requireScopes(approver: Approver, role: Role, scopes: readonly string[]): void {
    if (role === "node" && !covers(approver.scopes, ["operator.admin"])) throw missingScope("operator.admin");
    const missing = scopes.find((scope) => !covers(approver.scopes, [scope]));
    if (missing !== undefined) throw missingScope(missing);
  }
}

/**
 * The content of a request that an approver sees and approves by its id. Excludes address, reason and times: they change when a
 * device with the same key retries.
 */
function approvedContentOf(row: rows.DeviceRequestRow): string {
  const shown = [row.displayName, row.platform, row.deviceFamily, row.clientId, row.clientMode, row.origin, row.isRepair];
  return JSON.stringify([row.deviceId, row.publicKey, row.role, row.scopes.toSorted(), ...shown]);
}

const requestNotFound = (requestId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no pairing request ${requestId.slice(0, 64)}`, { fix: "List pending requests: openclaw devices list" });
const deviceNotFound = (deviceId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no such device: ${deviceId.slice(0, 64)}`, { fix: "List paired devices: openclaw devices list" });

const factsOf = (row: rows.DeviceInfo): rows.DeviceInfo => ({
  displayName: row.displayName,
  platform: row.platform,
  deviceFamily: row.deviceFamily,
  clientId: row.clientId,
  clientMode: row.clientMode,
  remote: row.remote,
});
