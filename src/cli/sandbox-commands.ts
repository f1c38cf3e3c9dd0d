import type { CliFlag, CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

/** OpenClaw's name of `--yes` here. */
const FORCE: CliFlag = { name: "force", help: "The same as --yes." };
const AGENT: CliFlag = { name: "agent", value: "id", valueKind: "agent", help: "Of this agent." };
const SESSION: CliFlag = { name: "session", value: "key", valueKind: "session", help: "Of this conversation." };

export const sandboxCommands: CommandFamily = {
  summary: "How commands of agents are isolated, and their containers.",
  commands: [
    {
      path: ["sandbox", "explain"],
      group: "Access",
      summary: "Try the sandbox out, and show what it keeps commands from.",
      flags: [AGENT, SESSION],
      usesGateway: true,
      isDefault: true,
      notes: ["openclaw exec-policy show says which commands run in it."],
      examples: ["openclaw sandbox explain", "openclaw sandbox explain --agent helper"],
      load: async () => (await import("./sandbox.ts")).sandboxExplain,
    },
    {
      path: ["sandbox", "list"],
      summary: "List the containers in which commands run.",
      usesGateway: true,
      notes: ["Only the backends podman and docker have containers."],
      examples: ["openclaw sandbox list"],
      load: async () => (await import("./sandbox.ts")).sandboxList,
    },
    {
      path: ["sandbox", "recreate"],
      summary: "Remove containers: the next command makes new ones, with the present image and settings.",
      flags: [{ name: "all", help: "All containers." }, AGENT, SESSION, YES, FORCE],
      usesGateway: true,
      notes: ["Other settings make a new container by themselves; a new image of the same name does not."],
      examples: ["openclaw sandbox recreate --all", "openclaw sandbox recreate --agent helper --yes"],
      load: async () => (await import("./sandbox.ts")).sandboxRecreate,
    },
  ],
};
