import type { Readable, Writable } from "node:stream";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { AcpBridge } from "./acp-bridge.ts";
import type { CommandHandler } from "./command.ts";
import type { ConnectScope } from "./connect.ts";
import { serveBridge } from "./serve-bridge.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** Reading, sending, settings of a session, and answers to questions; a credential with fewer has the rest refused by the gateway. */
const SCOPES: readonly ConnectScope[] = ["operator.read", "operator.write", "operator.approvals"];

/** `openclaw acp`: until standard input ends. Standard output carries the protocol only. */
export const acpServe: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const session = invocation.text("session");
  const label = invocation.text("session-label");
  if (session !== undefined && label !== undefined)
    throw new CliError("--session and --session-label name two sessions", { fix: "give one of them.", exit: EXIT.usage });
  const onProblem = (problem: string): void => out.note(`(${sanitizeLine(problem)})`);
  await serveBridge(invocation, {
    // A new conversation in a session of others needs more rights than writing in it.
    scopes: invocation.has("reset-session") ? [...SCOPES, "operator.admin"] : SCOPES,
    caps: ["tool-events", "exec-approvals"],
    open: async (leave) => {
      const bridge = new AcpBridge({
        session: session ?? null,
        label: label ?? null,
        requireExisting: invocation.has("require-existing"),
        reset: invocation.has("reset-session"),
        prefixCwd: !invocation.has("no-prefix-cwd"),
        clock: foregroundClock,
        signal: leave,
      });
      const { serveAcp } = await import("./acp-protocol.ts");
      return { bridge, serving: serveAcp({ bridge, input: host.stdin as Readable, output: process.stdout as Writable, onProblem }) };
    },
  });
  return EXIT.ok;
};
