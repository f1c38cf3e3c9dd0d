import { ACP_PROVIDER } from "../agents/acp/agent-spec.ts";
import type { AgentProcessStatus } from "../agents/runtime.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";
import {
  installText,
  optionsText,
  parseSpawn,
  setDirectory,
  setOption,
  setPermissions,
  setTimeoutSeconds,
  type SpawnWords,
} from "./acp-options.ts";

/** What `/acp` may know. */
export type AcpCommandContext = {
  /** Names of the agents that may be used. */
  names: () => readonly string[];
  /** The one that is meant without a name; null: none is configured. */
  defaultName: () => string | null;
  processes: () => readonly AgentProcessStatus[];
  isDirectory: (path: string) => boolean;
};

/** `forgets`: the runtime forgets what it has of the conversation. */
type AcpAnswer = { text: string; changes: SessionPatch; forgets?: boolean };

const USAGE =
  "/acp spawn <agent> lets an agent of another vendor answer here; /acp status shows it, /acp model <model>, /acp set-mode <mode>, /acp set <option> <value>, /acp cwd <directory>, /acp timeout <seconds> and /acp permissions ask|deny-all choose how it works, /acp reset-options takes that back, /acp steer <text> stops its answer and asks this instead, /acp cancel stops its answer, /acp close ends it, /acp sessions lists all, /acp install says how programs are installed.";

const only = (text: string): AcpAnswer => ({ text, changes: {} });
const isAgentOf = (session: SessionRow): boolean => session.model?.startsWith(`${ACP_PROVIDER}/`) === true;

/** What `/acp` says and changes. Pure, but for what `context` reads. */
export function answerAcp(arg: string, session: SessionRow, context: AcpCommandContext): AcpAnswer {
  const [action = "", ...words] = arg.split(/\s+/).filter(Boolean);
  const answer = isOptionAction(action) ? answerOption(action.toLowerCase(), words, session, context) : null;
  if (answer !== null) return answer;
  const [name, ...more] = words;
  if (more.length > 0 && action.toLowerCase() !== "spawn") return only(`/acp ${action.slice(0, 40)} takes one name. ${USAGE}`);
  switch (action.toLowerCase()) {
    case "":
    case "help":
      return only(`${USAGE} ${listNames(context)}`);
    case "spawn":
      return spawn(parseSpawn(words), session, context);
    case "model":
      return chooseModel(name, session, context);
    case "set-mode":
      return chooseMode(name, session, context);
    case "reset-options":
      return resetOptions(session);
    case "steer":
      return only("Say what it is to do instead: /acp steer <text>.");
    case "doctor":
      return only("On the gateway's machine, openclaw acp doctor starts each agent and says what is wrong.");
    case "close":
      return close(session);
    case "status":
      return only(statusText(session, context.processes()));
    case "sessions":
      return only(sessionsText(context.processes()));
    case "install":
      return only(installText(name, context.names()));
    default:
      return only(`/acp ${action.slice(0, 40)} is not served here. ${USAGE}`);
  }
}

const listNames = ({ names }: AcpCommandContext): string =>
  names().length === 0 ? "No agent is configured (acp.agents)." : `Agents: ${names().join(", ")}.`;

const OPTION_ACTIONS: readonly string[] = ["set", "cwd", "timeout", "permissions"];
const isOptionAction = (action: string): boolean => OPTION_ACTIONS.includes(action.toLowerCase());

/** What chooses how the agent of this conversation works; null: another command has the choice. */
function answerOption(action: string, words: readonly string[], session: SessionRow, context: AcpCommandContext): AcpAnswer | null {
  if (!isAgentOf(session)) return only(NO_AGENT);
  const value = words.join(" ");
  if (action === "cwd") return setDirectory(value, session, context.isDirectory);
  if (action === "timeout") return setTimeoutSeconds(value, session);
  if (action === "permissions") return setPermissions(value, session);
  const [key = "", ...rest] = words;
  if (key === "model" || key === "mode") {
    if (rest.length > 1) return only(`/acp set ${key} takes one name.`);
    return key === "model" ? chooseModel(rest[0], session, context) : chooseMode(rest[0], session, context);
  }
  return isOptionAction(key) && key !== "set" ? answerOption(key, rest, session, context) : setOption(words, session, context.processes());
}

function spawn({ name: named, cwd, refusal }: SpawnWords, session: SessionRow, context: AcpCommandContext): AcpAnswer {
  if (refusal !== null) return only(refusal);
  const name = named ?? context.defaultName();
  if (name === null) return only(`Name an agent: /acp spawn <agent>. ${listNames(context)}`);
  const agent = name.split("/", 1)[0]!;
  if (!context.names().includes(agent)) return only(`There is no agent ${JSON.stringify(agent.slice(0, 64))} here. ${listNames(context)}`);
  const model = `${ACP_PROVIDER}/${name}`;
  if (session.model === model) return only(`${agent} answers here already. /acp close ends that.`);
  const directory = cwd === null ? null : setDirectory(cwd, { ...session, agent_options: null }, context.isDirectory);
  if (directory !== null && Object.keys(directory.changes).length === 0) return directory;
  return {
    text: `${agent} answers here from the next message on. It acts with its own tools and does not know the earlier messages. /acp close ends that.`,
    changes: { model, ...WITHOUT_OPTIONS, ...directory?.changes },
  };
}

const WITHOUT_OPTIONS: SessionPatch = { agent_mode: null, agent_options: null };
const NO_AGENT = "No agent was spawned here: /acp spawn <agent>.";

const agentIn = ({ model }: SessionRow): string => model!.slice(ACP_PROVIDER.length + 1).split("/", 1)[0]!;

/** Why a name is not one of what the agent has; null when it is, or when the agent does not run and nothing is known. */
function refuseChoice(kind: "model" | "mode", name: string, session: SessionRow, { processes }: AcpCommandContext): string | null {
  const running = processes().find(({ sessionKey }) => sessionKey === session.key);
  const names = running?.[`${kind}s`] ?? [];
  if (running === undefined || running.state === "starting" || names.includes(name)) return null;
  const offered = names.length === 0 ? `It has no ${kind}s to choose.` : `It has: ${names.slice(0, 20).join(", ")}.`;
  return `${running.name} does not have the ${kind} ${JSON.stringify(name.slice(0, 100))}. ${offered}`;
}

function chooseModel(name: string | undefined, session: SessionRow, context: AcpCommandContext): AcpAnswer {
  if (!isAgentOf(session)) return only(NO_AGENT);
  if (name === undefined) return only(`Name a model: /acp model <model>. ${statusText(session, context.processes())}`);
  const refusal = refuseChoice("model", name, session, context);
  if (refusal !== null) return only(refusal);
  return {
    text: `It works with the model ${name} from the next message on.`,
    changes: { model: `${ACP_PROVIDER}/${agentIn(session)}/${name}` },
  };
}

function chooseMode(name: string | undefined, session: SessionRow, context: AcpCommandContext): AcpAnswer {
  if (!isAgentOf(session)) return only(NO_AGENT);
  if (name === undefined) return only(`Name a mode: /acp set-mode <mode>. ${statusText(session, context.processes())}`);
  if (name.length > MODE_CHARS) return only(`A mode has at most ${MODE_CHARS} characters.`);
  const refusal = refuseChoice("mode", name, session, context);
  if (refusal !== null) return only(refusal);
  return { text: `It works in the mode ${name} from the next message on.`, changes: { agent_mode: name } };
}

const MODE_CHARS = 200;

function resetOptions(session: SessionRow): AcpAnswer {
  if (!isAgentOf(session)) return only(NO_AGENT);
  return {
    text: "From the next message on it works as it is configured.",
    changes: { model: `${ACP_PROVIDER}/${agentIn(session)}`, ...WITHOUT_OPTIONS },
  };
}

function close(session: SessionRow): AcpAnswer {
  if (!isAgentOf(session)) return only("No agent was spawned here.");
  return {
    text: "Its process has ended. The agent of this conversation answers again.",
    changes: { model: null, checkpoint: null, ...WITHOUT_OPTIONS },
    forgets: true,
  };
}

function statusText(session: SessionRow, processes: readonly AgentProcessStatus[]): string {
  const found = processes.find(({ sessionKey }) => sessionKey === session.key);
  if (found) return describe(found) + optionsText(session);
  return isAgentOf(session)
    ? `${session.model} answers here. It does not run now; the next message starts it.${optionsText(session)}`
    : "No agent of another vendor answers here.";
}

function sessionsText(processes: readonly AgentProcessStatus[]): string {
  if (processes.length === 0) return "No agent of another vendor runs.";
  return processes.map((each) => `${each.sessionKey}: ${describe(each)}`).join("\n");
}

function describe({
  name,
  version,
  pid,
  state,
  agentSessionId,
  mode,
  model,
  modes,
  models,
  options,
  canReopen,
}: AgentProcessStatus): string {
  const parts = [
    `${name}${version === "" ? "" : ` (${version})`}, ${state}, pid ${pid ?? "unknown"}`,
    ...(agentSessionId === null ? [] : [`its session ${agentSessionId}${canReopen ? "" : ", which ends with its process"}`]),
    ...(mode === null ? [] : [`mode ${mode}${modes.length > 1 ? ` of ${modes.join(", ")}` : ""}`]),
    ...(model === null ? [] : [`model ${model}${models.length > 1 ? ` of ${models.slice(0, 20).join(", ")}` : ""}`]),
    ...options.slice(0, 20).map(({ id, value, values }) => `${id} ${value} of ${values.slice(0, 20).join(", ")}`),
  ];
  return `${parts.join("; ")}.`;
}
