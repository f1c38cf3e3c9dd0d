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
  clear(): void;
  close(): void;
}
