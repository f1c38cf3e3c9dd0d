import type { AgentRuntime } from "../agents/runtime.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Inbox } from "../store/inbox.ts";
import type { MediaStore } from "../store/media.ts";
import type { Store } from "../store/open.ts";
import type { Sessions } from "../store/sessions.ts";
import { isFromOperator, toAgentText } from "./agent-text.ts";
import { loadImages } from "./images.ts";
import type { ActiveTurn, Lane, QueuedMessage } from "./lane.ts";
import type { Payload } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import type { RetryingWrite } from "./write-with-retry.ts";

export type SteeringDeps = {
  store: Store;
  inbox: Inbox;
  sessions: Sessions;
  media: MediaStore;
  runtime: Pick<AgentRuntime, "steer">;
  transcript: Transcript;
  write: RetryingWrite;
  log: Log;
};

/** Hands waiting messages into running turns. */
export class Steering {
  readonly #deps: SteeringDeps;

  constructor(deps: SteeringDeps) {
    this.#deps = deps;
  }

  /**
   * Hands a message into the running turn of its lane; it stays first in the queue when the turn cannot take it. False when nothing was
   * tried, because the message is damaged: then nothing has changed. Never rejects.
   */
  async steer(lane: Lane, active: ActiveTurn, message: QueuedMessage): Promise<boolean> {
    const payload = this.#deps.inbox.byRun<Payload>(message.runId)?.payload;
    if (!payload) return false;
    active.isSteering = true;
    try {
      const taken = await this.#handIn(lane, active, message, payload);
      if (!taken) this.#returnToQueue(lane, active, message);
    } catch (err) {
      this.#deps.log.warn("a message could not be handed into the running turn", { runId: message.runId, cause: reasonOf(err) });
      this.#returnToQueue(lane, active, message);
    }
    active.isSteering = false;
    return true;
  }

  /** False when the runtime did not take the message; true also when nothing is left to do. */
  async #handIn(lane: Lane, active: ActiveTurn, message: QueuedMessage, payload: Payload): Promise<boolean> {
    const { store, inbox, runtime, media, write } = this.#deps;
    const { runId } = message;
    const into = active.runIds[0]!;
    // Written first: after a crash the message belongs to a run that is resumed or closed, never to both.
    await store.write(() => inbox.markSteered(runId, into));
    // Withdrawn meanwhile: its end is being written.
    if (!isQueued(lane, runId)) return true;
    if (!active.isPrompting) {
      // The end of the turn is being written, without this message.
      await write(() => inbox.returnToQueue(runId));
      message.mode = "followup";
      return true;
    }
    lane.queue = lane.queue.filter((each) => each.runId !== runId);
    active.steered.push(runId);
    if (message.committedAt !== undefined) active.committedAt.set(runId, message.committedAt);
    // Before the runtime has it: from here on the model may read it.
    active.grants.push(message.grant);
    return runtime.steer(lane.key, { runId, text: this.#textFor(lane.key, payload), images: await loadImages(media, payload.images) });
  }

  #textFor(sessionKey: SessionKey, payload: Payload): string {
    const { sessions, transcript } = this.#deps;
    return toAgentText(payload, isFromOperator(payload) && transcript.hasExternalSenders(sessions.get(sessionKey)));
  }

  /** The message waits for a turn of its own. What the end of the running turn has settled stays as it is. */
  #returnToQueue(lane: Lane, active: ActiveTurn, message: QueuedMessage): void {
    const { inbox, log, write } = this.#deps;
    const { runId } = message;
    const queued = lane.queue.find((each) => each.runId === runId);
    if (queued) queued.mode = "followup";
    if (!active.steered.includes(runId)) return;
    active.steered = active.steered.filter((each) => each !== runId);
    lane.queue.unshift({ ...message, mode: "followup" });
    const failed = (err: unknown): void => log.error("the gateway itself failed", { what: "to put a message back", error: err });
    contain(failed, () => write(() => inbox.returnToQueue(runId)))();
  }
}

const isQueued = (lane: Lane, runId: RunId): boolean => lane.queue.some((each) => each.runId === runId);
