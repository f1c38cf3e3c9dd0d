import type { CliCommand, CliFlag, CommandFamily } from "./command.ts";
import { THINKING, YES } from "./shared-flags.ts";

const WHEN: readonly CliFlag[] = [
  { name: "at", value: "when", help: "Once, at a time (2027-01-31T09:00, in the zone of --tz) or after a duration (20m)." },
  { name: "every", value: "duration", help: "At an interval, such as 10m or 1h." },
  { name: "cron", value: "expr", help: "At the times of an expression: minute, hour, day of the month, month, weekday." },
  { name: "tz", value: "zone", help: "Time zone of --cron and --at, such as Europe/Berlin (default: the gateway's)." },
  { name: "stagger", value: "duration", help: "Shift all due times of --cron by a fixed time within this window (default: none)." },
  { name: "exact", help: "No stagger; for --cron." },
];

const WHAT: readonly CliFlag[] = [
  { name: "message", short: "m", value: "text", help: "What the agent is asked to do." },
  { name: "system-event", value: "text", help: "Instead of --message: a line for the main session of the agent." },
  {
    name: "wake",
    value: "mode",
    choices: ["now", "next-heartbeat"],
    help: "Of --system-event: run a turn at once, or leave it for the next turn.",
  },
  {
    name: "session",
    value: "target",
    help: "isolated (a conversation of its own for each run), main (for --system-event), or session:<key>.",
  },
  { name: "agent", value: "id", valueKind: "agent", help: "Agent that runs it (default: the default agent)." },
  { name: "model", value: "model", valueKind: "model", help: "Model of the runs (default: the agent's)." },
  THINKING,
  { name: "timeout-seconds", value: "n", range: [0, 86_400], help: "Longest time of a run; 0 is the agent's own limit." },
  { name: "tools", value: "list", help: 'Only these tools of the agent, such as read,web_fetch; "" for none.' },
  { name: "description", value: "text", help: "What it is for." },
  { name: "display-name", value: "name", help: "A name for lists." },
];

const WHERE: readonly CliFlag[] = [
  { name: "announce", help: "Deliver the answer to a chat: the last one of the agent, or --channel and --to." },
  { name: "no-deliver", help: "Keep the answer in the session." },
  { name: "channel", value: "channel", valueKind: "channel", help: "Channel of the chat (default: last)." },
  { name: "to", value: "recipient", help: "Room or person on the channel." },
  { name: "account", value: "id", valueKind: "account", help: "Account of the channel." },
  { name: "thread-id", value: "id", help: "Thread or topic." },
];

const POLICY: readonly CliFlag[] = [
  {
    name: "missed",
    value: "policy",
    choices: ["skip", "once", "all"],
    help: "What is made up for after the gateway was down (default: cron.skipMissedJobs, else once).",
  },
  { name: "missed-window", value: "duration", help: "How far back it is made up for (default: 24h)." },
  { name: "overlap", value: "policy", choices: ["skip", "queue"], help: "What is due while an earlier run is not over (default: skip)." },
  { name: "retries", value: "n", range: [0, 10], help: "Retries of a failed run (default: cron.retry.maxAttempts)." },
];

const ID = [{ name: "id", required: true }] as const;
const ONCE: CliFlag = { name: "delete-after-run", help: "Remove a job of --at after it has succeeded." };

const changes: readonly CliCommand[] = [
  {
    path: ["cron", "add"],
    summary: "Add a job.",
    args: [{ name: "name", required: false }],
    flags: [
      { name: "name", value: "name", help: "Name of the job; also the argument." },
      ...WHEN,
      ...WHAT,
      ...WHERE,
      ...POLICY,
      ONCE,
      { name: "disabled", help: "Add it disabled." },
    ],
    usesGateway: true,
    notes: [
      "It prints when the job is due next. An answer is delivered only with --announce or --channel; otherwise it stays in the session.",
    ],
    examples: [
      'openclaw cron add report --cron "0 9 * * 1-5" --message "Summarize my mail."',
      'openclaw cron add tea --at 20m --message "The tea is ready." --announce',
    ],
    load: async () => (await import("./cron-edit.ts")).cronAdd,
  },
  {
    path: ["cron", "edit"],
    summary: "Change a job: only what is named.",
    args: ID,
    flags: [
      { name: "name", value: "name", help: "Another name." },
      ...WHEN,
      ...WHAT,
      ...WHERE,
      ...POLICY,
      ONCE,
      { name: "keep-after-run", help: "Keep a job of --at after it has succeeded." },
      { name: "enable", help: "Enable it." },
      { name: "disable", help: "Disable it." },
      { name: "clear-agent", help: "The default agent runs it." },
      { name: "clear-model", help: "The agent's own model answers." },
      { name: "clear-thinking", help: "The agent's own reasoning effort." },
      { name: "clear-tools", help: "All tools of the agent." },
    ],
    usesGateway: true,
    examples: ["openclaw cron edit 3f2a --cron '30 8 * * 1-5'", "openclaw cron edit 3f2a --channel telegram --to 4711"],
    load: async () => (await import("./cron-edit.ts")).cronEdit,
  },
  {
    path: ["cron", "enable"],
    summary: "Enable a job.",
    args: ID,
    usesGateway: true,
    examples: ["openclaw cron enable 3f2a"],
    load: async () => (await import("./cron-edit.ts")).cronEnable,
  },
  {
    path: ["cron", "disable"],
    summary: "Disable a job; nothing of it is due until it is enabled.",
    args: ID,
    usesGateway: true,
    examples: ["openclaw cron disable 3f2a"],
    load: async () => (await import("./cron-edit.ts")).cronDisable,
  },
  {
    path: ["cron", "rm"],
    summary: "Remove a job; its runs stay in the log.",
    args: ID,
    flags: [YES],
    usesGateway: true,
    examples: ["openclaw cron rm 3f2a --yes"],
    load: async () => (await import("./cron-edit.ts")).cronRemove,
  },
];

export const cronCommands: CommandFamily = {
  summary: "Jobs that start turns at due times: list, add, run, log.",
  commands: [
    {
      path: ["cron", "list"],
      group: "Schedule",
      summary: "List the jobs, with when they are due next and how they ended last.",
      flags: [
        { name: "all", help: "Disabled ones too." },
        { name: "agent", value: "id", valueKind: "agent", help: "Only those of one agent." },
        { name: "limit", short: "n", value: "rows", range: [1, 200], help: "Number of rows (default: 50)." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw cron list", "openclaw cron list --all --json"],
      load: async () => (await import("./cron.ts")).cronList,
    },
    {
      path: ["cron", "show"],
      summary: "Show one job, with its next and its last runs.",
      args: ID,
      usesGateway: true,
      examples: ["openclaw cron show 3f2a"],
      load: async () => (await import("./cron.ts")).cronShow,
    },
    {
      path: ["cron", "get"],
      summary: "Print one job as JSON.",
      args: ID,
      usesGateway: true,
      examples: ["openclaw cron get 3f2a"],
      load: async () => (await import("./cron.ts")).cronGet,
    },
    ...changes,
    {
      path: ["cron", "run"],
      summary: "Run a job now.",
      args: ID,
      flags: [
        { name: "due", help: "Only when it is due." },
        { name: "wait", help: "Wait for its end." },
        { name: "wait-timeout", value: "duration", help: "Longest wait (default: 10m)." },
      ],
      usesGateway: true,
      examples: ["openclaw cron run 3f2a", "openclaw cron run 3f2a --wait"],
      load: async () => (await import("./cron.ts")).cronRun,
    },
    {
      path: ["cron", "runs"],
      summary: "Show the log: what ran, how it ended, and what was skipped for which reason.",
      args: [{ name: "id", required: false }],
      flags: [
        { name: "limit", short: "n", value: "rows", range: [1, 200], help: "Number of rows (default: 20)." },
        { name: "status", value: "status", choices: ["all", "ok", "error", "skipped"], help: "Only those that ended so." },
        {
          name: "delivery-status",
          value: "status",
          choices: ["delivered", "not-delivered", "unknown", "not-requested"],
          help: "Only those whose answer was delivered so.",
        },
        { name: "run-id", value: "id", help: "Only this run." },
        { name: "query", value: "text", help: "Only those whose answer, error or name has this text." },
        { name: "sort", value: "direction", choices: ["asc", "desc"], help: "Oldest or newest first (default: desc)." },
      ],
      usesGateway: true,
      examples: ["openclaw cron runs", "openclaw cron runs 3f2a --status error"],
      load: async () => (await import("./cron.ts")).cronRuns,
    },
    {
      path: ["cron", "status"],
      summary: "Show whether jobs run, how many there are, and when the next is due.",
      usesGateway: true,
      examples: ["openclaw cron status"],
      load: async () => (await import("./cron.ts")).cronStatus,
    },
  ],
};
