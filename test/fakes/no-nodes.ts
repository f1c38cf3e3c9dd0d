import { GatewayError } from "../../src/core/errors.ts";
import type { AgentNodes } from "../../src/tools/agent-nodes.ts";

const none = () => Promise.reject(new GatewayError("NOT_FOUND", "there are no nodes"));

/** A gateway without nodes. */
export const noNodes: AgentNodes = { list: () => Promise.resolve([]), call: none, run: none };
