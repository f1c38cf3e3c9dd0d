import type { Mutant } from "./mutant.ts";

const EXEC = "src/tools/exec/exec.test.ts";
const CALL_ENV = "src/tools/exec/call-env.test.ts";
const WORKDIR = "src/tools/exec/working-directory.test.ts";
const PROCESS = "src/tools/process/process.test.ts";

/** The guards of commands that agents run. */
export const EXEC_MUTANTS: readonly Mutant[] = [
  {
    invariant: 6,
    breaks: "a command is started as the gate returns it",
    file: "src/tools/agent-command.ts",
    text: "      argv,\n      cwd,\n      env,\n",
    broken: '      argv: ["/bin/sh", "-c", this.text],\n      cwd,\n      env,\n',
    tests: [EXEC],
    title: "what the gate returns",
  },
  {
    invariant: 6,
    breaks: "a call sets no variable that makes a program run another one",
    file: "src/tools/exec/call-env.ts",
    text: "if (effect !== null)",
    broken: 'if (effect === "")',
    tests: [CALL_ENV],
  },
  {
    invariant: 6,
    breaks: "a shell runs no file of the user beside the command",
    file: "src/tools/exec/exec.ts",
    text: "...(wanted.isBackground && BELOW_A_SHELL),",
    broken: "",
    tests: [EXEC],
    title: "a shell runs none",
  },
  {
    invariant: 8,
    breaks: "a command runs in an allowed directory, by its real path",
    file: "src/tools/exec/working-directory.ts",
    text: "real = await realpath(path);",
    broken: "real = path;",
    tests: [WORKDIR],
  },
  {
    invariant: 8,
    breaks: "a command runs in the workspace or in a directory that the settings name",
    file: "src/tools/exec/working-directory.ts",
    text: "if (isAtOrBeneath(await toReal(root), real)) return real;",
    broken: "if (isAtOrBeneath(await toReal(root), real) || root !== real) return real;",
    tests: [WORKDIR],
  },
  {
    invariant: 13,
    breaks: "a session reaches only its own commands",
    file: "src/tools/background-commands.ts",
    text: "caller.agentId === agentId && caller.sessionKey === sessionKey;",
    broken: "caller.agentId === agentId || caller.sessionKey === sessionKey;",
    tests: [PROCESS],
    title: "other sessions",
  },
  {
    invariant: 13,
    breaks: "a kill ends the processes of all groups of a command",
    file: "src/tools/process-groups.ts",
    text: 'sendSignal(pid, "SIGKILL");',
    broken: "",
    tests: [EXEC],
    title: "the result of a stopped command",
  },
];
