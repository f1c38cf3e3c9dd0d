import { TOOL_LIMITS } from "./limits.ts";

/**
 * What `script` starts in the new terminal, of whose session it is the leader. Writes its process id to descriptor 3 and waits there as
 * commands without a terminal do. The first argument is the variable SHELL of the command, empty for none: `script` needs another one.
 */
const TERMINAL_SCRIPT = `umask 077
echo $$ >&3
read -r ready <&3 || exit 1
unset ready
exec 3<&-
stty rows ${TOOL_LIMITS.terminalRows} cols ${TOOL_LIMITS.terminalColumns} 2>/dev/null
if [ -n "$1" ]; then SHELL=$1; else unset SHELL; fi
shift
exec "$@"`;

const quoteForShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

export type Launch = { program: string; args: readonly string[]; env: Readonly<Record<string, string>> };

/** How a command is started in a terminal of its own, by the `script` of util-linux at this path. Pure. */
export function toTerminalLaunch(script: string, argv: readonly string[], env: Readonly<Record<string, string>>): Launch {
  const words = ["/bin/sh", "-c", TERMINAL_SCRIPT, "sh", env["SHELL"] ?? "", ...argv];
  return {
    program: script,
    // Quiet, with the exit code of the command, without buffering, and without a file for the output.
    args: ["-qefc", `exec ${words.map(quoteForShell).join(" ")}`, "/dev/null"],
    // `script` has this shell run the line above.
    env: { ...env, SHELL: "/bin/sh" },
  };
}
