import { COMMAND_HOSTS, COMMAND_MODES } from "../../core/command-modes.ts";
import { array, boolean, enumOf, object, string } from "../../core/config-schema.ts";

const ABSOLUTE = { regex: "/.*|~(?:/.*)?|[A-Za-z]:[\\\\/].*", description: "an absolute path, or one that begins with ~/" } as const;

/** Where the tools for files may work. */
export const fileAccess = object(
  "Where `read`, `ls`, `find`, `grep`, `write` and `edit` may work. The agent's own setting replaces the one for all agents; for people on channels only the agent's own counts.",
  {
    workspaceOnly: boolean(
      "`true`: only in the workspace, and in `paths`. `false`: everywhere, as far as the user that runs the gateway may.",
      {
        default: true,
      },
    ),
    paths: array(
      "Directories beside the workspace in which these tools may work as well.",
      string("A directory: an absolute path, or `~/...`.", { pattern: ABSOLUTE, format: "path" }),
      { default: [] },
    ),
  },
  { optional: true, onInvalid: { workspaceOnly: true, paths: [] } },
);

/** The tool `apply_patch`. */
const applyPatch = object(
  "The tool `apply_patch`.",
  {
    enabled: boolean("Agents may be granted the tool.", { default: true, onInvalid: false }),
    workspaceOnly: boolean(
      "The tool changes files of the workspace only. Nothing else is served: `false` has no effect, and in the directories of `tools.fs` agents use `write` and `edit`.",
      { default: true },
    ),
  },
  { optional: true, onInvalid: { enabled: false, workspaceOnly: true }, unserved: ["allowModels"] },
);

/** The tools for earlier conversations. */
export const sessions = object(
  "The tools `sessions_list`, `sessions_history`, `sessions_search` and `sessions_send`, and the messages that `memory_search` finds.",
  {
    visibility: enumOf(
      "Which conversations they reach for operators: only the one that they are used in (`self`), also those of its sub-agents (`tree`), also all others of the same agent (`agent`), or also those of other agents, as far as `tools.agentToAgent` allows (`all`). On channels an agent reaches only the conversation that it is in.",
      ["self", "tree", "agent", "all"],
      { default: "agent", onInvalid: "self" },
    ),
  },
  { optional: true, onInvalid: { visibility: "self" } },
);

/** Which agents work with the conversations of others. */
export const agentToAgent = object(
  "Agents that may read the conversations of other agents and write to them, with `tools.sessions.visibility` `all`. Both agents have to be listed.",
  {
    enabled: boolean("Allows it at all.", { default: false, onInvalid: false }),
    allow: array(
      "Ids of the agents; `*` stands for any letters, so that `*` alone is every agent. Without an entry no agent may.",
      string("Id of an agent, or a pattern.", { maxChars: 64 }),
      {
        onInvalid: [],
      },
    ),
  },
  { optional: true, onInvalid: { enabled: false } },
);

/** The tool for messages. */
export const message = object(
  "The tool `message`.",
  {
    crossContext: object(
      "Whether the tool reaches other conversations than the one that it is used in. The agent's own setting replaces the one for all agents. Without a setting a person is asked before an operator reaches another one; for people on channels only the agent's own setting counts, and without one they reach none.",
      {
        allowWithinProvider: boolean("Other conversations on the same channel.", { onInvalid: false }),
        allowAcrossProviders: boolean("Conversations on other channels.", { onInvalid: false }),
      },
      { optional: true, onInvalid: { allowWithinProvider: false, allowAcrossProviders: false }, unserved: ["marker"] },
    ),
    actions: object(
      "What the tool may do.",
      {
        allow: array(
          "Only these actions: `send`, `reply`, `react`, `edit`, `delete` (also `unsend`), `poll`, `thread-create`.",
          string("An action."),
          { onInvalid: [] },
        ),
      },
      { optional: true, onInvalid: { allow: [] } },
    ),
  },
  { optional: true, unserved: ["broadcast"] },
);

/** Commands, and what else runs or changes something. */
export const commands = object(
  "Commands that the agent runs.",
  {
    mode: enumOf(
      "When a command runs: never, when the allowlist names its programs, when a person agrees (`ask`), by itself in the sandbox and with a person's agreement elsewhere (`auto`, the default), or always (`full`).",
      COMMAND_MODES,
      { onInvalid: "deny" },
    ),
    host: enumOf(
      "Where commands run. `auto`: with the mode `auto` in the sandbox where there is one, otherwise as the gateway's user. People on channels are in the sandbox unless the agent's own setting says otherwise.",
      COMMAND_HOSTS,
      { onInvalid: "sandbox" },
    ),
    applyPatch,
  },
  {
    optional: true,
    unserved: [
      "reviewer",
      "node",
      "timeoutSeconds",
      "backgroundMs",
      "cleanupMs",
      "notifyOnExit",
      "notifyOnExitEmptySuccess",
      "approvalRunningNoticeMs",
      "strictInlineEval",
      "pathPrepend",
      "safeBins",
      "safeBinTrustedDirs",
      "safeBinProfiles",
      "grantExpiryDays",
    ],
  },
);
