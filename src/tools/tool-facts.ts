/** What a tool does outside of its conversation. Who denies one tool denies all that have the same effect. */
export const TOOL_EFFECTS = [
  /** Shows names of files. */
  "list",
  /** Shows the content of files. */
  "read",
  "write",
  /** Reads what the web has, and tells it what is asked. */
  "fetch",
  /** Acts on the web as a person with a browser, and keeps what sites store. */
  "browse",
  /** Runs programs. */
  "run",
  /** Shows earlier conversations, and what was noted. */
  "recall",
  /** Writes to people. */
  "send",
  /** Starts turns later. */
  "schedule",
  /** Gives work to other sessions. */
  "delegate",
  /** Acts on the devices that are paired as nodes, and reads what they see. */
  "device",
  /** Whatever a tool of an MCP server does. */
  "mcp",
  /** Whatever a tool of a plugin does. */
  "plugin",
] as const;
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/** What the policy and the lists of tools know of one. */
export type ToolFacts = {
  section: ToolSection;
  effect: ToolEffect;
  profiles: readonly ("coding" | "messaging" | "minimal")[];
  /** A model does not read it with every request: it finds it by words, with the tool `more_tools`. */
  isFound?: true;
};

/** Where lists show a tool; a list of tools may name all of a section as `group:<section>`. */
export const TOOL_SECTIONS = {
  fs: "Files",
  runtime: "Runtime",
  web: "Web",
  sessions: "Conversations",
  memory: "Memory",
  messaging: "Messages",
  automation: "Schedule",
  mcp: "MCP servers",
  nodes: "Nodes",
  ui: "Browser",
  media: "Media",
  plugins: "Plugins",
} as const;
export type ToolSection = keyof typeof TOOL_SECTIONS;
