import { randomUUID } from "node:crypto";
import { CommandAllowlist } from "../../src/approvals/allowlist.ts";
import { ApprovalGrants } from "../../src/approvals/grants.ts";
import { Approvals, type ApprovalEvents, type ApprovalQuestion } from "../../src/approvals/approvals.ts";
import { Bus } from "../../src/core/bus.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { asId } from "../../src/core/ids.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { createGrantRows } from "../../src/store/approval-grants.ts";
import { createApprovalRows } from "../../src/store/approvals.ts";
import { createKeyValueStore } from "../../src/store/key-value.ts";
import type { Store } from "../../src/store/open.ts";

export type TestApprovals = { approvals: Approvals; grants: ApprovalGrants; allowlist: CommandAllowlist; bus: Bus<ApprovalEvents> };

/** Questions to people over a real store. */
export function openApprovals(
  store: Store,
  options: { clock?: Clock; bus?: Bus<ApprovalEvents>; log?: Log; newId?: () => string; conversationOf?: () => string | null } = {},
): TestApprovals {
  const { clock = systemClock, log = silentLog, newId = randomUUID, conversationOf = () => "c1" } = options;
  const bus =
    options.bus ??
    new Bus<ApprovalEvents>((err) => {
      throw err;
    });
  const allowlist = new CommandAllowlist({ keyValue: createKeyValueStore(store), now: () => clock.now(), log });
  const write = <T>(change: () => T): Promise<T> => store.write(change);
  const rows = createApprovalRows(store);
  const metrics = silentMetrics;
  const grants = new ApprovalGrants({
    rows: createGrantRows(store),
    conversationOf,
    write,
    now: () => clock.now(),
    newId: randomUUID,
    log,
    metrics,
  });
  return {
    bus,
    allowlist,
    grants,
    approvals: new Approvals({ rows, allowlist, grants, write, bus, clock, log, metrics, newId }),
  };
}

/** A question about a command in the main session. */
export const questionOf = (commandText: string, more: Partial<ApprovalQuestion["subject"]> = {}): ApprovalQuestion => ({
  agentId: asId("main"),
  sessionKey: asId("agent:main:main"),
  runId: asId("r1"),
  callId: "c1",
  subject: {
    commandText,
    cwd: "/workspace",
    host: "gateway",
    resolvedPath: "/usr/bin/touch",
    warnings: [],
    patterns: [{ pattern: "/usr/bin/touch", argPattern: 'words:["{path}"]' }],
    ...more,
  },
  digest: "d",
});
