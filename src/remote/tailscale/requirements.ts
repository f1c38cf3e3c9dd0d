export type TailscaleMode = "off" | "serve" | "funnel";

/** Why a mode may not be used with this kind of authentication, with the fix; null: it may. Pure. */
export function modeProblem(
  mode: TailscaleMode,
  auth: "token" | "password" | "none" | "trusted-proxy",
): { why: string; fix: string } | null {
  if (mode === "funnel" && auth !== "password")
    return {
      why: `gateway.tailscale.mode funnel opens the gateway to the internet, which needs gateway.auth.mode password; it is ${auth}`,
      fix: "openclaw config set gateway.auth.password --stdin, then openclaw config set gateway.auth.mode password; or gateway.tailscale.mode serve",
    };
  if (mode === "serve" && auth === "none")
    return {
      why: "gateway.tailscale.mode serve needs a credential, and gateway.auth.mode is none",
      fix: "openclaw config set gateway.auth.mode token",
    };
  return null;
}

/** What is wrong when Tailscale refuses, from what it wrote, and what helps. Pure. */
export function claimFailure(text: string, mode: TailscaleMode): { why: string; fix: string } {
  const last =
    text
      .trim()
      .split("\n")
      .findLast((line) => line.trim() !== "")
      ?.trim()
      .slice(0, 300) ?? "";
  if (/access denied|permission denied|operation not permitted|must be root|checkprefs/i.test(text))
    return { why: "Tailscale does not permit this user to serve", fix: "sudo tailscale set --operator=$USER" };
  if (/listener already exists|already in use|foreground listener/i.test(text))
    return {
      why: `another program holds port 443 of this machine in the tailnet (TAILSCALE_ROUTE_OWNERSHIP_CONFLICT): ${last}`,
      fix: "tailscale serve status --json shows its session under Foreground; end that program.",
    };
  if (/funnel.*(not (?:available|enabled)|attribute)|node attribute/i.test(text))
    return {
      why: `Funnel is not enabled in this tailnet: ${last}`,
      fix: "add the node attribute funnel in the admin console (Access controls).",
    };
  if (/https.*(not enabled|disabled)|serve is not enabled|enable https|magicdns/i.test(text))
    return {
      why: `HTTPS is not enabled in this tailnet: ${last}`,
      fix: "enable MagicDNS and HTTPS certificates in the admin console (DNS).",
    };
  return {
    why: last === "" ? `tailscale ${mode} ended without a reason` : `tailscale ${mode}: ${last}`,
    fix: "tailscale status shows more.",
  };
}
