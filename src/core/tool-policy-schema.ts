import { COMMAND_HOSTS, COMMAND_MODES } from "./command-modes.ts";
import { array, enumOf, object, string } from "./config-schema.ts";

const FIELDS = {
  profile: enumOf("A named set of tools to start from.", ["minimal", "coding", "messaging", "full"], { onInvalid: "minimal" }),
  allow: array("Only these tools; an empty list means none.", string("A tool, or a group of tools as `group:name`."), {
    onInvalid: [],
  }),
  alsoAllow: array("Tools to add to the profile.", string("A tool, or a group of tools as `group:name`."), { onInvalid: [] }),
  deny: array("Never these tools, whatever allows them.", string("A tool, a group of tools as `group:name`, or `*`."), {
    onInvalid: ["*"],
    strict: true,
  }),
};

const exec = object(
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
      "applyPatch",
    ],
  },
);

/** The tools of a chat, or of everything that sets none. */
export const toolPolicy = (doc: string, unserved: readonly string[]) => object(doc, FIELDS, { optional: true, unserved });

/** The tools of an agent, or of all agents, and what they may do. */
export const agentToolPolicy = (doc: string, unserved: readonly string[]) => object(doc, { ...FIELDS, exec }, { optional: true, unserved });
