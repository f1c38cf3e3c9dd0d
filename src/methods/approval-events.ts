import type { ApprovalEvents } from "../approvals/approvals.ts";
import type { Bus } from "../core/bus.ts";
import type { Hub } from "../protocol/hub.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { toRequestedEvent, toResolvedEvent, toSnapshot } from "./approvals.ts";

const APPROVALS = "operator.approvals";
/** Watched by those who asked for the questions of one session. */
export const approvalsTopic = (sessionKey: string): string => `approvals:${sessionKey}`;

/** Tells clients with the scope for it about questions and their ends. Returns the function that stops it. */
export function startApprovalEvents({ bus, hub }: { bus: Bus<ApprovalEvents>; hub: Hub }): () => void {
  const inSession = (phase: "pending" | "terminal", approval: ApprovalRow): void =>
    hub.publish(
      "session.approval",
      { sessionKey: approval.sessionKey, phase, approval: toSnapshot(approval) },
      { scope: APPROVALS, topics: [approvalsTopic(approval.sessionKey)] },
    );
  const stops = [
    bus.on("approval.requested", ({ approval }) => {
      hub.publish("exec.approval.requested", toRequestedEvent(approval), { scope: APPROVALS });
      inSession("pending", approval);
    }),
    bus.on("approval.ended", ({ approval }) => {
      hub.publish("exec.approval.resolved", toResolvedEvent(approval), { scope: APPROVALS });
      inSession("terminal", approval);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
