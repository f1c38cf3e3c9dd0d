/** When a command of an agent runs, from the strictest on. */
export const COMMAND_MODES = ["deny", "allowlist", "ask", "auto", "full"] as const;
/** Where commands of agents run. */
export const COMMAND_HOSTS = ["auto", "sandbox", "gateway"] as const;
