import { createHash } from "node:crypto";
import type { ResolvedHeartbeat } from "../config/heartbeat.ts";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../store/open.ts";
import { nextDue } from "./due-times.ts";
import { heartbeatJobId } from "./heartbeat-id.ts";
import { nextAtOf, type Job, type JobDefinition, type JobRows, type JobState } from "./job.ts";

export type HeartbeatJobsDeps = { rows: JobRows; store: Pick<Store, "write">; clock: Clock };

const isHeartbeat = ({ definition }: Job): boolean => definition.payload.kind === "heartbeat";

/** Changes whenever something of the configuration of a heartbeat changes. */
const fingerprintOf = (heartbeat: ResolvedHeartbeat): string =>
  createHash("sha256").update(JSON.stringify(heartbeat)).digest("base64url").slice(0, 16);

function toDefinition(heartbeat: ResolvedHeartbeat, known: JobDefinition | undefined, now: number): JobDefinition {
  const { agentId, everyMs, activeHours } = heartbeat;
  const before = known?.schedule.kind === "every" && known.schedule.everyMs === everyMs ? known.schedule.anchorMs : now;
  return {
    name: `heartbeat-${agentId}`,
    displayName: `Heartbeat (${agentId})`,
    description: `fingerprint ${fingerprintOf(heartbeat)}`,
    agentId,
    createdAtMs: known?.createdAtMs ?? now,
    schedule: { kind: "every", everyMs, anchorMs: before, ...(activeHours && { activeHours }) },
    sessionTarget: "main",
    wakeMode: "next-heartbeat",
    payload: { kind: "heartbeat" },
    // A heartbeat that was missed says nothing that the next one does not say.
    missed: { policy: "skip" },
    overlap: "skip",
    maxRetries: 0,
    grant: { by: "operator" },
  };
}

/** The state of a heartbeat that begins again. Pure. */
function toFreshState({ schedule }: JobDefinition, id: string, now: number, before?: JobState): JobState {
  const { emptyRuns: _runs, pausedAtMs: _paused, autoDisabled: _disabled, retry: _retry, ...kept } = before ?? {};
  return {
    ...kept,
    nextDueMs: nextDue(schedule, now, id),
    scheduleActivatedAtMs: now,
    consecutiveErrors: 0,
    consecutiveSkipped: 0,
  };
}

/** Makes the jobs of heartbeats those of the configuration. A change of it ends a pause; a start changes nothing. */
export async function syncHeartbeats({ rows, store, clock }: HeartbeatJobsDeps, wanted: readonly ResolvedHeartbeat[]): Promise<void> {
  const ids = new Set(wanted.map(({ agentId }) => heartbeatJobId(agentId)));
  const now = clock.now();
  const changes = wanted.flatMap((heartbeat): Job[] => {
    const id = heartbeatJobId(heartbeat.agentId);
    const known = rows.job(id);
    const definition = toDefinition(heartbeat, known?.definition, now);
    if (known && JSON.stringify(known.definition) === JSON.stringify(definition)) return [];
    const state = toFreshState(definition, id, now, known?.state);
    const enabled = known === undefined || known.enabled || known.state.autoDisabled !== undefined;
    return [{ id, enabled, definition, state, nextAt: nextAtOf(state), updatedAt: now }];
  });
  const gone = rows.jobs().filter((job) => isHeartbeat(job) && !ids.has(job.id));
  if (changes.length === 0 && gone.length === 0) return;
  await store.write(() => {
    for (const job of changes) rows.saveJob(job);
    for (const { id } of gone) rows.removeJob(id);
  });
}

/** Ends every pause, and enables what was disabled. */
export async function resumeHeartbeats({ rows, store, clock }: HeartbeatJobsDeps): Promise<void> {
  const now = clock.now();
  const stopped = rows.jobs().filter((job) => isHeartbeat(job) && (!job.enabled || job.state.pausedAtMs !== undefined));
  if (stopped.length === 0) return;
  await store.write(() => {
    for (const job of stopped) {
      const state = toFreshState(job.definition, job.id, now, job.state);
      rows.saveJob({ ...job, enabled: true, state, nextAt: nextAtOf(state), updatedAt: now });
    }
  });
}
