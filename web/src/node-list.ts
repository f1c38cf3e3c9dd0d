/** The nodes of the gateway, as `node.list`, `node.describe` and `node.pair.list` say it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type NodeRow = {
  nodeId: string;
  displayName?: string;
  platform?: string;
  version?: string;
  modelIdentifier?: string;
  commands: readonly string[];
  connected: boolean;
  approvalState: string;
  pendingRequestId?: string;
  connectedAtMs?: number;
  lastSeenAtMs?: number;
};

export type CommandDecision = { command: string; allowed: boolean; text: string };
export type NodeRun = { id: string; command: string; state: string; askedBy: string; createdAtMs: number; error?: { message: string } };
export type NodeDetails = NodeRow & { commandDecisions: readonly CommandDecision[]; recentInvocations: readonly NodeRun[] };

export type NodeRequest = {
  requestId: string;
  nodeId: string;
  displayName?: string;
  platform?: string;
  remoteIp?: string;
  commands: readonly string[];
  summary?: readonly string[];
  isRepair?: boolean;
  ts?: number;
};

type Answer = { nodes: readonly NodeRow[]; requests: readonly NodeRequest[] };

const answer = signal<Answer | null>(null);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The node or request that is being changed. */
export const busy = signal<string | null>(null);
/** What is known of the nodes that were opened, by id. */
export const details = signal<ReadonlyMap<string, NodeDetails>>(new Map());

export const nodes = computed(() => answer.value?.nodes ?? null);
export const requests = computed(() => answer.value?.requests ?? []);

/** The name that people know a node by. Pure. */
export const nameOf = ({ displayName, nodeId }: Pick<NodeRow, "displayName" | "nodeId">): string => displayName ?? nodeId.slice(0, 8);

/** What people see of the state of a node. Pure. */
export function stateText({ connected, approvalState }: Pick<NodeRow, "connected" | "approvalState">): string {
  if (approvalState.startsWith("pending")) return "Waits for approval";
  if (approvalState === "unapproved") return "Not approved";
  return connected ? "Connected" : "Not connected";
}

/** The system of a node in one line. Pure. */
export const systemText = ({ platform, modelIdentifier, version }: Pick<NodeRow, "platform" | "modelIdentifier" | "version">): string =>
  [platform, modelIdentifier, version].filter((each) => each !== undefined && each !== "").join(", ");

/** What a node would be allowed, as a sentence. Pure. */
export function requestText({ summary = [], isRepair }: Pick<NodeRequest, "summary" | "isRepair">): string {
  if (summary.length === 0) return "It offers nothing that could be allowed.";
  return `It could ${summary.join(", ")}.${isRepair === true ? " It offers more than was approved before." : ""}`;
}

let latest = 0;

/** Reads the nodes and the requests. Never throws: `failed` says why there is nothing newer. */
export async function loadNodes(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const [list, pairing] = await Promise.all([
      client.request<{ nodes: readonly NodeRow[] }>("node.list", {}),
      store.mayPair.value ? client.request<{ pending: readonly NodeRequest[] }>("node.pair.list", {}) : { pending: [] },
    ]);
    if (mine !== latest) return;
    answer.value = { nodes: list.nodes, requests: pairing.pending };
    failed.value = null;
    await Promise.all([...details.value.keys()].filter((id) => list.nodes.some(({ nodeId }) => nodeId === id)).map(loadDetails));
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Reads what is known of one node. */
export async function loadDetails(nodeId: string): Promise<void> {
  try {
    const node = await requireClient().request<NodeDetails>("node.describe", { nodeId });
    details.value = new Map([...details.value, [nodeId, node]]);
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

async function change(id: string, work: () => Promise<unknown>): Promise<void> {
  busy.value = id;
  try {
    await work();
    await loadNodes();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = null;
}

export const approve = ({ requestId }: NodeRequest): Promise<void> =>
  change(requestId, () => requireClient().request("node.pair.approve", { requestId }));

export const reject = ({ requestId }: NodeRequest): Promise<void> =>
  change(requestId, () => requireClient().request("node.pair.reject", { requestId }));

export const remove = ({ nodeId }: NodeRow): Promise<void> => change(nodeId, () => requireClient().request("node.pair.remove", { nodeId }));
