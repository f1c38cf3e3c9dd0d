import type { DeviceRequestRow, PairedDevice } from "../auth/devices.ts";

/** Fields that are not known are left out, as the protocol does. */
function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== ""));
}

/** Shape of a pending row and of the event device.pair.requested. */
export function toDeviceRequestRow(request: DeviceRequestRow): Record<string, unknown> {
  return {
    requestId: request.requestId,
    deviceId: request.deviceId,
    publicKey: request.publicKey,
    ...present({
      displayName: request.displayName,
      platform: request.platform,
      deviceFamily: request.deviceFamily,
      clientId: request.clientId,
      clientMode: request.clientMode,
      browserOrigin: request.origin,
      remoteIp: request.remote,
    }),
    role: request.role,
    roles: [request.role],
    scopes: request.scopes,
    silent: false,
    isRepair: request.isRepair,
    ts: request.createdAt,
  };
}

/** Shape of a paired device; `here`: those that are connected. */
export function toPairedRow(device: PairedDevice, here: ReadonlySet<string>): Record<string, unknown> {
  const live = device.grants.filter((grant) => grant.revokedAt === null);
  return {
    deviceId: device.deviceId,
    publicKey: device.publicKey,
    ...present({
      displayName: device.label ?? device.displayName,
      label: device.label,
      platform: device.platform,
      deviceFamily: device.deviceFamily,
      clientId: device.clientId,
      clientMode: device.clientMode,
      remoteIp: device.remote,
      role: live[0]?.role,
      lastSeenAtMs: device.lastSeenAt,
      lastSeenReason: device.lastSeenReason,
    }),
    roles: live.map((grant) => grant.role),
    scopes: [...new Set(live.flatMap((grant) => grant.scopes))],
    approvedVia: device.approvedVia,
    createdAtMs: device.createdAt,
    approvedAtMs: device.approvedAt,
    connected: here.has(device.deviceId),
    tokens: device.grants.map((grant) => ({
      role: grant.role,
      scopes: grant.scopes,
      createdAtMs: grant.createdAt,
      ...present({ rotatedAtMs: grant.rotatedAt, revokedAtMs: grant.revokedAt, lastUsedAtMs: grant.lastUsedAt }),
    })),
  };
}
