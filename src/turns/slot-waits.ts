import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { Sessions } from "../store/sessions.ts";
import type { Lane } from "./lane.ts";
import type { TurnIndicators } from "./turn-indicators.ts";
import { conversationOf, type Outbound } from "./outbound.ts";
import { isSendDenied } from "./permissions.ts";
import { SLOT_WAIT_TEXT } from "./presentation.ts";
import type { Payload } from "./submission.ts";

export type SlotWaitsDeps = {
  store: Store;
  sessions: Sessions;
  inbox: Inbox;
  outbound: Outbound;
  clock: Clock;
  log: Log;
  deliver: (conversation: string) => void;
  live?: TurnIndicators;
};

type Wait = { runId: RunId; since: number; stop: () => void };

/**
 * The sessions whose next message could run and has no slot. Their people see the bot typing, and after LIMITS.waitNoticeAfterMs one line says
 * why nothing comes; operators see how many wait and for how long.
 */
export class SlotWaits {
  readonly #deps: SlotWaitsDeps;
  readonly #waits = new Map<SessionKey, Wait>();

  constructor(deps: SlotWaitsDeps) {
    this.#deps = deps;
  }

  /** The first message of a lane has to wait for a slot. Asked again for the same message, nothing changes. */
  begin(lane: Lane): void {
    const runId = lane.queue[0]?.runId;
    if (!runId || this.#waits.get(lane.key)?.runId === runId) return;
    this.#end(lane.key);
    const wait = { runId, since: this.#deps.clock.monotonic(), stop: () => {} };
    this.#waits.set(lane.key, wait);
    const row = this.#deps.inbox.byRun<Payload>(runId);
    if (row?.payload?.target) wait.stop = this.#show(row, row.payload);
  }

  /** The lane continues, or the waiting message is no longer its first. */
  settle(lane: Lane): void {
    const wait = this.#waits.get(lane.key);
    if (wait && (lane.active || lane.queue[0]?.runId !== wait.runId)) this.#end(lane.key);
  }

  stop(): void {
    for (const key of this.#waits.keys()) this.#end(key);
  }

  load(): { sessions: number; longestMs: number } {
    const now = this.#deps.clock.monotonic();
    const longest = Math.max(0, ...[...this.#waits.values()].map(({ since }) => now - since));
    return { sessions: this.#waits.size, longestMs: Math.round(longest) };
  }

  #end(key: SessionKey): void {
    this.#waits.get(key)?.stop();
    this.#waits.delete(key);
  }

  #show({ runId, sessionKey, agentId }: InboxRow<Payload>, { target, addressed }: Payload): () => void {
    const { clock, live, sessions, log } = this.#deps;
    if (!target || isSendDenied(sessions.get(sessionKey))) return () => {};
    const stopTyping = live?.waiting({ runId, agentId, target, addressed: addressed === true });
    const failed = (err: unknown): void => log.warn("the notice that a message waits could not be sent", { runId, cause: reasonOf(err) });
    const tell = contain(failed, async () => {
      // Talk that was not meant for the agent is not interrupted to say that the agent is late.
      if (target.chat.kind !== "direct" && addressed !== true) return;
      const { store, deliver, outbound } = this.#deps;
      await store.write(() => outbound.add({ id: `${runId}:slot`, sessionKey: null, target, text: SLOT_WAIT_TEXT, at: clock.now() }));
      deliver(conversationOf(target));
    });
    const cancel = clock.after(LIMITS.waitNoticeAfterMs, tell);
    return () => {
      cancel();
      stopTyping?.();
    };
  }
}
