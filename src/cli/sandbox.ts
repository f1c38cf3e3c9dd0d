import { EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** The answer of `sandbox.explain`. */
export type SandboxAnswer = { available: true; name: string; guarantees: string[] } | { available: false; reason: string; fix: string };

/** `openclaw sandbox explain`; ends with an error code where there is no sandbox. */
export const sandboxExplain: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await callGateway<SandboxAnswer>(invocation, ["operator.read"], "sandbox.explain", {});
  out.result(answer, () => {
    if (answer.available) {
      out.line(sanitizeLine(`Commands can be isolated: ${answer.name}`));
      for (const each of answer.guarantees) out.line(sanitizeLine(`- ${each}`));
      return;
    }
    out.line(sanitizeLine(`Commands cannot be isolated: ${answer.reason}.`));
    out.line(sanitizeLine(answer.fix));
    out.line("Until then the mode auto asks about every command that does more than read, and people on channels have no commands.");
  });
  return answer.available ? EXIT.ok : EXIT.failure;
};
