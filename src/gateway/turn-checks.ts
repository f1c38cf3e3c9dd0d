import { closeSync, openSync, statfsSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { asId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { readProxySettings } from "../core/proxy.ts";
import type { AgentRuntime } from "../agents/runtime.ts";
import type { GatewayBase } from "./base.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";
import type { TurnReadinessDeps } from "./turn-readiness.ts";

type TurnCheckDeps = Pick<GatewayBase, "clock"> &
  Pick<Storage, "store" | "sessions"> & { running: RunningConfig; prompt: PromptContext; runtime: Pick<AgentRuntime, "status"> };

/** Throws while agent processes keep failing. A look only: it starts none. */
export function checkAgentHost(runtime: Pick<AgentRuntime, "status">): void {
  const { state, canRun, cause } = runtime.status();
  if (state !== "degraded" || canRun) return;
  throw new GatewayError("UNAVAILABLE", (cause ?? "it keeps failing").replace(/\.$/, ""), {
    fix: "`openclaw logs --level error` shows why.",
  });
}

/** What every turn needs before its model is asked. */
export function turnChecks({ clock, store, sessions, running, prompt, runtime }: TurnCheckDeps): TurnReadinessDeps["checks"] {
  const key = asId<SessionKey>("agent:readiness:probe");
  const writeSession = (): void => {
    const agentId = running.agents.defaultAgent();
    sessions.ensure(key, { sessionId: key, agentId, chatKind: "direct", channel: "probe", now: clock.now() });
    sessions.patch(key, { status: "running" });
    if (!sessions.get(key)) throw new GatewayError("UNAVAILABLE", "a row that was written cannot be read");
  };
  return {
    "the location of the store": () => store.verifyPath(),
    "the session's row": () => store.dryRun(writeSession),
    "the system prompt": () => prompt.check(running.agents.defaultAgent()),
    "the descriptor for an agent's process": () => closeSync(openSync(devNull, "r")),
    "the agent host": () => checkAgentHost(runtime),
  };
}

type WarningDeps = Pick<GatewayBase, "paths" | "log"> & { runtime: Pick<AgentRuntime, "status"> };

/** Problems that are reported and do not prevent a turn. */
export function gatewayWarnings({ paths, log, runtime }: WarningDeps): TurnReadinessDeps["warnings"] {
  return {
    agents: () => {
      const { state, canRun, cause } = runtime.status();
      return state === "degraded" && canRun ? (cause ?? "agent processes keep failing") : null;
    },
    log: () => {
      const { cause } = log.lostLines();
      return cause && `log lines are lost: ${cause}. Make ${join(paths.gateway, "logs")} writable`;
    },
    proxy: () => {
      const [problem] = readProxySettings(process.env).problems.filter(({ name }) => name.toLowerCase() !== "all_proxy");
      return problem ? `${problem.name} ${problem.message}. ${problem.fix}` : null;
    },
    disk: () => {
      const { bavail, bsize } = statfsSync(paths.gateway);
      const free = bavail * bsize;
      return free >= LIMITS.diskLowBytes
        ? null
        : `${Math.floor(free / 1_048_576)} MB of disk are free. Free some space: without any, no message can be stored`;
    },
  };
}
