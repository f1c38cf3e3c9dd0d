import { homedir } from "node:os";
import { join } from "node:path";
import type { StatePaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { NoteIndex } from "../store/note-index.ts";
import { Embedder, type EmbeddingCall } from "../tools/memory/embedder.ts";
import { embeddingSettings, type EmbeddingSettings } from "../tools/memory/embedding-settings.ts";
import { MemoryNotes } from "../tools/memory/memory-notes.ts";
import type { NoteOwner } from "../tools/memory/note-index.ts";
import { WorkspaceFiles } from "../tools/workspace-files.ts";
import type { Spending } from "./spending.ts";

type MemoryInput = { paths: Pick<StatePaths, "gateway">; log: Log; clock: Clock };
type EmbeddingInput = { config: () => Config; spending: Pick<Spending, "forEmbedding"> };

/** The notes of all agents. Each has an index of its own, in a file that is made with the first search. */
export function createMemory({ paths, log, clock }: MemoryInput, embedding?: EmbeddingInput): MemoryNotes {
  const indexLog = log.child({ subsystem: "memory" });
  return new MemoryNotes({
    files: new WorkspaceFiles({ home: process.env["HOME"] || homedir() }),
    openIndex: (agentId) => new NoteIndex(join(paths.gateway, "note-index", `${agentId}.sqlite`), indexLog),
    clock,
    ...(embedding && {
      embedder: createEmbedder(embedding, clock),
      searchSettings: () => embedding.config().memory.search.query,
    }),
  });
}

const vectorsOf: ConstructorParameters<typeof Embedder>[0]["vectorsOf"] = async (...args) =>
  (await import("./embedding-client.ts")).fetchVectors(...args);

function createEmbedder({ config, spending }: EmbeddingInput, clock: Clock): Embedder {
  let kept: { config: Config; settings: ReturnType<typeof embeddingSettings> } | null = null;
  const settings = (): ReturnType<typeof embeddingSettings> => {
    const current = config();
    const variable = (name: string): string | undefined => process.env[name] || current.env.vars[name]?.reveal();
    if (kept?.config !== current) kept = { config: current, settings: embeddingSettings(current.memory.search, variable) };
    return kept.settings;
  };
  const reserve = async ({ provider, model }: EmbeddingSettings, text: string, owner: NoteOwner, signal: AbortSignal) => {
    const requests = spending.forEmbedding(owner.agentId, owner.run ?? null);
    const ref = { provider, id: model };
    try {
      // The answer has no tokens: one stands for none.
      const failure = await requests.reserve({ model: ref, contextWindow: 0, maxTokens: 1, price: null }, { text, images: [] }, signal);
      if (failure !== null) throw new Error(failure.message);
    } catch (err) {
      requests.release();
      throw err;
    }
    return async ({ tokens, status, durationMs }: EmbeddingCall): Promise<void> => {
      const usage = { input: tokens, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: tokens, costUsd: 0 };
      try {
        await requests.add({ purpose: "answer", model: ref, usage, cost: null, status, durationMs, firstTokenMs: null });
      } finally {
        requests.release();
      }
    };
  };
  return new Embedder({ settings, vectorsOf, reserve, clock });
}
