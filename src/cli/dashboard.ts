import { spawn } from "node:child_process";
import { CliError } from "../core/errors.ts";
import type { Run } from "./command.ts";
import { withGateway } from "./connect.ts";
import { formatDuration } from "./text.ts";

type SetupCode = { joinUrl?: string; url?: string; setupUrl?: string; expiresAtMs?: number; expiresInMs?: number };

/** `openclaw dashboard` */
export const dashboard: Run = async (invocation) => {
  const { out, host } = invocation;
  const answer = await withGateway(invocation, { scopes: ["operator.admin", "operator.pairing"] }, ({ client }) =>
    client.request<SetupCode>("device.pair.setupCode"),
  );
  const url = answer.joinUrl ?? answer.url ?? answer.setupUrl;
  if (!url || !/^https?:\/\//.test(url)) {
    throw new CliError("the gateway gave no link", {
      why: "its answer to device.pair.setupCode has no web address.",
      fix: "is the page switched off? openclaw config get gateway.controlUi.enabled",
    });
  }
  const validMs = answer.expiresInMs ?? (answer.expiresAtMs === undefined ? undefined : answer.expiresAtMs - host.now());
  const opened = !invocation.has("no-open") && !out.json && out.interactive && (await openBrowser(url));
  out.result({ ...answer, url }, () => {
    out.line(url);
    const valid = validMs === undefined ? "" : ` within ${formatDuration(validMs)}`;
    out.note(opened ? `Opened in your browser. The link works once${valid}.` : `Open it${valid}; it works once and signs that browser in.`);
  });
};

/** Hands a link to the desktop. False where there is none: the person opens the printed link. */
function openBrowser(url: string): Promise<boolean> {
  const hasDisplay = process.platform === "darwin" || Boolean(process.env["DISPLAY"] ?? process.env["WAYLAND_DISPLAY"]);
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
