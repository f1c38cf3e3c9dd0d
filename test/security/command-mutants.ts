import type { Mutant } from "./mutant.ts";

const APPROVALS = "src/approvals/approvals.test.ts";

/** Guards of commands that agents run, and of the questions about them. */
export const COMMAND_MUTANTS: readonly Mutant[] = [
  {
    invariant: 6,
    breaks: "a command that has changed since it was approved is not run",
    file: "src/tools/commands/gate.ts",
    text: "if (now.digest !== plan.digest)",
    broken: 'if (now.digest === "")',
    tests: ["src/tools/commands/gate.test.ts"],
    title: "a script that was changed",
  },
  {
    invariant: 6,
    breaks: "the first answer to a question about a command counts",
    file: "src/store/approvals.ts",
    text: "WHERE id = ? AND status = 'pending'\"",
    broken: 'WHERE id = ?"',
    tests: [APPROVALS],
    title: "the first answer counts",
  },
  {
    invariant: 6,
    breaks: "an answer to a question about a command is used once",
    file: "src/store/approvals.ts",
    text: "status = 'allowed' AND used_at IS NULL",
    broken: "status = 'allowed'",
    tests: [APPROVALS],
    title: "an answer is used once",
  },
  {
    invariant: 6,
    breaks: "a person reads what a command hides from a terminal",
    file: "src/cli/terminal-text.ts",
    text: "(VISIBLE_CHARS.has(char) ? char :",
    broken: '(char !== "" ? char :',
    tests: ["src/cli/approvals.test.ts"],
    title: "what a command hides",
  },
  {
    invariant: 6,
    breaks: "a key answers only a question that was on the screen for a while",
    file: "src/cli/approvals-watch.ts",
    text: "< UNREAD_MS",
    broken: "< 0",
    tests: ["src/cli/approvals-watch.test.ts"],
    title: "an earlier question",
  },
  {
    invariant: 7,
    breaks: "on a channel only an owner answers questions about commands",
    file: "src/turns/approve-command.ts",
    text: "if (submission.mayApprove !== true) return only(",
    broken: "if (submission.mayApprove === null) return only(",
    tests: ["src/turns/approve-command.test.ts"],
  },
  {
    invariant: 7,
    breaks: "people on channels have at most the shared mode for commands",
    file: "src/gateway/tool-permits.ts",
    text: "isOperator || !shared?.mode ? configured : stricter(configured, shared.mode)",
    broken: "configured",
    tests: ["src/gateway/tool-permits.test.ts"],
  },
];
