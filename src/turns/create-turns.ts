import { containedClock } from "./contained-clock.ts";
import { MessageAdmission, type MessageAdmissionDeps } from "./admission.ts";
import { SessionLanes, type SessionLanesDeps } from "./lanes.ts";
import { Outbound, type OutboundDeps } from "./outbound.ts";
import { TurnRunner } from "./runner.ts";
import type { RunningTurnDeps } from "./running-turn.ts";
import { RunRegistry, type RunRegistryDeps } from "./runs.ts";
import { SlotWaits, type SlotWaitsDeps } from "./slot-waits.ts";
import { Stages } from "./stages.ts";
import { Steering, type SteeringDeps } from "./steering.ts";
import type { Transcript, TranscriptDeps } from "./transcript.ts";
import { createRetryingWrite } from "./write-with-retry.ts";

/** The parts of this module that admit, order and run messages. */
export type Turns = {
  readonly admission: MessageAdmission;
  readonly lanes: SessionLanes;
  readonly runs: RunRegistry;
  readonly stages: Stages;
  readonly transcript: Transcript;
  readonly outbound: Outbound;
};

/** What is created here and is not passed in. */
type Created = Exclude<keyof Turns, "transcript"> | "runner" | "steering" | "slotWaits" | "stages" | "write" | "stopping";

export type TurnsDeps = Omit<
  RunRegistryDeps &
    TranscriptDeps &
    OutboundDeps &
    SlotWaitsDeps &
    SteeringDeps &
    RunningTurnDeps &
    SessionLanesDeps &
    MessageAdmissionDeps,
  Created
>;

/** Builds the parts in the order in which they depend on each other. */
export function createTurns(options: TurnsDeps): Turns {
  const clock = containedClock(options.clock, options.log);
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  const write = createRetryingWrite({ ...options, clock, isStopping }, "a turn waits for the store");
  const base = { ...options, clock, stopping, write };
  const stages = new Stages(base);
  const runs = new RunRegistry({ ...base, stages });
  const outbound = new Outbound(base);
  const shared = { ...base, stages, runs, outbound };
  const runner = new TurnRunner(shared);
  const steering = new Steering(shared);
  const slotWaits = new SlotWaits(shared);
  const lanes = new SessionLanes({ ...shared, runner, steering, slotWaits });
  const admission = new MessageAdmission({ ...shared, lanes });
  return { admission, lanes, runs, stages, transcript: options.transcript, outbound };
}
