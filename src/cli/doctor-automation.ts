import { resolveHeartbeats } from "../config/heartbeat.ts";
import type { Config } from "../config/schema.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";

const warning = (check: string, title: string, why: string, fix: string): DoctorFinding => ({
  check,
  severity: "warning",
  title,
  why,
  fix,
});

/** Heartbeats that cost what no one has limited, and hooks that take nothing or are open to more than was meant. */
export function checkAutomation(invocation: Invocation): DoctorFinding[] {
  const { config } = configOf(invocation);
  return [...checkHeartbeats(config), ...checkHooks(config)];
}

function checkHeartbeats(config: Config): DoctorFinding[] {
  const on = resolveHeartbeats(config, () => "UTC");
  if (on.length === 0) return [];
  const findings = on.flatMap(({ agentId, model, everyMs }) => {
    const own = config.agents.entries[agentId]?.model?.primary ?? config.agents.defaults.model?.primary;
    const found: DoctorFinding[] = [];
    if (model === null && own === undefined)
      found.push(
        warning(
          `heartbeat:${agentId}`,
          `the heartbeats of ${agentId} have no model that was chosen for them`,
          "they use whatever model is found, or none.",
          "openclaw config set agents.defaults.heartbeat.model <provider/model>",
        ),
      );
    if (everyMs < 600_000 && !config.budgets.some(({ cause }) => cause === "heartbeat"))
      found.push(
        warning(
          `heartbeat-cost:${agentId}`,
          `the heartbeats of ${agentId} are less than ten minutes apart and no budget limits them`,
          "each of them may be a request to a model; openclaw system heartbeat status shows the cost of a day.",
          `openclaw config set budgets '[{ name: "heartbeats", cause: "heartbeat", per: "day", usd: 1 }]'`,
        ),
      );
    return found;
  });
  return findings.length > 0 ? findings : [okFinding("heartbeats", "heartbeats have a model")];
}

function checkHooks({ hooks, gateway }: Config): DoctorFinding[] {
  if (!hooks.enabled) return [];
  const findings: DoctorFinding[] = [];
  if (hooks.token === undefined)
    findings.push(
      warning(
        "hooks-token",
        "hooks are on and hooks.token is not set",
        "every hook without a signature refuses all requests.",
        "openclaw config set hooks.token <a long random text>",
      ),
    );
  const trusted = [
    ...(hooks.trust === "owner" ? ["wake", "agent"] : []),
    ...hooks.mappings.filter(({ trust }) => trust === "owner").map(({ id, match }) => id ?? match?.path ?? "?"),
  ];
  if (trusted.length > 0)
    findings.push(
      warning(
        "hooks-trust",
        `hooks run with the rights of an operator: ${trusted.join(", ")}`,
        "what their senders write can make the agent use all of its tools.",
        'set trust to "none", or limit the tools of an agent of its own and name it in agentId.',
      ),
    );
  if (gateway.bind !== "loopback" && hooks.allowedAgentIds === undefined)
    findings.push(
      warning(
        "hooks-bind",
        `hooks are reachable from other machines (gateway.bind "${gateway.bind}") and may run every agent`,
        "anyone who learns the token can run each of them.",
        "name the agents that they need in hooks.allowedAgentIds.",
      ),
    );
  return findings.length > 0 ? findings : [okFinding("hooks", "hooks need a token or a signature")];
}
