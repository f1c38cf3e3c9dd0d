import { CliError, EXIT } from "../core/errors.ts";
import { parseDurationMs } from "../config/quantity.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, plural, sanitizeLine } from "./terminal-text.ts";

/** What is read of a node of the protocol. */
export type NodeView = {
  nodeId: string;
  displayName?: string;
  platform?: string;
  version?: string;
  caps: string[];
  commands: string[];
  connected: boolean;
  approvalState: string;
  pendingRequestId?: string;
  connectedAtMs?: number;
  lastConnectedAtMs?: number;
  lastSeenAtMs?: number;
  lastSeenReason?: string;
  modelIdentifier?: string;
  remoteIp?: string;
};

type NodeDetails = NodeView & {
  platformId: string;
  commandDecisions: { command: string; allowed: boolean; text: string }[];
  recentInvocations: { id: string; command: string; state: string; askedBy: string; createdAtMs: number; error?: { message: string } }[];
};

type RequestView = {
  requestId: string;
  nodeId: string;
  displayName?: string;
  platform?: string;
  commands: string[];
  summary?: string[];
  requiredApproveScopes: string[];
  isRepair?: boolean;
  ts?: number;
};

const READ = ["operator.read"] as const;
const PAIRING = ["operator.pairing", "operator.write", "operator.admin"] as const;
const shortId = (id: string): string => sanitizeLine(id).slice(0, 12);
const nameOf = ({ displayName, nodeId }: Pick<NodeView, "displayName" | "nodeId">): string =>
  sanitizeLine(displayName ?? nodeId.slice(0, 8));

/** The node that `--node` names; the only one that is connected where nothing is named. */
export async function requireNode(invocation: Invocation): Promise<string> {
  const named = invocation.text("node");
  if (named !== undefined) return named;
  const { nodes } = await callGateway<{ nodes: NodeView[] }>(invocation, READ, "node.list");
  const connected = nodes.filter((node) => node.connected);
  if (connected.length === 1) return connected[0]!.nodeId;
  throw new CliError("No node is named", {
    why: connected.length === 0 ? "no node is connected." : `${connected.length} nodes are connected: ${connected.map(nameOf).join(", ")}.`,
    fix: "name one with --node <name>; openclaw nodes status lists them",
    exit: EXIT.usage,
  });
}

async function readNodes(invocation: Invocation): Promise<NodeView[]> {
  const { nodes } = await callGateway<{ nodes: NodeView[] }>(invocation, READ, "node.list");
  const within = invocation.text("last-connected");
  const oldest = within === undefined ? null : invocation.host.now() - requireDuration(within);
  return nodes.filter(
    (node) => (!invocation.has("connected") || node.connected) && (oldest === null || (node.lastConnectedAtMs ?? 0) >= oldest),
  );
}

export function requireDuration(text: string): number {
  const ms = parseDurationMs(text, "ms");
  if (ms !== null) return ms;
  throw new CliError(`${sanitizeLine(text)} is not a duration`, { fix: "write it like 10s, 5m or 24h", exit: EXIT.usage });
}

/** `openclaw nodes status` */
export const nodesStatus: CommandHandler = async (invocation) => {
  const nodes = await readNodes(invocation);
  invocation.out.result({ nodes }, () => showNodes(invocation, nodes));
};

function showNodes({ out, host }: Invocation, nodes: readonly NodeView[]): void {
  if (nodes.length === 0) {
    out.line("No nodes. Start one on a machine with openclaw node run, or pair an app with openclaw devices join-code.");
    return;
  }
  const rows = nodes.map((node) => [
    shortId(node.nodeId),
    nameOf(node),
    sanitizeLine([node.platform, node.version].filter(Boolean).join(" ")) || "-",
    node.connected ? "connected" : `seen ${formatAge(node.lastSeenAtMs, host.now())}`,
    node.approvalState.startsWith("pending")
      ? `waits: nodes approve ${shortId(node.pendingRequestId ?? "")}`
      : `${node.commands.length} allowed`,
  ]);
  out.table(
    [
      { title: "node" },
      { title: "name", truncate: true },
      { title: "system", truncate: true },
      { title: "state" },
      { title: "commands", truncate: true },
    ],
    rows,
  );
}

/** `openclaw nodes list` */
export const nodesList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const nodes = await readNodes(invocation);
  const { pending } = await callGateway<{ pending: RequestView[] }>(invocation, PAIRING, "node.pair.list");
  out.result({ pending, paired: nodes }, () => {
    if (pending.length > 0) {
      showRequests(invocation, pending);
      out.line();
    }
    showNodes(invocation, nodes);
  });
};

/** `openclaw nodes pending` */
export const nodesPending: CommandHandler = async (invocation) => {
  const { pending } = await callGateway<{ pending: RequestView[] }>(invocation, PAIRING, "node.pair.list");
  invocation.out.result(pending, () => {
    if (pending.length === 0) invocation.out.line("No node waits for an approval.");
    else showRequests(invocation, pending);
  });
};

function showRequests({ out, host }: Invocation, pending: readonly RequestView[]): void {
  out.line(out.paint("bold", `${plural(pending.length, "node")} waiting`));
  for (const { requestId, platform, commands, summary = [], isRepair, ts, ...node } of pending) {
    out.line(
      `${nameOf(node)}  ${sanitizeLine(platform ?? "-")}  asked ${formatAge(ts, host.now())}${isRepair ? "  offers more than before" : ""}`,
    );
    out.line(`  It could ${summary.map(sanitizeLine).join(", ") || "do nothing yet"}.`);
    out.line(`  Commands: ${commands.map(sanitizeLine).join(" ")}`);
    out.line(`  openclaw nodes approve ${shortId(requestId)}   or   openclaw nodes reject ${shortId(requestId)}`);
  }
}

/** `openclaw nodes describe` */
export const nodesDescribe: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const node = await callGateway<NodeDetails>(invocation, READ, "node.describe", { nodeId: await requireNode(invocation) });
  out.result(node, () => {
    out.line(`${out.paint("bold", nameOf(node))}  ${sanitizeLine(node.nodeId)}`);
    out.line(
      `System    ${sanitizeLine([node.platform, node.modelIdentifier, node.version].filter(Boolean).join(" "))} (treated as ${node.platformId})`,
    );
    out.line(
      `State     ${node.connected ? `connected ${formatAge(node.connectedAtMs, host.now())}` : `not connected, seen ${formatAge(node.lastSeenAtMs, host.now())}`}`,
    );
    out.line(
      `Approval  ${sanitizeLine(node.approvalState)}${node.pendingRequestId ? `: openclaw nodes approve ${shortId(node.pendingRequestId)}` : ""}`,
    );
    out.line(`Offers    ${node.caps.map(sanitizeLine).join(", ") || "-"}`);
    out.line();
    out.table(
      [{ title: "command" }, { title: "runs" }, { title: "why", truncate: true }],
      node.commandDecisions.map(({ command, allowed, text }) => [sanitizeLine(command), allowed ? "yes" : "no", sanitizeLine(text)]),
    );
    if (node.recentInvocations.length === 0) return;
    out.line();
    out.table(
      [{ title: "ran" }, { title: "command" }, { title: "ended" }, { title: "asked by", truncate: true }],
      node.recentInvocations.map(({ createdAtMs, command, state, askedBy }) => [
        formatAge(createdAtMs, host.now()),
        sanitizeLine(command),
        state,
        sanitizeLine(askedBy),
      ]),
    );
  });
};

/** `openclaw nodes approve <request>` */
export const nodesApprove: CommandHandler = async (invocation) => {
  const requestId = await findRequest(invocation);
  const answer = await callGateway<{ node: NodeView }>(invocation, PAIRING, "node.pair.approve", { requestId });
  invocation.out.result(answer, () => {
    const { node } = answer;
    invocation.out.line(`Approved ${nameOf(node)}: ${plural(node.commands.length, "command")} may run.`);
    invocation.out.line(`openclaw nodes describe --node ${shortId(node.nodeId)} shows each with its reason.`);
  });
};

/** `openclaw nodes reject <request>` */
export const nodesReject: CommandHandler = async (invocation) => {
  const requestId = await findRequest(invocation);
  const answer = await callGateway<{ nodeId: string }>(invocation, PAIRING, "node.pair.reject", { requestId });
  invocation.out.result(answer, () =>
    invocation.out.line(`Rejected. The node ${shortId(answer.nodeId)} can run nothing of what it asked for.`),
  );
};

async function findRequest(invocation: Invocation): Promise<string> {
  const start = invocation.arg(0);
  const { pending } = await callGateway<{ pending: RequestView[] }>(invocation, PAIRING, "node.pair.list");
  const found = pending.filter(({ requestId }) => requestId.startsWith(start));
  if (found.length === 1) return found[0]!.requestId;
  throw new CliError(
    found.length === 0 ? `No node waits with the request ${sanitizeLine(start)}` : `Several requests begin with ${sanitizeLine(start)}`,
    {
      fix: "openclaw nodes pending lists those that wait",
    },
  );
}

/** `openclaw nodes rename` */
export const nodesRename: CommandHandler = async (invocation) => {
  const name = invocation.text("name");
  if (name === undefined)
    throw new CliError("No name is given", { fix: "openclaw nodes rename --node <node> --name <name>", exit: EXIT.usage });
  const answer = await callGateway<{ nodeId: string; displayName: string }>(invocation, PAIRING, "node.rename", {
    nodeId: await requireNode(invocation),
    displayName: name,
  });
  invocation.out.result(answer, () => invocation.out.line(`${shortId(answer.nodeId)} is called ${sanitizeLine(answer.displayName)}.`));
};

/** `openclaw nodes remove` */
export const nodesRemove: CommandHandler = async (invocation) => {
  const named = invocation.text("node");
  if (named === undefined) throw new CliError("No node is named", { fix: "openclaw nodes remove --node <name>", exit: EXIT.usage });
  await invocation.confirm(`Remove the node ${named}? It has to be paired and approved again.`);
  const answer = await callGateway<{ nodeId: string }>(invocation, PAIRING, "node.pair.remove", { nodeId: named });
  invocation.out.result(answer, () => invocation.out.line(`Removed ${shortId(answer.nodeId)}; its connection is closed.`));
};
