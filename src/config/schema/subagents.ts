import { array, enumOf, integer, object, string } from "../../core/config-schema.ts";
import { THINKING_CHOICES } from "../../core/thinking.ts";

const modelName = { regex: "\\S+(/\\S.*)?", description: "a model like provider/model" } as const;

const choices = {
  model: string("Their model, as `provider/model`, unless the task names one; the agent's when it is not set.", { pattern: modelName }),
  thinking: enumOf("How long their model thinks, unless the task says otherwise; as the agent's when it is not set.", THINKING_CHOICES),
  allowAgents: array(
    "Ids of other agents that may be given tasks; `*`: all. An agent may always give tasks to itself.",
    string("Id of an agent, or `*`.", { maxChars: 64 }),
  ),
};

/** What holds for the tasks that one agent gives. */
export const ownSubagents = object("Tasks that this agent gives to sub-agents, where they differ from the default.", choices, {
  optional: true,
  unserved: ["requireAgentId", "delegationMode"],
});

/** What holds for the tasks that agents give to sub-agents. */
export const subagents = object(
  "Tasks that agents give to sub-agents, with the tool `sessions_spawn`.",
  {
    ...choices,
    maxConcurrent: integer("Tasks that are worked on at the same time in the whole gateway; further ones wait.", {
      default: 8,
      min: 1,
      max: 100,
    }),
    maxSpawnDepth: integer("How deep tasks may be: 1: a sub-agent gives no tasks itself.", { default: 5, min: 1, max: 10 }),
    maxChildrenPerAgent: integer("Tasks of one conversation that have not ended; more are refused.", { default: 5, min: 1, max: 50 }),
    runTimeoutSeconds: integer("Longest time for a task in seconds, unless the task says otherwise; 0: as for any turn.", {
      default: 0,
      min: 0,
      max: 172_800,
    }),
  },
  { unserved: ["requireAgentId", "announceTimeoutMs", "archiveAfterMinutes", "delegationMode"] },
);
