import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { toSentence } from "../core/text.ts";
import { errorResult, fixOf } from "./results.ts";
import type { ToolPermit, ToolResult } from "./tool.ts";

/** A node as an agent sees it. */
export type NodeSummary = { node: string; id: string; platform: string; connected: boolean; commands: readonly string[] };

export type NodeCallContext = ToolPermit & { callId: string; signal: AbortSignal };

export type NodeCallRequest = { node: string; command: string; params: JsonObject; timeoutMs?: number };

/** A shell command for a node, as the tool `exec` has it. */
export type NodeShellRequest = { node: string; command: string; cwd: string; env: Readonly<Record<string, string>>; timeoutMs: number };

export type NodeCallResult = {
  /** The name of the node that answered. */
  node: string;
  /** Its answer without the content of files. */
  payload: unknown;
  /** The file that it gave, in the workspace of the agent. */
  file: { path: string; mimeType: string; bytes: number } | null;
  /** The same as an image that a model can read. */
  image: { mimeType: string; data: string } | null;
};

/** Nodes for agents: with the rights of the turn, and a question to a person where these say so. Both reject with the reason. */
export interface AgentNodes {
  list(permit: ToolPermit): Promise<readonly NodeSummary[]>;
  call(request: NodeCallRequest, context: NodeCallContext): Promise<NodeCallResult>;
  run(request: NodeShellRequest, context: NodeCallContext): Promise<NodeCallResult>;
}

/** Why a node did nothing, in words for the model. What the node itself wrote is quoted. */
export function nodeError(err: unknown): ToolResult {
  if (!(err instanceof GatewayError)) throw err;
  return errorResult(`Not done: ${toSentence(err.message.replaceAll(/\s+/g, " "))}${fixOf(err)}`);
}
