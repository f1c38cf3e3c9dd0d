import type { Auth } from "../auth/open.ts";
import type { Approver, Role } from "../auth/devices.ts";
import { OPERATOR_SCOPES } from "../auth/scopes.ts";
import { isLoopbackHostname } from "../channels/url.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import type { Hub } from "../protocol/hub.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { toDeviceRequestRow, toPairedRow } from "./device-rows.ts";
import { qrImage } from "./qr-image.ts";

export type DevicesDeps = {
  auth: Pick<Auth, "devices" | "tokens" | "links" | "settings">;
  hub: Pick<Hub, "peers">;
  /** Where clients reach this gateway, as an http(s) address without a path, and which setting says so. */
  address: () => { url: string; source: string };
  /** The same for another device, which does not reach loopback addresses. */
  deviceAddress: () => { url: string; source: string };
  /** The path of the Control UI of OpenClaw; null where it is not served. */
  officialMount: () => string | null;
};

/** device.* and tokens.*: the holders of separate credentials. A caller cannot grant more than it holds. */
export function devicesMethods(deps: DevicesDeps) {
  const { devices, tokens } = deps.auth;
  return {
    "device.pair.list": { scope: "operator.pairing", run: () => list(deps) },
    "device.pair.approve": {
      scope: "operator.pairing",
      run: async ({ requestId }, caller) => ({
        requestId,
        device: toPairedRow(await devices.approve(requestId, toApprover(caller)), connectedDevices(deps)),
      }),
    },
    "device.pair.reject": {
      scope: "operator.pairing",
      run: async ({ requestId }) => ({ requestId, deviceId: (await devices.reject(requestId)).deviceId }),
    },
    "device.pair.remove": {
      scope: "operator.pairing",
      run: async ({ deviceId }, caller) => {
        await devices.remove(deviceId, toApprover(caller));
        return { deviceId };
      },
    },
    "device.pair.rename": {
      scope: "operator.pairing",
      run: async ({ deviceId, label }, caller) => ({
        device: toPairedRow(await devices.rename(deviceId, toLabel(label), toApprover(caller)), connectedDevices(deps)),
      }),
    },
    "device.pair.setupCode": { scope: "operator.admin", run: (params, caller) => setupCode(deps, params, caller) },
    "device.token.rotate": {
      scope: "operator.pairing",
      run: async (params, caller) => {
        const { deviceId } = params;
        const role = toRole(params.role);
        const { scopes, token, rotatedAt } = await devices.rotate(deviceId, role, params.scopes, toApprover(caller));
        const delivery = token ? { token: token.reveal(), tokenDelivery: "in-band" } : { tokenDelivery: "withheld-cross-device" };
        return { deviceId, role, scopes, rotatedAtMs: rotatedAt, ...delivery };
      },
    },
    "device.token.revoke": {
      scope: "operator.pairing",
      run: async ({ deviceId, role }, caller) => {
        const { revokedAt } = await devices.revoke(deviceId, toRole(role), toApprover(caller));
        return { deviceId, role, revokedAtMs: revokedAt };
      },
    },
    "tokens.create": {
      scope: "operator.admin",
      run: async (params, caller) => {
        const { expiresInMs = LIMITS.serviceTokenMs, scopes } = params;
        const { row, token } = await tokens.create(
          { name: toLabel(params.name), scopes, ...(expiresInMs === null ? {} : { expiresInMs }) },
          { scopes: caller.scopes, name: callerNameOf(caller) },
        );
        return { ...row, token: token.reveal() };
      },
    },
    "tokens.list": { scope: "operator.admin", run: () => ({ tokens: tokens.list() }) },
    "tokens.revoke": {
      scope: "operator.admin",
      run: async ({ id }: { id: string }) => {
        await tokens.revoke(id);
        return { id, revoked: true };
      },
    },
  } satisfies MethodTable;
}

const toApprover = (caller: Caller): Approver => ({ scopes: caller.scopes, device: caller.device });
const callerNameOf = (caller: Caller): string => caller.device ?? caller.client.id;

function toRole(role: string): Role {
  if (role === "operator" || role === "node") return role;
  throw new GatewayError("INVALID_REQUEST", `unknown role: ${role.slice(0, 40)}`, { fix: "A role is operator or node." });
}

/** A name that people read: one line of visible characters. */
function toLabel(text: string): string {
  const label = text.replaceAll(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  if (label === "") throw new GatewayError("INVALID_REQUEST", "the name is empty");
  return label;
}

const connectedDevices = (deps: DevicesDeps): ReadonlySet<string> =>
  new Set(deps.hub.peers().flatMap((peer) => (peer.device === null ? [] : [peer.device])));

function list(deps: DevicesDeps): Record<string, unknown> {
  const { pending, paired } = deps.auth.devices.list();
  const here = connectedDevices(deps);
  return { pending: pending.map(toDeviceRequestRow), paired: paired.map((device) => toPairedRow(device, here)) };
}

const LIMITED = ["operator.read", "operator.write"];

/**
 * A one-time code for one device. `setupCode` is what apps scan (address and code together), `joinUrl` opens the page signed
 * in. The code follows the `#` of the link, which browsers never send to a server.
 */
async function setupCode(
  deps: DevicesDeps,
  params: MethodParams<"device.pair.setupCode">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const { bootstrapProfile: profile, includeQr = true } = params;
  // A code to scan is for another device.
  const ownAddress = includeQr ? deps.deviceAddress : deps.address;
  const { url, source } = params.publicUrl === undefined ? ownAddress() : { url: toOrigin(params.publicUrl), source: "publicUrl" };
  if (includeQr && isLoopbackHostname(new URL(url).hostname)) throw loopbackAddressError(url);
  const role: Role = profile === "node" ? "node" : "operator";
  const scopes = profile === "node" ? [] : profile === "limited" ? LIMITED : OPERATOR_SCOPES;
  const { id, code, expiresAt } = await deps.auth.links.create({ role, scopes }, { scopes: caller.scopes, name: callerNameOf(caller) });
  const gatewayUrl = url.replace(/^http/, "ws");
  const payload = JSON.stringify({ url: gatewayUrl, bootstrapToken: code.reveal(), expiresAtMs: expiresAt });
  const setup = Buffer.from(payload).toString("base64url");
  return {
    setupId: id,
    setupCode: setup,
    ...(includeQr && { qrDataUrl: qrImage(setup) }),
    ...(role === "operator" ? { joinUrl: `${url}/#k=${code.reveal()}`, ...officialUrl(deps, url, code) } : {}),
    gatewayUrl,
    auth: deps.auth.settings.mode === "password" ? "password" : "token",
    urlSource: source,
    access: profile ?? "full",
    expiresAtMs: expiresAt,
  };
}

const officialUrl = ({ officialMount }: DevicesDeps, url: string, code: Secret): { officialUrl?: string } => {
  const mount = officialMount();
  return mount === null ? {} : { officialUrl: `${url}${mount}/#bootstrapToken=${code.reveal()}&bootstrapProfile=owner` };
};

const loopbackAddressError = (url: string): GatewayError =>
  detailError("SETUP_ADDRESS_LOOPBACK", `another device cannot reach ${url}, where this gateway listens`, {
    fix: "Set gateway.tailscale.mode to serve, gateway.bind to lan (openclaw config set gateway.bind lan), or gateway.publicOrigin to the address of your proxy, or name it as publicUrl.",
  });

/** The http(s) origin of an address that an administrator names. */
function toOrigin(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^(?:https?|wss?):$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new GatewayError("INVALID_REQUEST", "publicUrl is not an address of a gateway", {
      fix: "Write it like https://gateway.example.net.",
    });
  }
  return `${url.protocol.replace(/^ws/, "http")}//${url.host}`;
}
