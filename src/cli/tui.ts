import { ClientError } from "../client/errors.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { TUI_LIMITS } from "../tui/limits.ts";
import type { CommandHandler } from "./command.ts";
import { toCliError, toClientOptions, type ConnectScope } from "./connect.ts";
import { resolveTarget } from "./gateway-target.ts";
import { sanitizeLine, sanitizeText } from "./terminal-text.ts";

/** What its keys and commands need; a credential that holds less gets less. */
const SCOPES: readonly ConnectScope[] = ["operator.read", "operator.write", "operator.approvals", "operator.pairing", "operator.admin"];

/** `openclaw tui`: until the person leaves. */
export const tui: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  if (host.stdin.isTTY !== true || !out.interactive || out.json) {
    throw new CliError("openclaw tui needs a terminal", {
      why: out.json ? "its screen has no JSON form." : "its input or output is a pipe or a file.",
      fix: "openclaw chat reads and writes pipes, and has --json.",
      exit: EXIT.usage,
    });
  }
  const target = resolveTarget(invocation, "password");
  const client = await toClientOptions(invocation, target, { scopes: SCOPES, caps: ["tool-events"] });
  const { runTui } = await import("../tui/run-tui.ts");
  try {
    const { sessionKey, strayOutput } = await runTui({
      client,
      session: invocation.text("session"),
      message: invocation.text("message"),
      send: { thinking: invocation.text("thinking"), timeoutMs: invocation.number("timeout-ms"), deliver: invocation.has("deliver") },
      historyRows: invocation.number("history-limit") ?? TUI_LIMITS.historyRows,
      hasColor: out.hasColor,
      hasMouse: !invocation.has("no-mouse"),
      here: { cwd: host.cwd, home: host.env["HOME"] ?? host.cwd },
      colorFgBg: host.env["COLORFGBG"],
      signal: host.signal,
    });
    if (strayOutput !== "") out.note(sanitizeText(strayOutput.trimEnd()));
    out.note(`Session ${sanitizeLine(sessionKey)}. Continue with: openclaw tui --session ${sanitizeLine(sessionKey)}`);
  } catch (err) {
    throw err instanceof ClientError ? toCliError(err, target, invocation) : err;
  }
};
