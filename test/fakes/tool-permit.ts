import { asId } from "../../src/core/ids.ts";
import { TOOL_NAMES, type ToolPermit } from "../../src/tools/tool.ts";

/** What an operator's call in this workspace may do where nothing is configured. */
export const testPermit = (workspace: string): ToolPermit => ({
  caller: {
    agentId: asId("main"),
    sessionKey: asId("agent:main:main"),
    runId: null,
    surface: "operator",
    isPrivate: true,
    tools: TOOL_NAMES,
  },
  workspace,
  outside: [],
});

/** For turns of runtimes: every call may run. */
export const allowTools = (workspace: string): (() => Promise<{ allow: true; permit: ToolPermit }>) => {
  return () => Promise.resolve({ allow: true, permit: testPermit(workspace) });
};
