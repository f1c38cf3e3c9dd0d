import type { PolicyLayers, ToolDecision } from "../tools/policy.ts";
import { errorResult } from "../tools/results.ts";
import { isCallable, type ToolCall, type ToolCaller, type ToolDescription, type ToolExecutor, type ToolName } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import type { RunningConfig } from "./running-config.ts";

export type PolicyCaller = Pick<ToolCaller, "agentId" | "surface" | "rooms">;
type Verdict = Omit<ToolDecision, "tool">;

/** A source with what decides about the calls of its tools. */
export type GatedSource = {
  source: ToolSource;
  /** What a turn has to be granted for any of its tools. */
  grant: ToolName;
  decide: (caller: PolicyCaller, name: string) => Verdict;
  /** What a person is asked before a call that the policy allows; null: none is asked. */
  question?: (call: ToolCall, caller: ToolCaller, signal: AbortSignal) => Promise<CallQuestion | null> | CallQuestion | null;
};

/** What a person is asked about a call. */
export type CallQuestion = {
  title: string;
  /** A sentence. */
  about: string;
  args: unknown;
  pluginId: string | null;
  toolName: string;
  /** The tool of a server; an agreement then also covers the same call later in the turn. */
  mcpTool?: { server: string; tool: string };
  /** It may also be allowed for some time, for all arguments: what that is bound to besides the conversation, and how lists name it. */
  grant?: { binding: readonly unknown[]; text: string };
};

/** Asks a person. Resolves to null when the call may run, which this answer is used for, otherwise to the reason in words for the model. */
export type AskAboutTool = (
  question: CallQuestion,
  asker: { caller: ToolCaller; callId: string; signal: AbortSignal },
) => Promise<string | null>;

/** A decision with the configuration that holds now. Every room of the turn has to allow it. */
export function decideForRooms(
  { agents }: Pick<RunningConfig, "agents">,
  { agentId, rooms = [] }: PolicyCaller,
  decide: (layers: PolicyLayers) => Verdict,
): Verdict {
  const decisions = [null, ...rooms].map((room) => decide(agents.policyLayers(agentId, room)));
  return decisions.find(({ isGranted }) => !isGranted) ?? decisions.at(-1)!;
}

/** An executor that also runs the calls of a source's tools, after the policy has allowed them, and a person where one is asked. */
export function withSource(
  executor: ToolExecutor,
  { source, decide, question }: Omit<GatedSource, "grant">,
  ask: AskAboutTool,
): ToolExecutor {
  return {
    describe: (names) => executor.describe(names),
    async run(call, context) {
      if (!source.has(call.name) && !(await source.find?.(call.name, context.signal))) return await executor.run(call, context);
      const { isGranted, rule } = decide(context.caller, call.name);
      if (!isGranted) return errorResult(`The tool ${call.name} is denied by ${rule}; nothing was run.`);
      // What is asked about is what runs, whatever becomes of the call while a person is asked.
      const agreed = question === undefined ? call : structuredClone(call);
      const asked = (await question?.(agreed, context.caller, context.signal)) ?? null;
      const refusal = asked === null ? null : await ask({ ...asked, args: agreed.args }, { ...context, callId: call.id });
      if (refusal !== null) return errorResult(`Not run: ${refusal}`);
      return decide(context.caller, call.name).isGranted
        ? await source.run(agreed, context)
        : errorResult(`The tool ${call.name} was denied while a person was asked; nothing was run.`);
    },
    endSession: (sessionKey) => executor.endSession(sessionKey),
    async stop() {
      await Promise.all([executor.stop(), source.stop()]);
    },
  };
}

/** The tools of sources that the policy lets this caller call. */
export async function listAllowed(
  sources: readonly GatedSource[],
  caller: ToolCaller,
  signal: AbortSignal,
): Promise<readonly ToolDescription[]> {
  const asked = sources.filter(({ grant }) => isCallable(grant, caller.tools));
  const lists = await Promise.all(
    asked.map(async ({ source, decide }) => (await source.list(signal)).filter(({ name }) => decide(caller, name).isGranted)),
  );
  return lists.flat();
}
