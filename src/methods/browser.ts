import { GatewayError } from "../core/errors.ts";
import type { Caller, MethodTable } from "../protocol/method.ts";
import { invokeTool, type ToolsDeps } from "./tools.ts";

/** How long an answer about the browser is given again: a trial starts several processes. */
const KEPT_MS = 10_000;

type BrowserExplanation = { available: true; description: string } | { available: false; isOff: boolean; reason: string };

/** Whether the browser starts, by a start of it. */
async function explainBrowser(deps: ToolsDeps, caller: Caller): Promise<BrowserExplanation> {
  const { ok, output, error } = await invokeTool(deps, { name: "browser", args: { action: "doctor" } }, caller);
  const text = (output?.content ?? []).flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
  if (ok) return { available: true, description: text };
  return { available: false, isOff: error?.code === "denied", reason: error?.message ?? text };
}

/** browser.*: the browser of agents, for operators. The tool's policy holds for them as well. */
export function browserMethods(deps: ToolsDeps) {
  let kept: { answer: BrowserExplanation; at: number } | null = null;
  return {
    "browser.request": {
      scope: "operator.admin",
      run: async ({ action, args, sessionKey, agentId }, caller: Caller) => {
        const session = { ...(sessionKey !== undefined && { sessionKey }), ...(agentId !== undefined && { agentId }) };
        const { ok, output, error } = await invokeTool(deps, { ...session, name: "browser", args: { ...args, action } }, caller);
        if (ok) return { content: output?.content ?? [] };
        throw new GatewayError("INVALID_REQUEST", error?.message ?? "the browser did nothing");
      },
    },
    "browser.explain": {
      scope: "operator.read",
      run: async (_params, caller: Caller) => {
        const now = deps.now();
        if (kept !== null && Math.abs(now - kept.at) < KEPT_MS) return kept.answer;
        const answer = await explainBrowser(deps, caller);
        // A problem may have been solved meanwhile.
        kept = answer.available ? { answer, at: now } : null;
        return answer;
      },
    },
  } satisfies MethodTable;
}
