import { DECISION_WORDS } from "../core/approval-words.ts";
import type { CommandFamily } from "./command.ts";

export const approvalsCommands: CommandFamily = {
  summary: "Answer questions about commands of agents, and see what is always allowed.",
  commands: [
    {
      path: ["approvals", "pending"],
      group: "Access",
      summary: "List the questions about commands that wait for an answer.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw approvals pending"],
      load: async () => (await import("./approvals.ts")).approvalsPending,
    },
    {
      path: ["approvals", "show"],
      summary: "Show everything about one question: the whole command, where it would run, and what allow-always would store.",
      args: [{ name: "id", required: true, valueKind: "approval" }],
      usesGateway: true,
      examples: ["openclaw approvals show 3f2a"],
      load: async () => (await import("./approvals.ts")).approvalsShow,
    },
    {
      path: ["approvals", "resolve"],
      summary: "Answer a question; the first answer counts.",
      args: [
        { name: "id", required: true, valueKind: "approval" },
        { name: "decision", required: true, choices: Object.keys(DECISION_WORDS) },
      ],
      usesGateway: true,
      examples: ["openclaw approvals resolve 3f2a allow-once", "openclaw approvals resolve 3f2a deny"],
      load: async () => (await import("./approvals.ts")).approvalsResolve,
    },
    {
      path: ["approvals", "allow"],
      summary: "Allow a command once, like resolve <id> allow-once, or for some time.",
      args: [{ name: "id", required: true, valueKind: "approval" }],
      flags: [
        { name: "for", value: "time", help: "Allow this kind of command in this session for so long: 30m, 2h, at most 24h." },
        { name: "session", help: "Allow it until the conversation is reset, at most for 24 hours." },
      ],
      usesGateway: true,
      examples: ["openclaw approvals allow 3f2a", "openclaw approvals allow 3f2a --for 1h", "openclaw approvals allow 3f2a --session"],
      load: async () => (await import("./approvals.ts")).approvalsAllow,
    },
    {
      path: ["approvals", "deny"],
      summary: "Deny a command, like resolve <id> deny.",
      args: [{ name: "id", required: true, valueKind: "approval" }],
      usesGateway: true,
      examples: ["openclaw approvals deny 3f2a"],
      load: async () => (await import("./approvals.ts")).approvalsDeny,
    },
    {
      path: ["approvals", "watch"],
      summary: "Show questions as they come, and answer each with one key.",
      usesGateway: true,
      jsonLines: true,
      examples: ["openclaw approvals watch", "openclaw approvals watch --json"],
      notes: [
        "At a terminal: o allows the command once, a always (where it is offered), d denies it. Without a terminal it only prints. Ctrl-C ends it.",
      ],
      load: async () => (await import("./approvals-watch.ts")).approvalsWatch,
    },
    {
      path: ["approvals", "grants"],
      summary: "List what is allowed for some time, or end one of them now.",
      args: [
        { name: "action", required: false, choices: ["list", "revoke"] },
        { name: "id", required: false },
      ],
      flags: [{ name: "all", help: "Also those that have ended." }],
      usesGateway: true,
      examples: ["openclaw approvals grants", "openclaw approvals grants revoke 3f2a"],
      load: async () => (await import("./approval-grants.ts")).approvalsGrants,
    },
    {
      path: ["approvals", "history"],
      summary: "List questions that have ended, the latest first.",
      flags: [{ name: "limit", short: "n", value: "rows", range: [1, 1_000], help: "Number of rows (default: 50)." }],
      usesGateway: true,
      examples: ["openclaw approvals history --limit 10"],
      load: async () => (await import("./approvals.ts")).approvalsHistory,
    },
    {
      path: ["approvals", "get"],
      summary: "Show the document about commands: its limits, and the programs that are always allowed.",
      usesGateway: true,
      examples: ["openclaw approvals get", "openclaw approvals get --json > approvals.json"],
      load: async () => (await import("./approvals-document.ts")).approvalsGet,
    },
    {
      path: ["approvals", "set"],
      summary: "Replace the document; - reads it from standard input.",
      args: [{ name: "file", required: true }],
      usesGateway: true,
      examples: ["openclaw approvals set approvals.json"],
      notes: [
        "The file is JSON: the document, or what openclaw approvals get --json prints. With the latter nothing is replaced if the document was changed after it was read.",
      ],
      load: async () => (await import("./approvals-document.ts")).approvalsSet,
    },
    {
      path: ["approvals", "allowlist"],
      summary: "Add a program that is always allowed, or remove one.",
      args: [
        { name: "action", required: true, choices: ["add", "remove"] },
        { name: "pattern", required: true },
      ],
      flags: [
        {
          name: "agent",
          value: "id",
          valueKind: "agent",
          help: "Agent. Without it a program is added for every agent (*), and removed wherever it is.",
        },
      ],
      usesGateway: true,
      examples: [
        "openclaw approvals allowlist add /usr/bin/touch --agent main",
        'openclaw approvals allowlist add "/opt/tools/*"',
        "openclaw approvals allowlist remove /usr/bin/touch",
      ],
      notes: [
        "A pattern is the real path of a program, with * for any part of a name, or the name of a program that is found through PATH. To remove one, its id works as well. Programs that run what their arguments or files say (shells, interpreters, git, find, ...) cannot be added.",
      ],
      load: async () => (await import("./approvals-document.ts")).approvalsAllowlist,
    },
  ],
};
