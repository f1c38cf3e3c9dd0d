import type { Readable, Writable } from "node:stream";
import { keepConnected } from "../client/reconnect.ts";
import { foregroundClock } from "../core/clock.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { AcpBridge } from "./acp-bridge.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions, type ConnectScope } from "./connect.ts";
import { resolveTarget } from "./gateway-target.ts";
import { formatDuration, sanitizeLine } from "./terminal-text.ts";

/** Reading, sending, settings of a session, and answers to questions; a credential with fewer has the rest refused by the gateway. */
const SCOPES: readonly ConnectScope[] = ["operator.read", "operator.write", "operator.approvals"];

/** `openclaw acp`: until standard input ends. Standard output carries the protocol only. */
export const acpServe: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const target = resolveTarget(invocation);
  const session = invocation.text("session");
  const label = invocation.text("session-label");
  if (session !== undefined && label !== undefined)
    throw new CliError("--session and --session-label name two sessions", { fix: "give one of them.", exit: EXIT.usage });
  // A new conversation in a session of others needs more rights than writing in it.
  const scopes: readonly ConnectScope[] = invocation.has("reset-session") ? [...SCOPES, "operator.admin"] : SCOPES;
  const leave = new AbortController();
  const onAbort = (): void => leave.abort();
  host.signal.addEventListener("abort", onAbort, { once: true });
  const bridge = new AcpBridge({
    session: session ?? null,
    label: label ?? null,
    requireExisting: invocation.has("require-existing"),
    reset: invocation.has("reset-session"),
    prefixCwd: !invocation.has("no-prefix-cwd"),
    clock: foregroundClock,
    signal: leave.signal,
  });
  const { serveAcp } = await import("./acp-protocol.ts");
  const serving = serveAcp({
    bridge,
    input: host.stdin as Readable,
    output: process.stdout as Writable,
    onProblem: (problem) => out.note(`(${sanitizeLine(problem)})`),
  });
  void serving.ended.then(onAbort);
  try {
    await keepConnected(
      await toClientOptions(invocation, target, { scopes, caps: ["tool-events", "exec-approvals"] }),
      {
        onConnected: async (client) => {
          await bridge.attach(client);
          out.note(`(connected to ${target.url})`);
        },
        onDisconnected: (err, retryInMs) => {
          bridge.detach(err.message);
          out.note(`(${sanitizeLine(err.message)}; retrying in ${formatDuration(retryInMs)})`);
        },
      },
      leave.signal,
    );
  } catch (err) {
    throw toCliError(err, target, invocation);
  } finally {
    host.signal.removeEventListener("abort", onAbort);
    serving.close();
  }
  return EXIT.ok;
};
