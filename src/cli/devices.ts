import { CliError, EXIT } from "../core/errors.ts";
import type { ProtocolClient } from "../client/client.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine, formatAge, plural } from "./terminal-text.ts";

type Pending = {
  requestId: string;
  deviceId: string;
  displayName?: string;
  clientId?: string;
  platform?: string;
  role?: string;
  scopes?: string[];
  ts?: number;
};
type Paired = {
  deviceId: string;
  displayName?: string;
  label?: string;
  clientId?: string;
  platform?: string;
  scopes?: string[];
  role?: string;
  lastSeenAtMs?: number;
  connected?: boolean;
};
type DeviceList = { pending: Pending[]; paired: Paired[] };

const PAIRING = ["operator.pairing"] as const;
const shortId = (id: string): string => sanitizeLine(id).slice(0, 12);
const scopesText = (scopes: readonly string[] | undefined): string =>
  (scopes ?? []).map((scope) => scope.replace(/^operator\./, "")).join(" ") || "-";

/** `openclaw devices list` */
export const devicesList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const list = await callGateway<DeviceList>(invocation, PAIRING, "device.pair.list");
  out.result(list, () => {
    if (list.pending.length > 0) {
      out.line(out.paint("bold", `${plural(list.pending.length, "device")} waiting`));
      const rows = list.pending.map((each) => [
        shortId(each.requestId),
        each.displayName ?? each.clientId ?? "-",
        each.platform ?? "-",
        each.role ?? "operator",
        scopesText(each.scopes),
        formatAge(each.ts, host.now()),
      ]);
      out.table(
        [
          { title: "request" },
          { title: "name", truncate: true },
          { title: "system", truncate: true },
          { title: "role" },
          { title: "requested", truncate: true },
          { title: "since", align: "right" },
        ],
        rows,
      );
      out.line();
    }
    if (list.paired.length === 0) out.line("No paired devices. Pair a browser with: openclaw dashboard");
    else {
      const rows = list.paired.map((each) => [
        shortId(each.deviceId),
        each.label ?? each.displayName ?? each.clientId ?? "-",
        each.platform ?? "-",
        scopesText(each.scopes),
        each.connected ? "connected" : formatAge(each.lastSeenAtMs, host.now()),
      ]);
      out.table(
        [
          { title: "device" },
          { title: "name", truncate: true },
          { title: "system", truncate: true },
          { title: "scopes", truncate: true },
          { title: "seen", align: "right" },
        ],
        rows,
      );
    }
    if (list.pending[0]) out.note(`Approve with: openclaw devices approve ${shortId(list.pending[0].requestId)}`);
  });
};

/** `openclaw devices approve [request]` */
export const devicesApprove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const wanted = invocation.args[0];
  // A client can only grant scopes that it holds, so the command requests all scopes that it may grant.
  const { request, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const { pending } = await client.request<DeviceList>("device.pair.list");
    const request =
      wanted === undefined
        ? selectRequest(pending, invocation)
        : pick(pending, "requestId", wanted, "pending request", "openclaw devices list");
    return { request, result: await client.request("device.pair.approve", { requestId: request.requestId }) };
  });
  out.result(result, () =>
    out.line(
      `${sanitizeLine(request.displayName ?? request.clientId ?? shortId(request.deviceId))} approved with scopes: ${scopesText(request.scopes)}.`,
    ),
  );
};

function selectRequest(pending: readonly Pending[], invocation: Invocation): Pending {
  const latest = pending.toSorted((a, b) => (b.ts ?? 0) - (a.ts ?? 0))[0];
  if (!latest)
    throw new CliError("no pending request", {
      why: "all requests were answered or have expired.",
      fix: "connect with the device, then try again.",
      exit: EXIT.failure,
    });
  if (pending.length === 1 || invocation.has("latest")) return latest;
  throw new CliError(`${pending.length} devices are waiting`, {
    why: "the command does not say which one to approve.",
    fix: "openclaw devices list, then openclaw devices approve <request>",
    exit: EXIT.usage,
  });
}

/** The row whose id starts with `prefix`. Throws when there is none, or more than one. */
function pick<K extends string, T extends Record<K, string>>(rows: readonly T[], key: K, prefix: string, noun: string, fix: string): T {
  const found = rows.filter((row) => row[key].toLowerCase().startsWith(prefix.toLowerCase()));
  const exact = found.find((row) => row[key] === prefix) ?? (found.length === 1 ? found[0] : undefined);
  if (exact) return exact;
  if (found.length === 0) throw new CliError(`no ${noun} ${sanitizeLine(prefix)}`, { why: "it may have been answered already.", fix });
  throw new CliError(`${sanitizeLine(prefix)} matches ${found.length} ids`, {
    why: "the id is ambiguous.",
    fix: "give more characters of the id.",
    exit: EXIT.usage,
  });
}

const findDevice = async (client: ProtocolClient, prefix: string): Promise<Paired> =>
  pick((await client.request<DeviceList>("device.pair.list")).paired, "deviceId", prefix, "device", "openclaw devices list");

/** `openclaw devices reject <request>` */
export const devicesReject: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { request, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const { pending } = await client.request<DeviceList>("device.pair.list");
    const request = pick(pending, "requestId", invocation.arg(0), "pending request", "openclaw devices list");
    return { request, result: await client.request("device.pair.reject", { requestId: request.requestId }) };
  });
  out.result(result, () => out.line(`${sanitizeLine(request.displayName ?? request.clientId ?? shortId(request.deviceId))} was rejected.`));
};

/** `openclaw devices remove <device>` */
export const devicesRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  await invocation.confirm(`Remove the device ${sanitizeLine(invocation.arg(0))}? Its connections are closed immediately.`);
  const { device, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const device = await findDevice(client, invocation.arg(0));
    return { device, result: await client.request("device.pair.remove", { deviceId: device.deviceId }) };
  });
  out.result(result, () => out.line(`Removed ${deviceName(device)}.`));
};

const deviceName = (device: Paired): string =>
  sanitizeLine(device.label ?? device.displayName ?? device.clientId ?? shortId(device.deviceId));

/** `openclaw devices rotate <device>` */
export const devicesRotate: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const role = invocation.text("role") ?? "operator";
  const { device, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const device = await findDevice(client, invocation.arg(0));
    return { device, result: await client.request<{ token?: string }>("device.token.rotate", { deviceId: device.deviceId, role }) };
  });
  out.result(result, () => {
    out.note(
      `${deviceName(device)} has a new token; the old one is revoked.${result.token ? " Copy it now; it won't be shown again:" : ""}`,
    );
    if (result.token) out.line(result.token);
  });
};

/** `openclaw devices revoke <device>` */
export const devicesRevoke: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const role = invocation.text("role") ?? "operator";
  const { device, result } = await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client }) => {
    const device = await findDevice(client, invocation.arg(0));
    return { device, result: await client.request("device.token.revoke", { deviceId: device.deviceId, role }) };
  });
  out.result(result, () => out.line(`${deviceName(device)} no longer has a ${role} token.`));
};

type JoinCode = { setupCode: string; gatewayUrl: string; expiresAtMs: number };

/** `openclaw devices join-code` */
export const devicesJoinCode: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const publicUrl = invocation.text("public-url");
  const params = { bootstrapProfile: "node", includeQr: false, ...(publicUrl !== undefined && { publicUrl }) };
  const code = await callGateway<JoinCode>(invocation, ["operator.admin"], "device.pair.setupCode", params);
  out.result(code, () => {
    out.line(`openclaw node run --pair ${code.setupCode}`);
    out.note(
      `Run this on the machine that becomes a node of ${sanitizeLine(code.gatewayUrl)}. The code is for one device and expires ${formatAge(code.expiresAtMs, host.now())}.`,
    );
  });
};
