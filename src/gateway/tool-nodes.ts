import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Approvals } from "../approvals/approvals.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectory, writeFileAtomic } from "../core/files.ts";
import type { NodeAsker } from "../store/nodes.ts";
import type { Inbox } from "../store/inbox.ts";
import type { InvokeResult, NodeService } from "../nodes/service.ts";
import type { AgentNodes, NodeCallContext, NodeCallRequest, NodeCallResult, NodeShellRequest, NodeSummary } from "../tools/agent-nodes.ts";
import type { ToolCaller, ToolPermit } from "../tools/tool.ts";
import type { Payload } from "../turns/submission.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import { commandSettings } from "./tool-permits.ts";

export type ToolNodesDeps = Pick<GatewayBase, "clock"> & {
  running: RunningConfig;
  allowlist: CommandAllowlist;
  approvals: Approvals;
  inbox: Pick<Inbox, "byRun">;
};

/** Base64 characters of an image that goes to a model directly; a larger one is in its file only. */
const IMAGE_CHARS = 4_000_000;
const SHELL = "/bin/sh";

/** Nodes for agents. Built before the nodes, which `bind` adds. */
export class ToolNodes implements AgentNodes {
  readonly #deps: ToolNodesDeps;
  #nodes: (() => Promise<NodeService>) | null = null;

  constructor(deps: ToolNodesDeps) {
    this.#deps = deps;
  }

  bind(nodes: () => Promise<NodeService>): void {
    this.#nodes = nodes;
  }

  async list({ caller }: ToolPermit): Promise<readonly NodeSummary[]> {
    this.#requireOwner(caller);
    const { registry } = await this.#service();
    const { nameOf } = await import("../nodes/registry.ts");
    return registry.rows().map((row) => ({
      node: nameOf(row),
      id: row.nodeId.slice(0, 12),
      platform: registry.platform(row),
      connected: registry.isConnected(row.nodeId),
      commands: registry.surface(row).commands,
    }));
  }

  async call({ node, command, params, timeoutMs }: NodeCallRequest, context: NodeCallContext): Promise<NodeCallResult> {
    if (command.startsWith("system.run"))
      throw new GatewayError("INVALID_REQUEST", "programs on nodes are run by the tool exec", {
        fix: 'Call exec with host "node" and node.',
      });
    const service = await this.#service();
    const { registry } = service;
    const row = registry.require(node);
    const mode = this.#modeOf(context.caller);
    const { needsPerson } = await import("../nodes/command-policy.ts");
    const decision = registry.decide(row, command);
    // What cannot run is refused by the call itself, before a person is asked about it.
    const isAsked = decision.isAllowed && registry.isConnected(row.nodeId) && mode !== "full" && needsPerson(command);
    const approvalId = isAsked ? await this.#ask(context, { nodeId: row.nodeId, command, params }) : undefined;
    const asker = { ...askerOf(context.caller), ...(approvalId !== undefined && { approvalId }) };
    const request = { node: row.nodeId, command, params, timeoutMs, key: keyOf(context), asker, scopes: null };
    return await this.#toResult(context, await service.invoke(request, stopSignal(context.signal, await stopReason())));
  }

  async run({ node, command, cwd, env, timeoutMs }: NodeShellRequest, context: NodeCallContext): Promise<NodeCallResult> {
    const service = await this.#service();
    const mode = this.#modeOf(context.caller);
    const params = {
      command: [SHELL, "-lc", command],
      rawCommand: command,
      timeoutMs,
      agentId: context.caller.agentId,
      sessionKey: context.caller.sessionKey,
      ...(cwd !== "" && { cwd }),
      ...(Object.keys(env).length > 0 && { env }),
    };
    const request = {
      node,
      command: "system.run",
      params,
      key: keyOf(context),
      asker: askerOf(context.caller),
      scopes: null,
      isShellAllowed: mode === "full",
    };
    return await this.#toResult(context, await service.invoke(request, stopSignal(context.signal, await stopReason())));
  }

  async #service(): Promise<NodeService> {
    if (this.#nodes === null) throw new GatewayError("UNAVAILABLE", "the gateway is still starting");
    const service = await this.#nodes();
    await service.registry.settled();
    return service;
  }

  /** How far the agent may go; throws where it may not run anything on nodes. */
  #modeOf(caller: ToolCaller): "ask" | "full" {
    this.#requireOwner(caller);
    const { mode, rule } = commandSettings(this.#deps.running, this.#deps.allowlist, caller);
    if (mode === "deny" || mode === "allowlist")
      throw new GatewayError("FORBIDDEN", `commands on nodes are denied by ${rule}`, {
        fix: "Only programs of the gateway's own list run here.",
      });
    return mode === "full" ? "full" : "ask";
  }

  /** The devices are the owner's: what others write to an agent reaches none of them. */
  #requireOwner({ runId, surface }: ToolCaller): void {
    if (surface === "operator") return;
    const row = runId === null ? undefined : this.#deps.inbox.byRun<Payload>(runId);
    if (row?.payload?.provenance?.senderIsOwner === true) return;
    throw new GatewayError("FORBIDDEN", "only the owner uses nodes", { fix: "Ask the owner, who is named in commands.ownerAllowFrom." });
  }

  async #ask(
    { caller, callId, signal }: NodeCallContext,
    { nodeId, command, params }: { nodeId: string; command: string; params: object },
  ): Promise<string> {
    const { approvals } = this.#deps;
    const text = JSON.stringify(params);
    const subject = {
      commandText: `${command} ${text === "{}" ? "" : text}`.trim(),
      cwd: "",
      host: "node" as const,
      nodeId,
      resolvedPath: null,
      warnings: ["It acts on a device that is paired with the gateway."],
      patterns: [],
    };
    const digest = createHash("sha256")
      .update(JSON.stringify(["node", nodeId, command, text]))
      .digest("hex");
    const { agentId, sessionKey, runId } = caller;
    const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
    if (approval.status !== "allowed" || !(await approvals.use(approval.id)))
      throw detailError(
        "NODE_APPROVAL_DENIED",
        `the command was not sent: ${approval.status === "denied" ? "a person denied it" : "there was no agreement"}`,
        {
          fix: "Do not try it in another way; say what you wanted and ask what to do.",
        },
      );
    return approval.id;
  }

  /** A file goes to the workspace; a picture also to the model. */
  async #toResult({ workspace }: NodeCallContext, { nodeId, command, payload }: InvokeResult): Promise<NodeCallResult> {
    const { mediaFileName, toMediaBytes, withoutContent } = await import("../nodes/media.ts");
    const media = toMediaBytes(payload);
    if (media === null) return { node: nodeId, payload, file: null, image: null };
    const { bytes, mimeType } = media;
    const directory = join(workspace, "nodes");
    const path = join(
      directory,
      mediaFileName({ node: nodeId, command, mimeType, bytes: bytes.length, at: this.#deps.clock.now(), index: 0 }),
    );
    try {
      await ensureDirectory(directory);
      await writeFileAtomic(path, bytes);
    } catch (err) {
      throw new GatewayError("UNAVAILABLE", `the file of the node could not be stored: ${reasonOf(err)}`, { retryable: false, cause: err });
    }
    const data = bytes.toString("base64");
    const isShown = /^image\/(?:jpeg|png|webp)$/.test(mimeType) && data.length <= IMAGE_CHARS;
    return {
      node: nodeId,
      payload: withoutContent(payload),
      file: { path, mimeType, bytes: bytes.length },
      image: isShown ? { mimeType, data } : null,
    };
  }
}

/** One call runs once, also when its turn is resumed. */
const keyOf = ({ caller, callId }: NodeCallContext): string => `${caller.runId ?? caller.sessionKey}:${callId}`;

const askerOf = ({ surface, agentId, sessionKey, runId }: ToolCaller): NodeAsker => ({
  surface,
  name: `agent ${agentId}`,
  agentId,
  sessionKey,
  runId,
});

const stopReason = async (): Promise<symbol> => (await import("../nodes/invocations.ts")).STOP_REASON;

/** The end of the turn also ends the command on the node. */
function stopSignal(signal: AbortSignal, reason: symbol): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort(reason);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return controller.signal;
}
