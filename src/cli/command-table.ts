import type { CliCommand, CommandFamily } from "./command.ts";
import { acpCommands } from "./acp-commands.ts";
import { agentCommands } from "./agent-commands.ts";
import { agentsCommands } from "./agents-commands.ts";
import { approvalsCommands } from "./approvals-commands.ts";
import { auditCommands } from "./audit-commands.ts";
import { backupCommands } from "./backup-commands.ts";
import { browserCommands } from "./browser-commands.ts";
import { channelsCommands } from "./channels-commands.ts";
import { chatCommands } from "./chat-commands.ts";
import { cronCommands } from "./cron-commands.ts";
import { completionCommands } from "./completion-commands.ts";
import { configCommands } from "./config-commands.ts";
import { dashboardCommands } from "./dashboard-commands.ts";
import { deadLettersCommands } from "./dead-letters-commands.ts";
import { devicesCommands } from "./devices-commands.ts";
import { doctorCommands } from "./doctor-commands.ts";
import { execPolicyCommands } from "./exec-policy-commands.ts";
import { sandboxCommands } from "./sandbox-commands.ts";
import { daemonCommands, gatewayCommands } from "./gateway-commands.ts";
import { hooksCommands } from "./hooks-commands.ts";
import { logsCommands } from "./logs-commands.ts";
import { memoryCommands } from "./memory-commands.ts";
import { mcpCommands } from "./mcp-commands.ts";
import { messageCommands } from "./message-commands.ts";
import { modelsCommands } from "./models-commands.ts";
import { nodeCommands } from "./node-commands.ts";
import { nodesCommands } from "./nodes-commands.ts";
import { pairingCommands } from "./pairing-commands.ts";
import { peersCommands } from "./peers-commands.ts";
import { pluginsCommands } from "./plugins-commands.ts";
import { remoteCommands } from "./remote-commands.ts";
import { routeCommands } from "./route-commands.ts";
import { secretsCommands } from "./secrets-commands.ts";
import { securityCommands } from "./security-commands.ts";
import { sessionsCommands } from "./sessions-commands.ts";
import { setupCommands } from "./setup-commands.ts";
import { skillsCommands } from "./skills-commands.ts";
import { stateCommands } from "./state-commands.ts";
import { statusCommands } from "./status-commands.ts";
import { systemCommands } from "./system-commands.ts";
import { tasksCommands } from "./tasks-commands.ts";
import { tokensCommands } from "./tokens-commands.ts";
import { toolsCommands } from "./tools-commands.ts";
import { traceCommands } from "./trace-commands.ts";
import { updateCommands } from "./update-commands.ts";
import { usageCommands } from "./usage-commands.ts";
import { tuiCommands } from "./tui-commands.ts";

/** Every family of commands, in the order of the help. A family's flags, help and code are in the files that begin with its name. */
const FAMILIES: readonly CommandFamily[] = [
  gatewayCommands,
  setupCommands,
  daemonCommands,
  backupCommands,
  updateCommands,
  dashboardCommands,
  remoteCommands,
  peersCommands,
  chatCommands,
  tuiCommands,
  agentCommands,
  messageCommands,
  statusCommands,
  doctorCommands,
  stateCommands,
  logsCommands,
  routeCommands,
  toolsCommands,
  memoryCommands,
  browserCommands,
  cronCommands,
  systemCommands,
  hooksCommands,
  tasksCommands,
  usageCommands,
  auditCommands,
  traceCommands,
  sessionsCommands,
  deadLettersCommands,
  agentsCommands,
  modelsCommands,
  skillsCommands,
  channelsCommands,
  acpCommands,
  mcpCommands,
  pluginsCommands,
  configCommands,
  approvalsCommands,
  execPolicyCommands,
  sandboxCommands,
  pairingCommands,
  devicesCommands,
  securityCommands,
  secretsCommands,
  nodesCommands,
  nodeCommands,
  tokensCommands,
  completionCommands(() => COMMANDS),
];

/** Every command, as plain data for help, completion, suggestions and the parser; the code of a command is loaded when it runs. */
export const COMMANDS: readonly CliCommand[] = FAMILIES.flatMap(({ commands }) => commands);

/** Commands for programs: not in help, documents and completion. */
export const HIDDEN_COMMANDS: readonly CliCommand[] = FAMILIES.flatMap(({ hidden = [] }) => hidden);

/** What each family of several commands is about, by its name. */
export const FAMILY_SUMMARIES: ReadonlyMap<string, string> = new Map(
  FAMILIES.flatMap(({ summary, commands }) => (summary === undefined ? [] : [[commands[0]!.path[0]!, summary] as const])),
);
