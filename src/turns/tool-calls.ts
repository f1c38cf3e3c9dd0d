import { createHash } from "node:crypto";
import type { TurnFailure } from "../agents/runtime.ts";
import { fieldsOf, findStorageProblem } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";

export type ToolCallVerdict = {
  /** Why the call is refused, as text for the model; null: it is allowed. */
  reason: string | null;
  /** The turn must be stopped. */
  stop?: TurnFailure;
};

/** Whether a call waits for a command, which a model repeats with the same arguments until the command has ended. */
const isWait = (name: string, args: unknown): boolean => {
  const { action, timeout } = fieldsOf(args);
  return name === "process" && action === "poll" && Number(timeout) > 0;
};

/** Counts the tool calls of one turn, so that a model that goes in circles comes to an end. */
export class ToolCallLimits {
  #calls = 0;
  readonly #repeats = new Map<string, number>();
  readonly #verdicts = new Map<string, ToolCallVerdict>();

  /** Counts a call once, whether its event or the request for permission comes first. A tool that does not exist sends no request. */
  check(call: { id: string; name: string; args: unknown }): ToolCallVerdict {
    const known = this.#verdicts.get(call.id);
    if (known) return known;
    const verdict = this.#judge(call);
    this.#verdicts.set(call.id, verdict);
    return verdict;
  }

  /** The call has ended. */
  forget(id: string): void {
    this.#verdicts.delete(id);
  }

  #judge({ name, args }: { name: string; args: unknown }): ToolCallVerdict {
    this.#calls++;
    if (this.#calls > LIMITS.turnToolCalls) {
      const message = `The turn was stopped after ${LIMITS.turnToolCalls} tool calls. Ask the agent what it has done so far, or give it a smaller task.`;
      return { reason: "this turn has made too many tool calls", stop: { kind: "tool_loop", message } };
    }
    const problem = findStorageProblem(args, { depth: LIMITS.jsonDepth, chars: LIMITS.toolArgumentsChars });
    if (problem) return { reason: `the arguments ${problem}` };
    const key = createHash("sha256")
      .update(JSON.stringify([name, args]))
      .digest("base64");
    const repeats = (this.#repeats.get(key) ?? 0) + 1;
    this.#repeats.set(key, repeats);
    const factor = isWait(name, args) ? LIMITS.toolWaitFactor : 1;
    if (repeats >= LIMITS.toolRepeatsStopped * factor) {
      const message = `The turn was stopped because the model made the same call of ${name || "a tool without a name"} ${repeats} times. Ask again, and say more exactly what you want.`;
      return { reason: "this call was made too often", stop: { kind: "tool_loop", message } };
    }
    if (repeats >= LIMITS.toolRepeatsRefused * factor)
      return {
        reason: `this very call was made ${repeats - 1} times in this turn already; do something else, or answer with what you know`,
      };
    return { reason: null };
  }
}
