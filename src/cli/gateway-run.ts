import { expandPath } from "../config/paths.ts";
import { EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import type { Invocation } from "./invocation.ts";

/** `openclaw gateway`: runs until a signal comes or the gateway ends by itself. */
export const runGateway: CommandHandler = async (invocation) => {
  const { host, out } = invocation;
  const gateway = await host.startGateway(toOptions(invocation));
  if (out.json) out.data({ ok: true, url: gateway.url, port: gateway.port, pid: process.pid });
  else for (const line of gateway.banner) out.line(line);
  const signalled = new Promise<null>((resolve) => {
    if (host.signal.aborted) resolve(null);
    else host.signal.addEventListener("abort", () => resolve(null), { once: true });
  });
  const code = await Promise.race([signalled, gateway.ended]);
  if (code !== null) return code;
  await gateway.stop(String(host.signal.reason ?? "SIGTERM"));
  return EXIT.ok;
};

function toOptions(invocation: Invocation): GatewayOptions {
  const { host } = invocation;
  const path = (flag: string): string | undefined => {
    const text = invocation.text(flag);
    return text === undefined ? undefined : expandPath(text, host.env["HOME"] || "/", host.cwd);
  };
  const port = invocation.number("port");
  const bind = invocation.text("bind") as GatewayOptions["bind"];
  const auth = invocation.text("auth") as GatewayOptions["auth"];
  const tailscale = invocation.text("tailscale") as GatewayOptions["tailscale"];
  const [tokenFile, passwordFile, configPath] = [path("token-file"), path("password-file"), path("config")];
  return {
    verbose: invocation.has("verbose"),
    force: invocation.has("force"),
    ...(port !== undefined && { port }),
    ...(bind && { bind }),
    ...(auth && { auth }),
    ...(tailscale && { tailscale }),
    ...(tokenFile && { tokenFile }),
    ...(passwordFile && { passwordFile }),
    ...(configPath && { configPath }),
    ...(host.env["OPENCLAW_CANARY"] === "1" && { canary: true }),
  };
}
