import { setImmediate as nextTurn } from "node:timers/promises";
import { abortable, withTimeout } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { fileProblemOf } from "../../core/files.ts";
import type { AgentId } from "../../core/ids.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { FilePermit, WorkspaceFiles } from "../workspace-files.ts";
import { toChunks } from "./note-chunks.ts";
import { NoteFiles, type NoteScan } from "./note-files.ts";
import type { IndexedNote, NoteChunk, NoteMatch, NoteOwner, MemoryIndex } from "./note-index.ts";
import type { Embedder } from "./embedder.ts";
import type { EmbeddingSettings } from "./embedding-settings.ts";
import { rankNotes } from "./rank-notes.ts";
import { likeness, mergeMatches } from "./vectors.ts";

export type MemoryNotesOptions = {
  files: WorkspaceFiles;
  /** The index of an agent's notes; opened with its first use. */
  openIndex: (agentId: AgentId) => MemoryIndex;
  clock: Pick<Clock, "now" | "monotonic" | "after">;
  /** Compares notes by what they mean, where that is configured. Absent: words alone count. */
  embedder?: Embedder;
  /** Parts of notes in a result where a call does not say, and the least likeness of one without any of the words. */
  searchSettings?: () => { maxResults: number; minScore: number };
};

const SEARCH_DEFAULTS = { maxResults: TOOL_LIMITS.foundNotes, minScore: 0.35 } as const;

export type FoundNote = NoteChunk & { path: string; score: number };

/** `isAll`: the parts have all words. `notes`: what the reader must know about the answer, one sentence each. */
export type NoteSearch = { found: readonly FoundNote[]; isAll: boolean; notes: readonly string[] };

export type NoteStatus = {
  workspace: string;
  notes: number;
  chunks: number;
  /** Notes that wait to be indexed. */
  waiting: number;
  problems: readonly string[];
  /** Null: only words count only. */
  embeddings: NoteEmbeddings | null;
};

/** How far notes can be compared by what they mean. */
export type NoteEmbeddings = { provider: string; model: string; chunks: number; waiting: number; problem: string | null };

type AgentNotes = {
  workspace: string;
  index: MemoryIndex;
  generation: number;
  /** What the index has, by path. */
  indexed: Map<string, IndexedNote>;
  scan: NoteScan | null;
  /** Those that changed last. */
  recent: readonly IndexedNote[];
  scannedAt: number;
  waiting: number;
  unread: Map<string, string>;
  refreshing: Promise<void> | null;
  embedding: Promise<void> | null;
};

/** What was found by likeness, or why nothing was. */
type ByMeaning = { matches: readonly NoteMatch[]; remarks: readonly string[] };

/** The notes of all agents, and how they are found by words. The index follows the files: every search first looks at what may have changed. */
export class MemoryNotes {
  readonly #files: NoteFiles;
  readonly #openIndex: MemoryNotesOptions["openIndex"];
  readonly #clock: MemoryNotesOptions["clock"];
  readonly #agents = new Map<AgentId, AgentNotes>();
  readonly #embedder: Embedder | null;
  readonly #searchSettings: () => { maxResults: number; minScore: number };
  readonly #stopped = new AbortController();

  constructor({ files, openIndex, clock, embedder, searchSettings }: MemoryNotesOptions) {
    this.#files = new NoteFiles(files, clock.now);
    this.#openIndex = openIndex;
    this.#clock = clock;
    this.#embedder = embedder ?? null;
    this.#searchSettings = searchSettings ?? (() => SEARCH_DEFAULTS);
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** The parts of notes that match a query, the best first. Waits for notes that are being indexed, but not for long. */
  async search(query: string, wanted: number | null, owner: NoteOwner, signal: AbortSignal): Promise<NoteSearch> {
    const agent = this.#agentOf(owner);
    let isCurrent = await this.#refreshWithin(agent, owner, signal);
    let answer = agent.index.search(query, TOOL_LIMITS.rankedNotes);
    if (agent.generation !== agent.index.generation) {
      // It was damaged, and is empty now.
      isCurrent = await this.#refreshWithin(agent, owner, signal);
      answer = agent.index.search(query, TOOL_LIMITS.rankedNotes);
    }
    const { maxResults, minScore } = this.#searchSettings();
    const meant = await this.#searchByMeaning(agent, query, owner, signal);
    const isByMeaning = meant !== null && meant.matches.length > 0;
    const matches = isByMeaning ? mergeMatches(answer.matches, meant.matches, minScore) : answer.matches;
    const isAll = answer.isAll || isByMeaning;
    const best = rankNotes(matches, this.#clock.now()).slice(0, wanted ?? maxResults);
    const byId = new Map(best.map((match) => [match.id, match]));
    const chunks = agent.index.read(best.map(({ id }) => id));
    return {
      found: chunks.map(({ id, ...chunk }) => ({ ...chunk, path: byId.get(id)!.path, score: byId.get(id)!.score })),
      isAll,
      notes: [
        ...(isCurrent ? [] : ["Notes are still being indexed: search again for what they have."]),
        ...(meant?.remarks ?? []),
        ...problemsOf(agent),
      ],
    };
  }

  /** The text of a note; null when there is none. */
  read(path: string, owner: NoteOwner): Promise<{ text: string; isCut: boolean } | null> {
    return this.#files.read(path, permitOf(owner));
  }

  /** Brings the index up to date. `again`: from nothing. */
  async index(owner: NoteOwner, { again }: { again: boolean }): Promise<NoteStatus> {
    const agent = this.#agentOf(owner);
    await agent.refreshing;
    if (again) agent.index.clear();
    agent.scannedAt = -Infinity;
    await this.#refresh(agent, owner);
    const settings = this.#embedder?.settings() ?? null;
    // What went wrong is part of the status.
    if (settings !== null && !("problem" in settings)) await this.#embedMissing(agent, settings, owner, true).catch(() => {});
    return this.#toStatus(agent);
  }

  /** Whether the server of the embedding model answers; null: none is configured. */
  async probe(owner: NoteOwner, signal: AbortSignal): Promise<{ ok: boolean; error?: string } | null> {
    const settings = this.#embedder?.settings() ?? null;
    if (settings === null) return null;
    if ("problem" in settings) return { ok: false, error: settings.problem };
    try {
      await this.#embedder!.embed(settings, ["ping"], { owner, signal, isAsked: true });
      return { ok: true };
    } catch (err) {
      return { ok: false, error: reasonOf(err) };
    }
  }

  async status(owner: NoteOwner): Promise<NoteStatus> {
    const agent = this.#agentOf(owner);
    this.#followIndex(agent);
    const scan = await this.#files.scan(permitOf(owner));
    const { changed, removed } = compare(agent.indexed, scan.notes);
    return { ...this.#toStatus(agent), waiting: changed.length + removed.length, problems: [...scan.problems, ...agent.unread.values()] };
  }

  /** Removes the index of an agent that is deleted; its notes stay where they are. */
  async forget(agentId: AgentId): Promise<void> {
    const known = this.#agents.get(agentId);
    await known?.refreshing;
    await known?.embedding?.catch(() => {});
    this.#agents.delete(agentId);
    (known?.index ?? this.#openIndex(agentId)).clear();
  }

  /** Ends indexing and closes the files. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const { refreshing, embedding, index } of this.#agents.values()) {
      await refreshing;
      await embedding?.catch(() => {});
      index.close();
    }
  }

  #toStatus(agent: AgentNotes): NoteStatus {
    const { workspace, index, waiting } = agent;
    return { workspace, ...index.count(), waiting, problems: problemsOf(agent), embeddings: this.#toEmbeddings(index) };
  }

  #toEmbeddings(index: MemoryIndex): NoteEmbeddings | null {
    const settings = this.#embedder?.settings() ?? null;
    if (settings === null) return null;
    if ("problem" in settings) return { provider: "", model: "", chunks: 0, waiting: 0, problem: settings.problem };
    index.useVectorsOf(settings.fingerprint);
    const chunks = index.countVectors();
    const { provider, model } = settings;
    return { provider, model, chunks, waiting: index.count().chunks - chunks, problem: this.#embedder!.problem(settings) };
  }

  /** Null: it is off. Words alone count where it cannot be done now, and a remark says so. */
  async #searchByMeaning(agent: AgentNotes, query: string, owner: NoteOwner, signal: AbortSignal): Promise<ByMeaning | null> {
    const settings = this.#embedder?.settings() ?? null;
    if (settings === null) return null;
    if ("problem" in settings) return byWordsOnly(settings.problem);
    try {
      const isComplete = await this.#embedWithin(agent, settings, owner, signal);
      const late = new Error(`${settings.provider} gave no vector within ${TOOL_LIMITS.vectorWaitMs / 1_000} s`);
      const asking = this.#embedder!.embed(settings, [query], { owner, signal });
      const [vector] = await withTimeout(this.#clock, TOOL_LIMITS.vectorWaitMs, asking, () => late);
      const matches = await this.#findAlike(agent, vector!);
      return { matches, remarks: isComplete ? [] : ["Some notes are compared by words only, until their vectors are here."] };
    } catch (err) {
      if (signal.aborted) throw err;
      return byWordsOnly(`${settings.provider}: ${reasonOf(err)}`);
    }
  }

  /** False: some notes have no vectors yet; these are made in the background. */
  async #embedWithin(agent: AgentNotes, settings: EmbeddingSettings, owner: NoteOwner, signal: AbortSignal): Promise<boolean> {
    const late = new Error("notes are still being compared");
    try {
      const making = this.#embedMissing(agent, settings, owner, false);
      await abortable(
        withTimeout(this.#clock, TOOL_LIMITS.vectorWaitMs, making, () => late),
        signal,
      );
      return true;
    } catch (err) {
      if (err === late) return false;
      throw err;
    }
  }

  /** One at a time for each agent; what fails is tried again with a later search. */
  #embedMissing(agent: AgentNotes, settings: EmbeddingSettings, owner: NoteOwner, isAsked: boolean): Promise<void> {
    if (agent.embedding !== null) return agent.embedding;
    const embedding = this.#embedNow(agent, settings, owner, isAsked).finally(() => (agent.embedding = null));
    agent.embedding = embedding;
    embedding.catch(() => {});
    return embedding;
  }

  async #embedNow({ index }: AgentNotes, settings: EmbeddingSettings, owner: NoteOwner, isAsked: boolean): Promise<void> {
    const { signal } = this.#stopped;
    while (!this.#isStopped) {
      index.useVectorsOf(settings.fingerprint);
      const chunks = index.withoutVector(TOOL_LIMITS.embeddingTexts);
      if (chunks.length === 0) return;
      const texts = chunks.map(({ path, text }) => `${path}\n${text}`);
      const vectors = await this.#embedder!.embed(settings, texts, { owner, signal, isAsked });
      if (this.#isStopped) return;
      const current = this.#embedder!.settings();
      if (current === null || "problem" in current || current.fingerprint !== settings.fingerprint) return;
      index.addVectors(chunks.map(({ id }, at) => ({ id, vector: vectors[at]! })));
      await nextTurn();
    }
  }

  /** The parts of notes that are most like a vector, compared in batches with the other work of the process between them. */
  async #findAlike({ index }: AgentNotes, wanted: Float32Array): Promise<readonly NoteMatch[]> {
    let best: NoteMatch[] = [];
    for (let after = 0; ;) {
      const rows = index.vectors(after, TOOL_LIMITS.vectorBatch);
      const scored = rows.map(({ id, path, vector }) => ({ id, path, score: likeness(wanted, vector) }));
      best = [...best, ...scored].toSorted((a, b) => b.score - a.score).slice(0, TOOL_LIMITS.likeNotes);
      if (rows.length < TOOL_LIMITS.vectorBatch || this.#isStopped) return best;
      after = rows.at(-1)!.id;
      await nextTurn();
    }
  }

  #agentOf({ agentId, workspace }: NoteOwner): AgentNotes {
    const known = this.#agents.get(agentId);
    if (known?.workspace === workspace) return known;
    const index = known?.index ?? this.#openIndex(agentId);
    const agent: AgentNotes = {
      workspace,
      index,
      generation: -1,
      indexed: new Map(),
      scan: null,
      recent: [],
      scannedAt: -Infinity,
      waiting: 0,
      unread: new Map(),
      refreshing: known?.refreshing ?? null,
      embedding: known?.embedding ?? null,
    };
    this.#agents.set(agentId, agent);
    return agent;
  }

  /** False: some notes are not indexed yet. */
  async #refreshWithin(agent: AgentNotes, owner: NoteOwner, signal: AbortSignal): Promise<boolean> {
    const late = new Error("notes are still being indexed");
    try {
      await abortable(
        withTimeout(this.#clock, TOOL_LIMITS.noteIndexMs, this.#refresh(agent, owner), () => late),
        signal,
      );
      return true;
    } catch (err) {
      if (err === late) return false;
      throw err;
    }
  }

  /** One at a time; a call during one waits for it and looks again. */
  async #refresh(agent: AgentNotes, owner: NoteOwner): Promise<void> {
    while (agent.refreshing !== null) await agent.refreshing;
    const refreshing = this.#refreshNow(agent, owner);
    // A call that waits for it looks again, and meets what failed.
    agent.refreshing = refreshing.catch(() => {}).finally(() => (agent.refreshing = null));
    await refreshing;
  }

  async #refreshNow(agent: AgentNotes, owner: NoteOwner): Promise<void> {
    this.#followIndex(agent);
    const permit = permitOf(owner);
    const isDue = agent.scan === null || this.#clock.monotonic() - agent.scannedAt >= TOOL_LIMITS.noteScanMs;
    if (!isDue && !(await this.#files.hasChanged(agent.scan!, agent.recent, permit))) return;
    const startedAt = this.#clock.monotonic();
    const scan = await this.#files.scan(permit);
    const { changed, removed } = compare(agent.indexed, scan.notes);
    agent.waiting = changed.length;
    if (removed.length > 0) this.#update(agent, [], removed);
    await this.#indexNotes(agent, changed, permit);
    if (this.#isStopped) return;
    Object.assign(agent, { scan, scannedAt: startedAt, recent: newestOf(scan) });
  }

  /** What an index knows that was just opened, or made again. */
  #followIndex(agent: AgentNotes): void {
    const notes = agent.generation === agent.index.generation ? null : agent.index.notes();
    if (notes === null) return;
    agent.generation = agent.index.generation;
    agent.indexed = new Map(notes.map((note) => [note.path, note]));
    agent.scan = null;
  }

  /** In batches, with the other work of the process between them; the oldest first, because what is indexed last is ranked first. */
  async #indexNotes(agent: AgentNotes, changed: readonly IndexedNote[], permit: FilePermit): Promise<void> {
    let batch: { note: IndexedNote; chunks: readonly NoteChunk[] }[] = [];
    let chars = 0;
    const store = async (): Promise<void> => {
      this.#update(agent, batch, []);
      agent.waiting -= batch.length;
      [batch, chars] = [[], 0];
      await nextTurn();
    };
    for (const { path } of changed.toSorted((a, b) => a.changedAt - b.changedAt)) {
      if (this.#isStopped) return;
      const change = await this.#readChange(agent, path, permit);
      if (change === null) continue;
      batch.push(change);
      chars += change.chunks.reduce((sum, { text }) => sum + text.length, 0);
      if (chars >= TOOL_LIMITS.noteBatchChars) await store();
    }
    await store();
  }

  /** Null for a note that is gone, which the next scan notices, and for one that cannot be read, which is reported. */
  async #readChange(agent: AgentNotes, path: string, permit: FilePermit) {
    try {
      const read = await this.#files.read(path, permit);
      agent.unread.delete(path);
      if (read?.isCut === true) agent.unread.set(path, `Of ${path} only the first ${TOOL_LIMITS.noteBytes} bytes are searched.`);
      return read && { note: read.note, chunks: toChunks(read.text) };
    } catch (err) {
      agent.unread.set(path, `The note ${path} is not searched: ${fileProblemOf(err)}.`);
      return null;
    }
  }

  #update(agent: AgentNotes, changes: Parameters<MemoryIndex["update"]>[0], removed: readonly string[]): void {
    if (changes.length + removed.length === 0) return;
    agent.index.update(changes, removed);
    for (const path of removed) {
      agent.indexed.delete(path);
      agent.unread.delete(path);
    }
    for (const { note } of changes) agent.indexed.set(note.path, note);
  }
}

/** What is allowed for the notes themselves: the workspace, whatever a call may use beside it. */
const permitOf = ({ agentId, workspace }: NoteOwner): FilePermit => ({
  workspace,
  outside: [],
  caller: { agentId, surface: "operator" },
});

const byWordsOnly = (cause: string): ByMeaning => ({ matches: [], remarks: [`Notes were searched by words only: ${cause}.`] });

const PROBLEMS = 3;
const problemsOf = ({ scan, unread }: AgentNotes): readonly string[] => {
  const all = [...(scan?.problems ?? []), ...unread.values()];
  return all.length <= PROBLEMS ? all : [...all.slice(0, PROBLEMS), `${all.length - PROBLEMS} more notes are not searched.`];
};

const newestOf = ({ notes }: NoteScan): readonly IndexedNote[] =>
  [...notes.values()].toSorted((a, b) => b.changedAt - a.changedAt).slice(0, TOOL_LIMITS.recentNotes);

/** What differs between the index and the files. Pure. */
function compare(indexed: ReadonlyMap<string, IndexedNote>, notes: ReadonlyMap<string, IndexedNote>) {
  return {
    changed: [...notes.values()].filter((note) => indexed.get(note.path)?.stamp !== note.stamp),
    removed: [...indexed.keys()].filter((path) => !notes.has(path)),
  };
}
