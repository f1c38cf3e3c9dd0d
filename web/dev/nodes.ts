/** Invented nodes for the scripted gateway. */
type Params = Record<string, unknown>;

const PHONE = {
  nodeId: "a1".repeat(32),
  displayName: "Ann's phone",
  platform: "iOS 19.2",
  modelIdentifier: "iPhone18,1",
  version: "2026.9.6",
  commands: ["camera.list", "location.get", "system.notify"],
  connected: true,
  approvalState: "approved",
};
const ATTIC = {
  nodeId: "b2".repeat(32),
  displayName: "attic",
  platform: "linux",
  version: "0.1.0",
  commands: [],
  approvalState: "pending-approval",
  connected: true,
};
const REQUEST = {
  requestId: "6b1f0c1a-0000-4000-8000-000000000001",
  nodeId: ATTIC.nodeId,
  displayName: "attic",
  platform: "linux",
  remoteIp: "192.0.2.7",
  commands: ["system.run", "system.run.prepare", "system.which", "file.fetch", "file.write"],
  summary: ["run programs", "find programs", "read and write files"],
};

export class ScriptedNodes {
  #madeAt: number | null = null;
  #isApproved = false;

  reset(): void {
    this.#madeAt = null;
    this.#isApproved = false;
  }

  fill(now: number): void {
    this.#madeAt = now;
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    const now = this.#madeAt;
    const attic = this.#isApproved ? { ...ATTIC, approvalState: "approved", commands: REQUEST.commands } : ATTIC;
    const nodes = now === null ? [] : [{ ...PHONE, lastSeenAtMs: now, connectedAtMs: now }, attic];
    if (method === "node.list") return { ts: now ?? 0, nodes };
    if (method === "node.pair.list")
      return { pending: now === null || this.#isApproved ? [] : [{ ...REQUEST, ts: now - 60_000 }], paired: [] };
    if (method === "node.describe") return { ...nodes.find(({ nodeId }) => nodeId === params["nodeId"]), ...toDetails(now ?? 0) };
    if (method !== "node.pair.approve" && method !== "node.pair.reject" && method !== "node.pair.remove") return undefined;
    this.#isApproved ||= method === "node.pair.approve";
    return { requestId: params["requestId"] };
  }
}

const toDetails = (now: number): Params => ({
  commandDecisions: [
    { command: "camera.list", allowed: true, text: "allowed" },
    {
      command: "camera.snap",
      allowed: false,
      text: "it acts on a person's device or reads private data: it has to be named in gateway.nodes.commands.allow",
    },
    { command: "location.get", allowed: true, text: "allowed" },
  ],
  recentInvocations: [{ id: "1", command: "location.get", state: "done", askedBy: "agent main", createdAtMs: now - 120_000 }],
});
