import type { CommandFamily } from "./command.ts";

export const systemCommands: CommandFamily = {
  summary: "System events for an agent, and its heartbeats.",
  commands: [
    {
      path: ["system", "event"],
      group: "Schedule",
      summary: "Leave a line for the next turn of an agent, as data.",
      flags: [
        { name: "text", value: "text", help: "The line (required)." },
        {
          name: "mode",
          value: "mode",
          choices: ["now", "next-heartbeat"],
          help: "now: ask for a heartbeat at once, where heartbeats are on (default: next-heartbeat).",
        },
        { name: "agent", value: "id", valueKind: "agent", help: "The agent (default: the default agent)." },
        { name: "session-key", value: "key", valueKind: "session", help: "The session (default: the main session)." },
      ],
      usesGateway: true,
      notes: ["With heartbeats off no model is asked: the line waits for the next turn."],
      examples: ['openclaw system event --text "The backup has failed." --mode now'],
      load: async () => (await import("./system.ts")).systemEvent,
    },
    {
      path: ["system", "heartbeat", "status"],
      summary: "Show the heartbeats: when the next one is due, what they cost, and why they pause.",
      usesGateway: true,
      examples: ["openclaw system heartbeat status"],
      load: async () => (await import("./system.ts")).heartbeatStatus,
    },
    {
      path: ["system", "heartbeat", "last"],
      summary: "Show what became of the last heartbeat.",
      usesGateway: true,
      examples: ["openclaw system heartbeat last"],
      load: async () => (await import("./system.ts")).heartbeatLast,
    },
    {
      path: ["system", "heartbeat", "enable"],
      summary: "Switch heartbeats on, as the configuration has them, and end every pause.",
      usesGateway: true,
      examples: ["openclaw system heartbeat enable"],
      load: async () => (await import("./system.ts")).heartbeatEnable,
    },
    {
      path: ["system", "heartbeat", "disable"],
      summary: "Switch all heartbeats off, also through restarts.",
      usesGateway: true,
      examples: ["openclaw system heartbeat disable"],
      load: async () => (await import("./system.ts")).heartbeatDisable,
    },
  ],
};
