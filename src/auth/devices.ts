import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import * as rows from "../store/devices.ts";
import type { Store } from "../store/open.ts";
import { mint, PREFIX, sha256 } from "./credentials.ts";
import { covers, cut } from "./scopes.ts";

export type Role = "operator" | "node";
export type { DeviceFacts, DeviceRequestRow, DeviceRow, GrantRow } from "../store/devices.ts";

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

const needs = (scope: string): GatewayError =>
  new GatewayError("FORBIDDEN", `missing scope: ${scope}`, {
    details: { code: "MISSING_SCOPE", missingScope: scope, requiredScopes: [scope] },
  });

/** Paired devices, requests to become one, and the tokens of devices. Tokens are stored as hashes. */
export class Devices {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: DeviceEvents;

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
    return grant && grant.revokedAt === null ? grant : null;
  }

  /** The grant that a device token stands for. */
  grantOfToken(token: string): rows.GrantRow | null {
    return token.startsWith(PREFIX.deviceToken) ? (rows.findGrantByToken(this.#store, sha256(token)) ?? null) : null;
  }

  /**
   * Pairs the device, or widens what it may do, and mints its token unless it has one. `within` runs in the same transaction
   * and stops everything when it throws, e.g. because a one-time code was used meanwhile.
   */
  async pair(
    device: { id: DeviceId; publicKey: string; facts: rows.DeviceFacts },
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
      if (!live?.tokenHash && approvedVia !== "owner") token = mint(PREFIX.deviceToken, 256);
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
    const token = mint(PREFIX.deviceToken, 256);
    const issued = await this.#store.write(() => {
      const grant = rows.findGrant(this.#store, deviceId, role);
      if (!grant || grant.revokedAt !== null || grant.tokenHash !== null) return false;
      rows.saveGrant(this.#store, { deviceId, role, scopes: grant.scopes, tokenHash: sha256(token.reveal()) }, now);
      return true;
    });
    return issued ? { token, issuedAt: now } : null;
  }

  /** Files a request to be approved by somebody; the same device asking again keeps its request id. */
  async request(
    device: { id: DeviceId; publicKey: string; facts: rows.DeviceFacts; origin: string | null },
    wanted: { role: Role; scopes: readonly string[]; reason: string },
  ): Promise<rows.DeviceRequestRow> {
    const now = this.#clock.now();
    const request = await this.#store.write(() => {
      rows.removeOldRequests(this.#store, now - LIMITS.pendingDeviceMs);
      const row: rows.DeviceRequestRow = {
        requestId: rows.findRequestOf(this.#store, device.id, wanted.role)?.requestId ?? randomUUID(),
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
      rows.saveRequest(this.#store, row, LIMITS.pendingDevices);
      return row;
    });
    this.#events.requested(request);
    return request;
  }

  /** Approves a request. The approver must hold every scope that it grants; a node may be approved by an admin only. */
  async approve(requestId: string, approver: Approver): Promise<PairedDevice> {
    const request = this.#openRequest(requestId);
    this.#mustCover(approver, request.role as Role, request.scopes);
    const device = { id: asId<DeviceId>(request.deviceId), publicKey: request.publicKey, facts: factsOf(request) };
    await this.pair(device, { role: request.role as Role, scopes: request.scopes }, "owner", () => {
      if (!rows.removeRequest(this.#store, requestId)) throw noRequest(requestId);
    });
    this.#events.resolved({ requestId, deviceId: request.deviceId, decision: "approved" });
    return this.#paired(request.deviceId);
  }

  async reject(requestId: string): Promise<rows.DeviceRequestRow> {
    const request = this.#openRequest(requestId);
    await this.#store.write(() => rows.removeRequest(this.#store, requestId));
    this.#events.resolved({ requestId, deviceId: request.deviceId, decision: "rejected" });
    return request;
  }

  /** Forgets the device; its tokens end and its sockets are closed. */
  async remove(deviceId: string, approver: Approver): Promise<void> {
    const device = this.#paired(deviceId);
    for (const grant of device.grants) this.#mustCover(approver, grant.role as Role, grant.scopes);
    await this.#store.write(() => rows.removeDevice(this.#store, deviceId));
    this.#events.revoked(asId<DeviceId>(deviceId), null);
  }

  async rename(deviceId: string, label: string): Promise<PairedDevice> {
    const renamed = await this.#store.write(() => rows.renameDevice(this.#store, deviceId, label));
    if (!renamed) throw noDevice(deviceId);
    return this.#paired(deviceId);
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
    const grant = this.#liveGrant(deviceId, role);
    this.#mustCover(approver, role, grant.scopes);
    const narrowed = scopes === undefined ? grant.scopes : cut(scopes, grant.scopes);
    if (scopes && narrowed.length < new Set(scopes).size) {
      const missing = scopes.find((scope) => !narrowed.includes(scope))!;
      throw needs(missing);
    }
    const token = approver.device === deviceId ? mint(PREFIX.deviceToken, 256) : null;
    const now = this.#clock.now();
    await this.#store.write(() => {
      rows.revokeGrant(this.#store, deviceId, role, now);
      rows.saveGrant(this.#store, { deviceId, role, scopes: narrowed, tokenHash: token && sha256(token.reveal()) }, now);
    });
    this.#events.revoked(asId<DeviceId>(deviceId), role);
    return { scopes: narrowed, token, rotatedAt: now };
  }

  /** Ends what the device may do in this role. */
  async revoke(deviceId: string, role: Role, approver: Approver): Promise<{ revokedAt: number }> {
    const grant = this.#liveGrant(deviceId, role);
    this.#mustCover(approver, role, grant.scopes);
    const now = this.#clock.now();
    await this.#store.write(() => rows.revokeGrant(this.#store, deviceId, role, now));
    this.#events.revoked(asId<DeviceId>(deviceId), role);
    return { revokedAt: now };
  }

  /** Notes that the device signed in; at most once a minute is written, and nobody waits for it. */
  async seen(grant: rows.GrantRow, reason: string): Promise<void> {
    const now = this.#clock.now();
    if (grant.lastUsedAt !== null && now - grant.lastUsedAt < SEEN_MS) return;
    await this.#store.write(() => rows.markSeen(this.#store, grant.deviceId, grant.role, reason, now));
  }

  #openRequest(requestId: string): rows.DeviceRequestRow {
    const request = rows.findRequest(this.#store, requestId);
    if (!request || this.#clock.now() - request.createdAt > LIMITS.pendingDeviceMs) throw noRequest(requestId);
    return request;
  }

  #paired(deviceId: string): PairedDevice {
    const device = rows.findDevice(this.#store, deviceId);
    if (!device) throw noDevice(deviceId);
    return { ...device, grants: rows.listGrants(this.#store, deviceId) };
  }

  #liveGrant(deviceId: string, role: Role): rows.GrantRow {
    const grant = this.grant(deviceId, role);
    if (!grant) throw noDevice(deviceId);
    return grant;
  }

  #mustCover(approver: Approver, role: Role, scopes: readonly string[]): void {
    if (role === "node" && !covers(approver.scopes, ["operator.admin"])) throw needs("operator.admin");
    const missing = scopes.find((scope) => !covers(approver.scopes, [scope]));
    if (missing !== undefined) throw needs(missing);
  }
}

const noRequest = (requestId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no pairing request ${requestId.slice(0, 64)}`, { fix: "See the open ones: openclaw devices list" });
const noDevice = (deviceId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no such device: ${deviceId.slice(0, 64)}`, { fix: "See the paired ones: openclaw devices list" });

const factsOf = (row: rows.DeviceFacts): rows.DeviceFacts => ({
  displayName: row.displayName,
  platform: row.platform,
  deviceFamily: row.deviceFamily,
  clientId: row.clientId,
  clientMode: row.clientMode,
  remote: row.remote,
});
