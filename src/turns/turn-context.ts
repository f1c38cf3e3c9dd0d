import type { RunId } from "../core/ids.ts";
import type { ActiveTurn } from "./lane.ts";
import type { RunRow } from "./submission.ts";

/** What a lane gives to the turn that runs in it. */
export type TurnContext = {
  /** The message that names the run. */
  row: RunRow;
  /** Messages that were collected into this turn, in order. */
  collected: readonly RunRow[];
  active: ActiveTurn;
  /** The runtime has the prompt: from now on messages can be handed in. */
  onPrompting(): void;
  /** Messages that wait behind this turn. */
  queuedRuns(): readonly RunId[];
};
