import type { Config } from "../config/schema.ts";
import type { AgentId } from "../core/ids.ts";
import type { MethodTable } from "../protocol/method.ts";
import type { MemoryNotes } from "../tools/memory/memory-notes.ts";
import type { NoteOwner } from "../tools/memory/note-index.ts";
import { requireAgent } from "./require-agent.ts";

export type MemoryDeps = {
  config: () => Config;
  memory: Pick<MemoryNotes, "search" | "status" | "index" | "probe">;
  workspaceOf: (agentId: AgentId) => string;
};

/** How OpenClaw's clients name a search by words alone. */
const BY_WORDS = "none";
const OFF = { ok: false, error: "notes are searched by words; memory.search.provider is none" };

/** memory.* and doctor.memory.*: what an agent has noted in its workspace, and the index that finds it. */
export function memoryMethods({ config, memory, workspaceOf }: MemoryDeps) {
  const ownerOf = (named: string | undefined): NoteOwner => {
    const agentId = requireAgent(config(), named);
    return { agentId, workspace: workspaceOf(agentId) };
  };
  return {
    "memory.search": {
      scope: "operator.read",
      run: async ({ query, agentId, maxResults }, { signal }) => {
        const owner = ownerOf(agentId);
        const { found, isAll, notes } = await memory.search(query, maxResults ?? null, owner, signal);
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
      run: async ({ agentId, probe = false }, { signal }) => {
        const owner = ownerOf(agentId);
        const probed = probe ? ((await memory.probe(owner, signal)) ?? OFF) : null;
        const { embeddings, ...status } = await memory.status(owner);
        const isOk = probed?.ok ?? (embeddings !== null && embeddings.problem === null);
        const embedding = { ok: isOk, checked: probe, ...(probed?.error !== undefined && { error: probed.error }) };
        const provider = embeddings?.provider || BY_WORDS;
        return { agentId: owner.agentId, provider, embedding, searchRuntimeRegistered: true, ...status };
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
