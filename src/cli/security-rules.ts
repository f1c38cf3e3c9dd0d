import { channelAccounts } from "../config/channel-accounts.ts";
import { channelIds } from "../channels/registry.ts";
import type { Config } from "../config/schema.ts";

export type AuditSeverity = "critical" | "warn" | "info";

/** One finding of the audit, in the form of OpenClaw. */
export type AuditFinding = {
  readonly checkId: string;
  readonly severity: AuditSeverity;
  readonly title: string;
  readonly detail: string;
  readonly remediation?: string;
};

const SHORT = 24;
const PLACEHOLDER = /^(?:change[-_ ]?me|your[-_ ].*|replace.*|password|passwd|secret|token|test|admin|openclaw|x{3,}|<.*>)$/i;

/** A value from an example. */
export const isPlaceholder = (text: string): boolean => PLACEHOLDER.test(text);

const finding = (checkId: string, severity: AuditSeverity, title: string, detail: string, remediation?: string): AuditFinding => ({
  checkId,
  severity,
  title,
  detail,
  ...(remediation !== undefined && { remediation }),
});

/** What the configuration alone shows. Pure. */
export function auditConfig(config: Config, raw: string | null): AuditFinding[] {
  return [
    ...auditAccess(config),
    ...auditCredentials(config, raw),
    ...auditProxies(config),
    ...auditChannels(config),
    ...auditTools(config),
  ];
}

const isReachable = ({ gateway }: Config): boolean => gateway.bind !== "loopback" || gateway.tailscale.mode !== "off";

function auditAccess(config: Config): AuditFinding[] {
  const { gateway, discovery } = config;
  const open = gateway.auth.mode === "none";
  const found: AuditFinding[] = [];
  if (open && gateway.bind !== "loopback")
    found.push(
      finding(
        "gateway.bind_no_auth",
        "critical",
        "The gateway is open to the network",
        `gateway.bind is ${gateway.bind} and gateway.auth.mode is none.`,
        "openclaw config set gateway.auth.mode token",
      ),
    );
  else if (open)
    found.push(
      finding(
        "gateway.loopback_no_auth",
        "critical",
        "Every program of this machine can use the gateway",
        "gateway.auth.mode is none.",
        "openclaw config set gateway.auth.mode token",
      ),
    );
  if (gateway.tailscale.mode === "funnel")
    found.push(
      finding(
        "gateway.tailscale_funnel",
        "critical",
        "The gateway is on the internet",
        "gateway.tailscale.mode is funnel: everyone can try passwords.",
        "Use serve, unless the internet is meant.",
      ),
    );
  if (gateway.tailscale.mode === "serve")
    found.push(finding("gateway.tailscale_serve", "info", "The gateway is open to the tailnet", "gateway.tailscale.mode is serve."));
  if (gateway.controlUi.allowedOrigins.includes("*"))
    found.push(
      finding(
        "gateway.control_ui.allowed_origins_wildcard",
        isReachable(config) ? "critical" : "warn",
        "Pages of every origin may connect",
        "gateway.controlUi.allowedOrigins has *.",
        "List the origins that you use.",
      ),
    );
  if (discovery.mdns.mode === "full")
    found.push(
      finding(
        "discovery.mdns_full_mode",
        isReachable(config) ? "critical" : "warn",
        "Paths and ports of this machine are announced",
        "discovery.mdns.mode is full.",
        "openclaw config set discovery.mdns.mode minimal",
      ),
    );
  const dangerous = gateway.nodes.commands.allow.filter((name) => /^(?:camera|screen|sms|contacts|location|system)\./.test(name));
  if (dangerous.length > 0)
    found.push(
      finding(
        "gateway.nodes.allow_commands_dangerous",
        isReachable(config) ? "critical" : "warn",
        "Commands that act on people's devices are allowed",
        `gateway.nodes.commands.allow has ${dangerous.join(", ")}.`,
        "Remove those that are not needed.",
      ),
    );
  return found;
}

function auditCredentials({ gateway }: Config, raw: string | null): AuditFinding[] {
  const found: AuditFinding[] = [];
  for (const kind of ["token", "password"] as const) {
    const value = gateway.auth[kind]?.reveal();
    if (value === undefined) continue;
    const key = `gateway.auth.${kind}`;
    if (PLACEHOLDER.test(value))
      found.push(
        finding(
          `gateway.${kind}_placeholder_value`,
          "critical",
          `The ${kind} of the gateway is a placeholder`,
          `${key} has a value from an example.`,
          `openclaw config set ${key} --stdin`,
        ),
      );
    else if (value.length < SHORT)
      found.push(
        finding(
          `gateway.${kind}_too_short`,
          "warn",
          `The ${kind} of the gateway is short`,
          `${key} has ${value.length} characters; ${SHORT} or more cannot be guessed.`,
          `openclaw config set ${key} --stdin`,
        ),
      );
    if (kind === "password" && raw?.includes(value))
      found.push(
        finding(
          "config.secrets.gateway_password_in_config",
          "warn",
          "The password of the gateway is in the configuration file",
          `${key} is written there, and every copy of the file has it.`,
          'Refer to a variable: "${OPENCLAW_GATEWAY_PASSWORD}".',
        ),
      );
  }
  return found;
}

function auditProxies({ gateway }: Config): AuditFinding[] {
  if (gateway.auth.mode !== "trusted-proxy") return [];
  const proxy = gateway.auth.trustedProxy;
  const found = [
    finding(
      "gateway.trusted_proxy_auth",
      "critical",
      "A proxy decides who may connect",
      "gateway.auth.mode is trusted-proxy: anyone who reaches the port past the proxy is the user that the headers name.",
    ),
  ];
  if (gateway.trustedProxies.length === 0)
    found.push(
      finding(
        "gateway.trusted_proxy_no_proxies",
        "critical",
        "No proxy is trusted",
        "gateway.trustedProxies is empty.",
        "Name the address of the proxy.",
      ),
    );
  if (proxy === undefined)
    found.push(
      finding(
        "gateway.trusted_proxy_no_user_header",
        "critical",
        "No header names the user",
        "gateway.auth.trustedProxy.userHeader is not set.",
        "Name the header that the proxy sets.",
      ),
    );
  else if (proxy.allowUsers.length === 0)
    found.push(
      finding(
        "gateway.trusted_proxy_no_allowlist",
        "warn",
        "Every user of the proxy may connect",
        "gateway.auth.trustedProxy.allowUsers is empty.",
        "List the users.",
      ),
    );
  return found;
}

type OpenAccount = { readonly name: string; readonly key: string; readonly dm: boolean; readonly groups: boolean };

/** Accounts in which everyone may write to agents. */
export function openAccounts(config: Config): OpenAccount[] {
  return channelIds.flatMap((channel) =>
    channelAccounts(config, channel)
      .filter(({ enabled }) => enabled)
      .flatMap(({ id, raw }): OpenAccount[] => {
        const from = Array.isArray(raw["allowFrom"]) ? raw["allowFrom"] : [];
        const dm = raw["dmPolicy"] === "open" || (raw["dmPolicy"] !== "disabled" && from.includes("*"));
        const groups = raw["groupPolicy"] === "open";
        return dm || groups ? [{ name: `${channel}/${id}`, key: `channels.${channel}`, dm, groups }] : [];
      }),
  );
}

function auditChannels(config: Config): AuditFinding[] {
  const open = openAccounts(config);
  const found = open
    .filter(({ dm }) => dm)
    .map(({ name, key }) =>
      finding(
        `channels.${key.split(".")[1]}.dm.open`,
        "critical",
        `Everyone may write to agents on ${name}`,
        `${key}.dmPolicy is open, or allowFrom has *.`,
        `openclaw config set ${key}.dmPolicy pairing`,
      ),
    );
  const groups = open.filter((each) => each.groups);
  const tools = config.tools;
  const mode = tools?.exec?.mode;
  if (open.length > 0 && mode === "full")
    found.push(
      finding(
        "security.exposure.open_channels_with_exec",
        groups.length > 0 || open.some(({ dm }) => dm) ? "critical" : "warn",
        "Unknown people reach agents that run commands unasked",
        `${open.map(({ name }) => name).join(", ")}: open, and tools.exec.mode is full.`,
        "openclaw exec-policy set --mode auto --host sandbox",
      ),
    );
  if (groups.length > 0)
    found.push(
      finding(
        "security.exposure.open_groups_with_runtime_or_fs",
        mode === "full" ? "critical" : "warn",
        "Members of every group reach agents",
        `${groups.map(({ name }) => name).join(", ")}: groupPolicy is open.`,
        "openclaw security audit --fix sets groupPolicy to allowlist.",
      ),
    );
  const { dmScope } = config.session;
  if (open.some(({ dm }) => dm) && (dmScope === undefined || dmScope === "main"))
    found.push(
      finding(
        "channels.dm.scope_main_multiuser",
        "warn",
        "Everyone who writes shares one conversation",
        "session.dmScope is main, and direct messages of everyone are answered.",
        "openclaw config set session.dmScope per-channel-peer",
      ),
    );
  return found;
}

function auditTools(config: Config): AuditFinding[] {
  const found: AuditFinding[] = [];
  const { tools, browser, plugins } = config;
  if (tools?.exec?.mode === "full")
    found.push(
      finding(
        "tools.exec.security_full_configured",
        isReachable(config) ? "critical" : "warn",
        "Agents run every command unasked",
        "tools.exec.mode is full.",
        "openclaw exec-policy set --mode auto --host sandbox",
      ),
    );
  if (browser?.ssrfPolicy?.dangerouslyAllowPrivateNetwork === true)
    found.push(
      finding(
        "config.insecure_or_dangerous_flags",
        "warn",
        "Browsers of agents reach this machine and its network",
        "browser.ssrfPolicy.dangerouslyAllowPrivateNetwork is true.",
        "openclaw config unset browser.ssrfPolicy.dangerouslyAllowPrivateNetwork",
      ),
    );
  const enabled = Object.entries(plugins.entries).filter(([, entry]) => entry.enabled !== false);
  if (enabled.length > 0)
    found.push(
      finding(
        "plugins.extensions_no_allowlist",
        "info",
        "Plugins run as the gateway's user",
        `${enabled.map(([id]) => id).join(", ")}: their code can do what the gateway can.`,
      ),
    );
  return found;
}

/** What can be reached, in one line. */
export function attackSurface(config: Config): AuditFinding {
  const open = openAccounts(config);
  const channels = channelIds.filter((channel) => channelAccounts(config, channel).some(({ enabled }) => enabled));
  return finding(
    "summary.attack_surface",
    "info",
    "What can be reached",
    `bind ${config.gateway.bind}, auth ${config.gateway.auth.mode ?? "token"}, tailscale ${config.gateway.tailscale.mode}, TLS ${config.gateway.tls.enabled ? "on" : "off"}; channels: ${channels.join(", ") || "none"}; open to everyone: ${open.map(({ name }) => name).join(", ") || "none"}.`,
  );
}

type Suppression = Config["security"]["audit"]["suppressions"][number];

/** Leaves out what is accepted, and says how much that is. Pure. */
export function suppress(findings: readonly AuditFinding[], suppressions: readonly Suppression[]): AuditFinding[] {
  const hits = (each: AuditFinding): boolean =>
    suppressions.some(
      ({ checkId, titleIncludes, detailIncludes }) =>
        checkId === each.checkId &&
        (titleIncludes === undefined || each.title.includes(titleIncludes)) &&
        (detailIncludes === undefined || each.detail.includes(detailIncludes)),
    );
  const kept = findings.filter((each) => !hits(each));
  if (suppressions.length === 0) return kept;
  const left = findings.length - kept.length;
  return [
    ...kept,
    finding(
      "security.audit.suppressions.active",
      "info",
      `${left} findings are left out`,
      `security.audit.suppressions has ${suppressions.length} entries: ${suppressions.map(({ checkId, reason }) => `${checkId} (${reason})`).join(", ")}.`,
    ),
  ];
}
