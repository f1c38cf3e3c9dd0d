import { array, boolean, enumOf, integer, object, record, requiredSecret, string } from "../../core/config-schema.ts";

/** It is the part of a model's name after `acp/`. */
const AGENT_NAME = {
  regex: "[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*",
  description: "letters and digits, with single dots, - and _ between them",
} as const;
const VARIABLE_NAME = { regex: "[A-Za-z_][A-Za-z0-9_]*", description: "the name of a variable" } as const;

const agent = object("One agent: a program that speaks ACP on its standard input and output.", {
  command: string("The program. Well-known names have one: claude, codex, copilot, gemini, goose, kimi, opencode, pi, qwen."),
  args: array("Its arguments.", string("An argument.")),
  env: record(
    "Its variables. Besides it has what commands of agents have, such as `PATH` and `HOME`, and none of the gateway's keys.",
    "<NAME>",
    requiredSecret("Value of the variable."),
    { keyPattern: VARIABLE_NAME },
  ),
  cwd: string("The directory in which it works; the workspace of the agent that it answers for when it is not set.", { format: "path" }),
  mode: string("The mode that it is set to, by its id; its own default when it is not set.", { maxChars: 200 }),
  model: string("The model that it is set to, by its id; its own default when it is not set.", { maxChars: 200 }),
  timeoutSeconds: integer(
    "Longest silence while it neither runs a tool nor waits for a person; then its turn fails and its process ends.",
    {
      default: 600,
      min: 10,
      max: 86_400,
    },
  ),
});

/** Agents of other vendors. */
export const acp = object(
  "Agents of other vendors that speak the Agent Client Protocol (ACP). Each is a program of its own with the rights of the gateway's user; who may run programs in a conversation may use it there.",
  {
    enabled: boolean("Use them.", { default: true, onInvalid: false }),
    defaultAgent: string("The agent of `/acp spawn` without a name.", { pattern: AGENT_NAME }),
    allowedAgents: array(
      "Only these agents. Well-known names need no entry under `agents`. When it is not set: those under `agents`, and `defaultAgent`.",
      string("Name of an agent.", { pattern: AGENT_NAME }),
      { onInvalid: [], strict: true },
    ),
    maxConcurrentSessions: integer(
      "Processes of agents at the same time, one for each conversation; the one that was not used for the longest time ends first.",
      {
        default: 8,
        min: 1,
        max: 64,
      },
    ),
    runtime: object(
      "The processes of agents.",
      {
        ttlMinutes: integer(
          "A process without a turn for this long ends; the next message starts it again where the agent keeps its sessions. 0: never.",
          {
            default: 120,
            min: 0,
            max: 10_080,
          },
        ),
      },
      { unserved: ["installCommand"] },
    ),
    agents: record("Agents by name: `/acp spawn <name>`, and the model `acp/<name>`.", "<name>", agent, { keyPattern: AGENT_NAME }),
  },
  { unserved: ["dispatch", "backend", "stream", "fallbacks"] },
);

/** Who answers for an agent of the configuration. */
export const runtime = object(
  "What runs the turns of this agent: Pi, or an agent of another vendor.",
  {
    type: enumOf("`embedded`: Pi. `acp`: the agent that `acp.agent` names, with its own tools and its own context.", ["embedded", "acp"]),
    acp: object(
      "Which agent.",
      {
        agent: string("Its name, as under `acp.agents`; the id of this agent when it is not set.", { pattern: AGENT_NAME }),
        mode: enumOf("`persistent`: it keeps the conversation. `oneshot`: each message begins with an empty context.", [
          "persistent",
          "oneshot",
        ]),
        cwd: string("The directory in which it works.", { format: "path" }),
      },
      { optional: true, unserved: ["backend"] },
    ),
  },
  { optional: true },
);
