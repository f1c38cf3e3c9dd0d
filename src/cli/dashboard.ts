import { spawn } from "node:child_process";
import type { ProtocolClient } from "../client/protocol-client.ts";
import { OFFICIAL_PATH } from "../core/control-ui-root.ts";
import { CliError } from "../core/errors.ts";
import { qrText } from "../core/qr.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { formatDuration } from "./terminal-text.ts";

type SetupCode = { joinUrl?: string; url?: string; setupUrl?: string; expiresAtMs?: number; expiresInMs?: number };

/** `openclaw dashboard` */
export const dashboard: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const isForDevice = invocation.has("qr");
  const { answer, controlUi } = await withGateway(invocation, { scopes: ["operator.admin", "operator.pairing"] }, async ({ client }) => ({
    // Asked first: a code that is not used would stay valid.
    controlUi: invocation.has("official") ? await readControlUi(client) : null,
    answer: await client.request<SetupCode>("device.pair.setupCode", { includeQr: isForDevice }),
  }));
  const joinUrl = answer.joinUrl ?? answer.url ?? answer.setupUrl;
  const url = controlUi === null ? joinUrl : officialUrl(joinUrl, controlUi);
  if (!url || !/^https?:\/\//.test(url)) {
    throw new CliError("The gateway returned no link", {
      why: "its answer to device.pair.setupCode has no web address.",
      fix: "check that the page is enabled: openclaw config get gateway.controlUi.enabled",
    });
  }
  const validMs = answer.expiresInMs ?? (answer.expiresAtMs === undefined ? undefined : answer.expiresAtMs - host.now());
  const opened = !isForDevice && !invocation.has("no-open") && !out.json && out.interactive && (await openBrowser(url));
  out.result({ ...answer, url }, () => {
    if (isForDevice) out.line(qrText(url));
    out.line(url);
    // The clock of the gateway is a few milliseconds ahead or behind.
    const valid = validMs === undefined ? "" : `Valid for ${formatDuration(Math.round(validMs / 60_000) * 60_000)}, one use.`;
    out.note(`${opened ? "Opened in your browser. " : ""}${isForDevice ? "Scan it with the camera of the device. " : ""}${valid}`);
  });
};

type ControlUi = { readonly enabled?: boolean; readonly root?: string; readonly basePath?: string };

/** The settings of the gateway; throws where it does not serve OpenClaw's Control UI. */
async function readControlUi(client: ProtocolClient): Promise<ControlUi> {
  const { config } = await client.request<{ config?: { gateway?: { controlUi?: ControlUi } } }>("config.get", {});
  const controlUi = config?.gateway?.controlUi ?? {};
  if (controlUi.enabled !== false && controlUi.root !== undefined) return controlUi;
  throw new CliError("The gateway does not serve the Control UI of OpenClaw", {
    why: controlUi.root === undefined ? "gateway.controlUi.root is not set." : "gateway.controlUi.enabled is false.",
    fix:
      controlUi.root === undefined
        ? "openclaw config set gateway.controlUi.root DIR, where DIR is the directory in which the package openclaw is installed."
        : "openclaw config set gateway.controlUi.enabled true",
  });
}

/** The same one-time code, where the Control UI looks for it. */
function officialUrl(joinUrl: string | undefined, { basePath = "" }: ControlUi): string | undefined {
  const [origin, code] = joinUrl?.split("/#k=") ?? [];
  if (origin === undefined || code === undefined) return undefined;
  return `${origin}${basePath.replace(/\/+$/, "")}${OFFICIAL_PATH}/#bootstrapToken=${code}&bootstrapProfile=owner`;
}

type PairingCode = SetupCode & { setupCode?: string; gatewayUrl?: string; auth?: string; urlSource?: string };

/** `openclaw qr`: the code that an app scans. */
export const pairingQr: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const publicUrl = invocation.text("public-url");
  const params = {
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(invocation.has("limited") ? { bootstrapProfile: "limited" } : {}),
  };
  const answer = await withGateway(invocation, { scopes: ["operator.admin", "operator.pairing"] }, ({ client }) =>
    client.request<PairingCode>("device.pair.setupCode", params),
  );
  const { setupCode = "", gatewayUrl, auth, urlSource, expiresAtMs } = answer;
  out.result({ setupCode, gatewayUrl, auth, urlSource, expiresAtMs }, () => {
    if (invocation.has("setup-code-only")) return out.line(setupCode);
    out.line(qrText(setupCode));
    out.pairs([
      ["setup code", setupCode],
      ["gateway", `${gatewayUrl ?? ""} (from ${urlSource ?? ""})`],
    ]);
    out.note("Scan it with the app, or paste the setup code there. One device, one use, valid for 10 minutes.");
  });
};

/** Hands a link to the desktop. False where there is none: the person opens the printed link. */
export function openBrowser(url: string): Promise<boolean> {
  const hasDisplay = process.platform === "darwin" || Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"]);
  if (!hasDisplay) return Promise.resolve(false);
  return new Promise((resolve) => {
    const child = spawn(process.platform === "darwin" ? "open" : "xdg-open", [url], { stdio: "ignore", detached: true });
    child.on("error", () => resolve(false));
    child.on("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}
