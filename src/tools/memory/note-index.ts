import type { AgentId } from "../../core/ids.ts";

/** Whose notes: the agent, and where its workspace is. */
export type NoteOwner = {
  agentId: AgentId;
  workspace: string;
  /** The turn in which it is asked; absent: an operator asks. */ run?: NoteRun;
};
export type NoteRun = { runId: string | null; sessionKey: string };

/** A note as it was when it was indexed. `path` is relative to the workspace; `stamp` differs after every change of the file. */
export type IndexedNote = { path: string; stamp: string; changedAt: number };

/** Some lines of a note. */
export type NoteChunk = { firstLine: number; lastLine: number; text: string };

export type NoteMatch = { id: number; path: string; score: number };

/** The words of one agent's notes. Implemented over the store; see its NoteIndex. */
export interface MemoryIndex {
  readonly generation: number;
  notes(): readonly IndexedNote[];
  count(): { notes: number; chunks: number };
  update(changes: readonly { note: IndexedNote; chunks: readonly NoteChunk[] }[], removed: readonly string[]): void;
  search(query: string, limit: number): { matches: readonly NoteMatch[]; isAll: boolean };
  read(ids: readonly number[]): readonly (NoteChunk & { id: number })[];
  useVectorsOf(fingerprint: string): void;
  withoutVector(limit: number): readonly { id: number; path: string; text: string }[];
  countVectors(): number;
  addVectors(vectors: readonly { id: number; vector: Float32Array }[]): void;
  vectors(after: number, limit: number): readonly { id: number; path: string; vector: Float32Array }[];
  clear(): void;
  close(): void;
}
