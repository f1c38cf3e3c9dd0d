/** The devices that may sign in, those that wait, and codes for new ones, as `device.*` says it. */
import { batch, signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type DeviceToken = {
  role: string;
  scopes: readonly string[];
  createdAtMs: number;
  rotatedAtMs?: number;
  revokedAtMs?: number;
  lastUsedAtMs?: number;
};

export type DeviceRow = {
  deviceId: string;
  displayName?: string;
  platform?: string;
  deviceFamily?: string;
  clientId?: string;
  clientMode?: string;
  remoteIp?: string;
  roles: readonly string[];
  scopes: readonly string[];
  approvedVia?: string;
  approvedAtMs: number;
  lastSeenAtMs?: number;
  connected: boolean;
  tokens: readonly DeviceToken[];
};

export type DeviceRequest = {
  requestId: string;
  deviceId: string;
  displayName?: string;
  platform?: string;
  clientId?: string;
  clientMode?: string;
  browserOrigin?: string;
  remoteIp?: string;
  role: string;
  scopes: readonly string[];
  isRepair?: boolean;
  ts?: number;
};

export type ServiceToken = {
  id: string;
  name: string;
  scopes: readonly string[];
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt?: number | null;
};

export type Access = "full" | "limited" | "node";
export type JoinCode = { setupCode: string; qrDataUrl?: string; joinUrl?: string; expiresAtMs: number; access: Access };

type Answer = { pending: readonly DeviceRequest[]; paired: readonly DeviceRow[] };

export const devices = signal<readonly DeviceRow[] | null>(null);
export const requests = signal<readonly DeviceRequest[]>([]);
/** Tokens of programs; null for who may not see them. */
export const tokens = signal<readonly ServiceToken[] | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** Why the last change failed, and what to do about it. */
export const problem = signal<{ text: string; fix: string | null } | null>(null);
/** What is being changed. */
export const busy = signal<string | null>(null);
export const code = signal<JoinCode | null>(null);
/** What was made by the last rotation of this browser's own token, for a sentence. */
export const note = signal<string | null>(null);

/** The name that people know a device by. Pure. */
export const nameOf = ({ displayName, clientId, deviceId }: Pick<DeviceRow, "displayName" | "clientId" | "deviceId">): string =>
  displayName ?? `${clientId ?? "Device"} ${deviceId.slice(0, 8)}`;

const SCOPE_TEXTS: Readonly<Record<string, string>> = {
  "operator.admin": "change everything",
  "operator.write": "send messages",
  "operator.read": "read",
  "operator.approvals": "answer questions about commands",
  "operator.pairing": "let devices and people in",
  "operator.questions": "answer questions of agents",
};

/** What scopes allow, in words. Admin includes the others. Pure. */
export function scopesText(scopes: readonly string[]): string {
  if (scopes.includes("operator.admin")) return "May change everything";
  if (scopes.length === 0) return "Has no rights of an operator";
  return `May ${scopes.map((scope) => SCOPE_TEXTS[scope] ?? scope).join(", ")}`;
}

/** What a device is, in one line. Pure. */
export const systemText = ({ platform, deviceFamily, clientMode, remoteIp }: Partial<DeviceRow>): string =>
  [...new Set([deviceFamily, platform, clientMode, remoteIp])].filter((each) => each !== undefined && each !== "").join(", ");

/** The tokens that work. Pure. */
export const liveTokens = ({ tokens: all }: Pick<DeviceRow, "tokens">): readonly DeviceToken[] =>
  all.filter(({ revokedAtMs }) => revokedAtMs === undefined);

/** What a request would allow, as a sentence. Pure. */
export function requestText({ role, scopes, isRepair }: Pick<DeviceRequest, "role" | "scopes" | "isRepair">): string {
  const wanted = role === "node" ? "Wants to be a node, which runs commands for agents" : scopesText(scopes).replace(/^May/, "Wants to");
  return `${wanted}.${isRepair === true ? " It was paired before, and asks again." : ""}`;
}

let latest = 0;

/** Reads everything. Never throws: `failed` says why there is nothing newer. */
export async function loadDevices(): Promise<void> {
  if (!store.isOnline.value || !store.mayPair.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const [list, services] = await Promise.all([
      client.request<Answer>("device.pair.list", {}),
      store.mayAdminister.value ? client.request<{ tokens: readonly ServiceToken[] }>("tokens.list", {}) : null,
    ]);
    if (mine !== latest) return;
    batch(() => {
      devices.value = list.paired.toSorted(
        (a, b) => Number(b.connected) - Number(a.connected) || (b.lastSeenAtMs ?? 0) - (a.lastSeenAtMs ?? 0),
      );
      requests.value = list.pending;
      tokens.value = services?.tokens ?? null;
      failed.value = null;
    });
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

async function change<T>(id: string, work: () => Promise<T>): Promise<T | undefined> {
  busy.value = id;
  problem.value = null;
  note.value = null;
  try {
    const answer = await work();
    await loadDevices();
    return answer;
  } catch (error) {
    if (!isConnectionLost(error)) problem.value = { text: errorMessage(error), fix: error instanceof RequestError ? error.fix : null };
    return undefined;
  } finally {
    busy.value = null;
  }
}

const call = <T>(method: string, params: unknown): Promise<T> => requireClient().request<T>(method, params);

export const approve = ({ requestId }: DeviceRequest): Promise<unknown> =>
  change(requestId, () => call("device.pair.approve", { requestId }));
export const reject = ({ requestId }: DeviceRequest): Promise<unknown> =>
  change(requestId, () => call("device.pair.reject", { requestId }));
export const remove = ({ deviceId }: DeviceRow): Promise<unknown> => change(deviceId, () => call("device.pair.remove", { deviceId }));
export const rename = ({ deviceId }: DeviceRow, label: string): Promise<unknown> =>
  change(deviceId, () => call("device.pair.rename", { deviceId, label }));
export const revoke = ({ deviceId }: DeviceRow, role: string): Promise<unknown> =>
  change(deviceId, () => call("device.token.revoke", { deviceId, role }));
export const revokeService = ({ id }: ServiceToken): Promise<unknown> => change(id, () => call("tokens.revoke", { id }));

/** Another token in place of the one that a device has. Its connections end; a token of another device is never sent here. */
export async function rotate(device: DeviceRow, role: string): Promise<void> {
  const done = await change(device.deviceId, () =>
    call<{ tokenDelivery?: string }>("device.token.rotate", { deviceId: device.deviceId, role }),
  );
  if (done !== undefined) note.value = `${nameOf(device)} gets its new token when it pairs again; its old token no longer works.`;
}

/** A one-time code for one device. */
export async function makeCode(access: Access): Promise<void> {
  const answer = await change("code", () =>
    call<JoinCode>("device.pair.setupCode", { includeQr: true, ...(access === "full" ? {} : { bootstrapProfile: access }) }),
  );
  if (answer !== undefined) code.value = answer;
}
