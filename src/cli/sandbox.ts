import { EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { notesWithoutSandbox, readPolicies } from "./command-policies.ts";
import { withGateway } from "./connect.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** The answer of `sandbox.explain`. */
export type SandboxAnswer = { available: true; name: string; guarantees: string[] } | { available: false; reason: string; fix: string };

/** `openclaw sandbox explain`; ends with an error code where there is no sandbox. */
export const sandboxExplain: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { answer, notes } = await withGateway(invocation, { scopes: ["operator.read"] }, async ({ client }) => {
    const found = await client.request<SandboxAnswer>("sandbox.explain", {});
    return { answer: found, notes: found.available ? [] : notesWithoutSandbox(await readPolicies(client)) };
  });
  out.result(answer, () => {
    if (answer.available) {
      out.line(sanitizeLine(`Commands can be isolated: ${answer.name}`));
      for (const each of answer.guarantees) out.line(sanitizeLine(`- ${each}`));
      return;
    }
    out.line(sanitizeLine(`Commands cannot be isolated: ${answer.reason}.`));
    out.line(sanitizeLine(answer.fix));
    for (const note of notes.length > 0 ? notes : ["No command needs it with the present settings: openclaw exec-policy show"])
      out.line(sanitizeLine(note));
  });
  return answer.available ? EXIT.ok : EXIT.failure;
};
