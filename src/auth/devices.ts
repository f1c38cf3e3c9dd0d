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

/** Who asks for a change: its rights limit what it can give away. */
export type Approver = { scopes: ReadonlySet<string>; device: DeviceId | null };

/** What the rest of the gateway hears about. */
export type DeviceEvents = {
  requested(request: rows.DeviceRequestRow): void;
  resolved(request: { requestId: string; deviceId: string; decision: "approved" | "rejected" | "expired" }): void;
  /** Credentials of a device ended: its sockets must be closed at once. `role` null: all of them. */
  revoked(deviceId: DeviceId, role: Role | null): void;
};

export type PairedDevice = rows.DeviceRow & { grants: rows.GrantRow[] };
type Paired = { deviceId: DeviceId; role: Role; scopes: string[]; token: Secret | null; issuedAt: number };

/** How old the last-seen mark of a device may get before it is written again. */
const SEEN_MS = 60_000;

/** Paired devices, requests to become one, and the tokens of devices. Tokens are stored as hashes. */
export class Devices {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: DeviceEvents;
  /** How often the credentials of a device (in a role) were ended since the start; see `revision`. */
  readonly #revisions = new Map<string, number>();
  /** The shared secret was replaced: devices that it paired silently are refused, also before the store says so. */
  #silentGrantsRevoked = false;
  /** Retired request id -> the request that replaced it, for the answer to whoever still names the old one. */
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

  /** What the device may do in this role, or null when it may nothing. */
  grant(deviceId: string, role: Role): rows.GrantRow | null {
    const grant = rows.findGrant(this.#store, deviceId, role);
    return grant && grant.revokedAt === null && !this.#isRevokedWithSecret(deviceId) ? grant : null;
  }

  /** The grant that a device token stands for. */
  grantOfToken(token: string): rows.GrantRow | null {
    if (!token.startsWith(TOKEN_PREFIXES.deviceToken)) return null;
    const grant = rows.findGrantByToken(this.#store, sha256(token));
    return grant && !this.#isRevokedWithSecret(grant.deviceId) ? grant : null;
  }

  /** Differs from an earlier answer when the credentials of the device in this role were ended in between. */
  revision(deviceId: string, role: Role): number {
    return this.#revisions.get(`${role} ${deviceId}`) ?? 0;
  }

  /** Whether the shared secret alone may pair this device, or widen its rights: not once a person has decided about it. */
  mayPairSilently(deviceId: string): boolean {
    const device = rows.findDevice(this.#store, deviceId);
    return device === undefined || device.approvedVia === "silent";
  }

  /**
   * Ends every grant that nobody approved but the shared secret, which has been replaced. They are refused at once; `within` is
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
   * Pairs the device, or widens what it may do, and mints its token unless it has one. `within` runs in the same transaction
   * and stops everything when it throws, e.g. because a one-time code was used meanwhile.
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
          fix: "Remove devices that are not used any more: openclaw devices list, openclaw devices remove <id>.",
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

  /** Mints the token of an approved device that has none yet. */
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
   * Files a request to be approved by somebody. The same device asking for the same again keeps its request id. Asking for
   * anything else retires the old request: an id names exactly the content that was shown with it.
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

  /** Approves a request. The approver must hold every scope that it grants; a node may be approved by an admin only. */
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

  /** Forgets the device; its tokens end and its sockets are closed. */
  async remove(deviceId: string, approver: Approver): Promise<void> {
    const device = this.#requireDevice(deviceId);
    for (const grant of device.grants) this.#requireScopes(approver, grant.role as Role, grant.scopes);
    await this.#store.write(() => rows.removeDevice(this.#store, deviceId));
    this.#revokeCredentials(deviceId, null);
  }

  /** Gives the device another name. Names are what people decide by, so this needs the rights of the device as well. */
  async rename(deviceId: string, label: string, approver: Approver): Promise<PairedDevice> {
    for (const grant of this.#requireDevice(deviceId).grants) this.#requireScopes(approver, grant.role as Role, grant.scopes);
    const renamed = await this.#store.write(() => rows.renameDevice(this.#store, deviceId, label));
    if (!renamed) throw deviceNotFound(deviceId);
    return this.#requireDevice(deviceId);
  }

  /**
   * Ends the token of a device and closes its sockets. The device itself gets the next one in the answer; for another
   * device `token` is null, and that device gets it when it signs in again. `scopes` may only narrow what was approved.
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

  /** Ends what the device may do in this role. */
  async revoke(deviceId: string, role: Role, approver: Approver): Promise<{ revokedAt: number }> {
    const grant = this.#requireGrant(deviceId, role);
    this.#requireScopes(approver, role, grant.scopes);
    const now = this.#clock.now();
    await this.#store.write(() => rows.revokeGrant(this.#store, deviceId, role, now));
    this.#revokeCredentials(deviceId, role);
    return { revokedAt: now };
  }

  /** Notes that the device signed in; at most once a minute is written, and nobody waits for it. */
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

  /** The credentials of a device have ended; null: in every role. */
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
    return detailError(
      "PAIRING_REQUEST_REPLACED",
      `pairing request ${requestId} was replaced: the device has asked again, for something else`,
      {
        details: { requestId, replacedBy: by },
        fix: `Look at what it asks for now (openclaw devices list), then approve request ${by}`,
      },
    );
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
 * What an approver sees of a request and approves with its id. Not the address, the reason and the times: they change when a
 * device with the same key only tries again.
 */
function approvedContentOf(row: rows.DeviceRequestRow): string {
  const shown = [row.displayName, row.platform, row.deviceFamily, row.clientId, row.clientMode, row.origin, row.isRepair];
  return JSON.stringify([row.deviceId, row.publicKey, row.role, row.scopes.toSorted(), ...shown]);
}

const requestNotFound = (requestId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no pairing request ${requestId.slice(0, 64)}`, { fix: "See the open ones: openclaw devices list" });
const deviceNotFound = (deviceId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no such device: ${deviceId.slice(0, 64)}`, { fix: "See the paired ones: openclaw devices list" });

const factsOf = (row: rows.DeviceInfo): rows.DeviceInfo => ({
  displayName: row.displayName,
  platform: row.platform,
  deviceFamily: row.deviceFamily,
  clientId: row.clientId,
  clientMode: row.clientMode,
  remote: row.remote,
});
