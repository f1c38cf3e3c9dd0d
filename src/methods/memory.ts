import type { Config } from "../config/schema.ts";
import type { AgentId } from "../core/ids.ts";
import type { MethodTable } from "../protocol/method.ts";
import { TOOL_LIMITS } from "../tools/limits.ts";
import type { MemoryNotes, NoteOwner } from "../tools/memory/memory-notes.ts";
import { requireAgent } from "./require-agent.ts";

export type MemoryDeps = {
  config: () => Config;
  memory: Pick<MemoryNotes, "search" | "status" | "index">;
  workspaceOf: (agentId: AgentId) => string;
};

/** How OpenClaw's clients name a search by words alone. */
const BY_WORDS = "none";

/** memory.* and doctor.memory.*: what an agent has noted in its workspace, and the index that finds it. */
export function memoryMethods({ config, memory, workspaceOf }: MemoryDeps) {
  const ownerOf = (named: string | undefined): NoteOwner => {
    const agentId = requireAgent(config(), named);
    return { agentId, workspace: workspaceOf(agentId) };
  };
  return {
    "memory.search": {
      scope: "operator.read",
      run: async ({ query, agentId, maxResults = TOOL_LIMITS.foundNotes }, { signal }) => {
        const owner = ownerOf(agentId);
        const { found, isAll, notes } = await memory.search(query, maxResults, owner, signal);
        return { agentId: owner.agentId, results: found, hasAllWords: isAll, notes };
      },
    },
    "memory.status": {
      scope: "operator.read",
      run: async ({ agentId }) => {
        const owner = ownerOf(agentId);
        return { agentId: owner.agentId, ...(await memory.status(owner)) };
      },
    },
    "doctor.memory.status": {
      scope: "operator.read",
      run: async ({ agentId, probe = false }) => {
        const owner = ownerOf(agentId);
        const status = await memory.status(owner);
        const embedding = {
          ok: false,
          checked: probe,
          ...(probe && { error: "notes are searched by words; embeddings are not supported" }),
        };
        return { agentId: owner.agentId, provider: BY_WORDS, embedding, searchRuntimeRegistered: true, ...status };
      },
    },
    "memory.index": {
      scope: "operator.write",
      waits: true,
      run: async ({ agentId, force = false }) => {
        const owner = ownerOf(agentId);
        return { agentId: owner.agentId, ...(await memory.index(owner, { again: force })) };
      },
    },
  } satisfies MethodTable;
}
