import type { Clock } from "../core/clock.ts";
import type { Message, MessageBody } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import type { RunRef } from "./events.ts";
import type { Transcript } from "./transcript.ts";
import type { TurnAudit } from "./turn-audit.ts";

type TurnJournalDeps = { store: Store; sessions: Sessions; transcript: Transcript; clock: Clock; newId: () => string };

/** Where rows are added, which of them is the answer, and the time of their transaction. */
type Addition = { session: SessionRow | undefined; answerIndex: number; now: number };

/** Stores the complete messages of one turn, each once and in order. */
export class TurnJournal {
  readonly #deps: TurnJournalDeps;
  readonly #ref: RunRef;
  readonly #audit: TurnAudit;
  #stored = 0;
  #pending: Promise<unknown> = Promise.resolve();

  constructor(deps: TurnJournalDeps, ref: RunRef, audit: TurnAudit) {
    this.#deps = deps;
    this.#ref = ref;
    this.#audit = audit;
  }

  /** Stores `rows`, as far as they are not on disk, and `change` in one transaction, after all earlier calls. */
  save(rows: () => readonly MessageBody[], change: () => void): Promise<void> {
    const saved = this.#pending.then(() => this.#save(rows(), change));
    this.#pending = saved.catch(() => undefined);
    return saved;
  }

  async #save(rows: readonly MessageBody[], change: () => void): Promise<void> {
    const { clock, store, sessions, transcript } = this.#deps;
    const added = await store.write(() => {
      const messages = this.#add(rows, { session: sessions.get(this.#ref.sessionKey), answerIndex: -1, now: clock.now() });
      change();
      return messages;
    });
    this.#stored = Math.max(this.#stored, rows.length);
    for (const message of added) transcript.emitAdded(message, "message");
  }

  /** Resolves when nothing is being stored. */
  async settled(): Promise<void> {
    await this.#pending;
  }

  /** Adds the rest of a turn's messages; inside a `store.write`, which may be repeated. One of them is the run's answer. */
  addFinal(rows: readonly MessageBody[], session: SessionRow | undefined, now: number): Message[] {
    return this.#add(rows, { session, answerIndex: lastAssistantIndex(rows), now });
  }

  #add(rows: readonly MessageBody[], { session, answerIndex, now }: Addition): Message[] {
    if (!session) return [];
    const { newId, transcript } = this.#deps;
    const { runId } = this.#ref;
    const unstored = rows.slice(this.#stored);
    for (const body of unstored) if (body.role === "toolResult") this.#audit.addResult(body, session.session_id, now);
    return unstored.map((body, index) =>
      transcript.add({
        id: newId(),
        sessionKey: session.key,
        sessionId: session.session_id,
        runId,
        idempotencyKey: this.#stored + index === answerIndex ? `${runId}:assistant` : null,
        at: now,
        body,
      }),
    );
  }
}

/** The row that counts as the answer: what the agent said, or else what the gateway said for it. */
function lastAssistantIndex(rows: readonly MessageBody[]): number {
  const own = rows.findLastIndex((row) => row.role === "assistant" && row.origin === undefined);
  return own === -1 ? rows.findLastIndex((row) => row.role === "assistant") : own;
}
