import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AllowlistDocument } from "../../src/approvals/allowlist.ts";
import { startApprovalEvents } from "../../src/methods/approval-events.ts";
import { approvalMethods } from "../../src/methods/approvals.ts";
import type { ApprovalRow } from "../../src/store/approvals.ts";
import { silentLog } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { Secret } from "../../src/core/secret.ts";
import type { MethodParams, MethodTable } from "../../src/protocol/method.ts";
import { ClientHub } from "../../src/server/hub.ts";
import { openStore } from "../../src/store/open.ts";
import { startServerBench, TOKEN } from "../server-bench.ts";
import { startStoreHolder } from "./gateway-process.ts";
import { callerOf } from "./method-bench.ts";
import { openApprovals, questionOf, type TestApprovals } from "./test-approvals.ts";

export type ApprovalsBench = TestApprovals & {
  /** A state directory whose gateway is this one. */
  state: string;
  /** Asks a question; it waits when the promise resolves. */
  ask: (command: string, more?: Parameters<typeof questionOf>[1]) => Promise<{ id: string; ended: Promise<ApprovalRow> }>;
  /** Asks as another program does. */
  askPlugin: (params: MethodParams<"plugin.approval.request">) => { ended: Promise<Record<string, unknown>> };
  /** Replaces the document about commands, as someone else does. */
  replace: (document: AllowlistDocument) => Promise<void>;
  /** Called when a client has read the document. */
  onRead: () => Promise<void>;
  stop: () => Promise<void>;
};

/** A server with the real methods and events about commands, for the command line. */
export async function startApprovalsBench(more: MethodTable = {}): Promise<ApprovalsBench> {
  const state = mkdtempSync(join(tmpdir(), "openclaw-approvals-"));
  mkdirSync(join(state, "gateway"));
  mkdirSync(join(state, "store"));
  const store = openStore({ dir: join(state, "store"), log: silentLog });
  const parts = openApprovals(store);
  const hub = new ClientHub(silentMetrics);
  const stopEvents = startApprovalEvents({ bus: parts.bus, hub });
  const methods = approvalMethods({
    ...parts,
    write: (change) => store.write(change),
    workspaces: () => [{ agentId: "main", path: join(state, "workspace") }],
    hub,
    activeRun: () => null,
  });
  const read: MethodTable = {
    "exec.approvals.get": {
      scope: "operator.admin",
      run: async () => {
        const answer = methods["exec.approvals.get"].run();
        await bench.onRead();
        return answer;
      },
    },
  };
  const room = await startServerBench({ methods: { ...methods, ...read, ...more }, deps: { identityKey: new Secret("key"), hub } });
  writeFileSync(join(state, "gateway/token"), TOKEN);
  const owner = { pid: startStoreHolder(state), port: room.port, url: room.url, startedAt: 1, identityKey: "key" };
  writeFileSync(join(state, "gateway/owner.json"), JSON.stringify(owner));
  const bench: ApprovalsBench = {
    ...parts,
    state,
    replace: (document) => store.write(() => parts.allowlist.replace(document, undefined)),
    onRead: async () => {},
    ask: async (command, subject) => {
      const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
      const stop = parts.bus.on("approval.requested", ({ approval }) => resolve(approval));
      const ended = parts.approvals.ask(questionOf(command, subject), new AbortController().signal);
      const { id } = await promise;
      stop();
      return { id, ended };
    },
    askPlugin: (params) => ({ ended: methods["plugin.approval.request"].run(params, callerOf()) }),
    stop: async () => {
      stopEvents();
      await room.stop();
      store.close();
      rmSync(state, { recursive: true, force: true });
    },
  };
  return bench;
}
