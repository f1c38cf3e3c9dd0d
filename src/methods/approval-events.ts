import type { ApprovalEvents } from "../approvals/approvals.ts";
import type { Bus } from "../core/bus.ts";
import type { Hub } from "../protocol/hub.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { toRequestedEvent, toResolvedEvent, toSnapshot } from "./approval-shapes.ts";

const APPROVALS = "operator.approvals";
/** Watched by those who asked for the questions of one session. */
export const approvalsTopic = (sessionKey: string): string => `approvals:${sessionKey}`;

/** Tells clients with the scope for it about questions and their ends. Returns the function that stops it. */
export function startApprovalEvents({ bus, hub }: { bus: Bus<ApprovalEvents>; hub: Hub }): () => void {
  const inSession = (phase: "pending" | "terminal", approval: ApprovalRow): void => {
    const { sessionKey } = approval;
    // A program may ask outside of every session.
    if (sessionKey === "") return;
    const topics = [approvalsTopic(sessionKey)];
    hub.publish("session.approval", { sessionKey, phase, approval: toSnapshot(approval) }, { scope: APPROVALS, topics });
  };
  const stops = [
    bus.on("approval.requested", ({ approval }) => {
      hub.publish(`${approval.kind}.approval.requested`, toRequestedEvent(approval), { scope: APPROVALS });
      inSession("pending", approval);
    }),
    bus.on("approval.ended", ({ approval }) => {
      hub.publish(`${approval.kind}.approval.resolved`, toResolvedEvent(approval), { scope: APPROVALS });
      inSession("terminal", approval);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
