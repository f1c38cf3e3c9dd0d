import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { acpAgentNames, resolveAcpAgent } from "../config/acp-agents.ts";
import { ACP_PRESETS } from "../core/acp-presets.ts";
import { reasonOf } from "../core/errors.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";

const CHECK = "acp";

/** Whether the program of each agent of another vendor is there. None is started. */
export function checkAcpAgents(invocation: Invocation): DoctorFinding[] {
  const { config } = configOf(invocation);
  return acpAgentNames(config).map((name): DoctorFinding => {
    const title = `the agent ${name} does not run`;
    try {
      const [program = ""] = resolveAcpAgent(config, name).argv;
      if (isRunnable(program, invocation.host.env["PATH"])) return okFinding(CHECK, `the program of the agent ${name} is installed`);
      const preset = ACP_PRESETS[name];
      const fix =
        preset?.argv[0] === program
          ? `install it (${preset.install}), or set acp.agents.${name}.command.`
          : `install it, or set acp.agents.${name}.command to its path.`;
      return { check: CHECK, severity: "warning", title, why: `its program ${program} was not found on the PATH.`, fix };
    } catch (err) {
      return { check: CHECK, severity: "warning", title, why: reasonOf(err), fix: "openclaw config get acp shows the settings." };
    }
  });
}

function isRunnable(program: string, path = ""): boolean {
  const candidates = program.includes("/")
    ? [program]
    : path
        .split(delimiter)
        .filter(Boolean)
        .map((directory) => join(directory, program));
  return candidates.some((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}
