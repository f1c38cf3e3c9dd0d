import { spawn } from "node:child_process";
import { CliError } from "../core/errors.ts";
import { qrText } from "../core/qr.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { formatDuration } from "./terminal-text.ts";

type SetupCode = { joinUrl?: string; officialUrl?: string; url?: string; setupUrl?: string; expiresAtMs?: number; expiresInMs?: number };

/** `openclaw dashboard` */
export const dashboard: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const isForDevice = invocation.has("qr");
  const answer = await withGateway(invocation, { scopes: ["operator.admin", "operator.pairing"] }, ({ client }) =>
    client.request<SetupCode>("device.pair.setupCode", { includeQr: isForDevice }),
  );
  const isOfficial = invocation.has("official");
  if (isOfficial && answer.officialUrl === undefined) {
    throw new CliError("The gateway does not serve the Control UI of OpenClaw", {
      why: "gateway.controlUi.root is not set, or the gateway has not restarted since.",
      fix: "openclaw config set gateway.controlUi.root DIR, where DIR has the package openclaw, and openclaw gateway restart.",
    });
  }
  const url = isOfficial ? answer.officialUrl : (answer.joinUrl ?? answer.url ?? answer.setupUrl);
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
