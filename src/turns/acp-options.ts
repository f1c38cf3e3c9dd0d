import { isAbsolute, normalize } from "node:path";
import {
  formatConversationOptions,
  parseConversationOptions,
  TIMEOUT_SECONDS,
  type ConversationOptions,
} from "../agents/acp/conversation-options.ts";
import type { AgentProcessStatus } from "../agents/runtime.ts";
import { ACP_PRESETS } from "../core/acp-presets.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";

export type OptionAnswer = { text: string; changes: SessionPatch };

const only = (text: string): OptionAnswer => ({ text, changes: {} });
const quoted = (text: string): string => JSON.stringify(text.slice(0, 200));

const changed = (session: SessionRow, change: ConversationOptions, text: string): OptionAnswer => ({
  text,
  changes: { agent_options: formatConversationOptions({ ...parseConversationOptions(session.agent_options), ...change }) },
});

/** Characters of an option and of its value, and options of one conversation; more are refused. */
const OPTION_CHARS = 200;
const MAX_OPTIONS = 20;

/** `/acp set <option> <value>`: an option of the agent itself. Pure. */
export function setOption([id, ...words]: readonly string[], session: SessionRow, processes: readonly AgentProcessStatus[]): OptionAnswer {
  const value = words.join(" ");
  const running = processes.find(({ sessionKey, state }) => sessionKey === session.key && state !== "starting");
  const options = running?.options ?? [];
  if (id === undefined || value === "")
    return only(
      `Name an option and its value: /acp set <option> <value>. ${running ? describeOptions(options) : "Its options are known while it runs."}`,
    );
  const option = options.find((each) => each.id === id);
  if (running && !option) return only(`${running.name} does not have the option ${quoted(id)}. ${describeOptions(options)}`);
  if (option && !option.values.includes(value))
    return only(`The option ${option.id} does not take ${quoted(value)}. It takes: ${option.values.slice(0, 20).join(", ")}.`);
  const { config = {} } = parseConversationOptions(session.agent_options);
  if (id.length > OPTION_CHARS || value.length > OPTION_CHARS)
    return only(`An option and its value have at most ${OPTION_CHARS} characters each.`);
  if (!Object.hasOwn(config, id) && Object.keys(config).length >= MAX_OPTIONS)
    return only(`${MAX_OPTIONS} options are set here already, and more are not kept. /acp reset-options takes them back.`);
  return changed(
    session,
    { config: { ...config, [id]: value } },
    `It works with ${id.slice(0, 100)} ${quoted(value)} from the next message on.`,
  );
}

const describeOptions = (options: AgentProcessStatus["options"]): string =>
  options.length === 0
    ? "It has no options to set."
    : `It has: ${options
        .slice(0, 20)
        .map(({ id, value, values }) => `${id} (${value}; ${values.slice(0, 20).join(", ")})`)
        .join("; ")}.`;

/** `/acp cwd <directory>`. Pure, but for `isDirectory`. */
export function setDirectory(path: string, session: SessionRow, isDirectory: (path: string) => boolean): OptionAnswer {
  if (path === "") return only("Name a directory of the gateway's machine: /acp cwd /srv/project.");
  if (!isAbsolute(path)) return only(`${quoted(path)} is not an absolute path. Write it from / on: /acp cwd /srv/project.`);
  if (!isDirectory(path)) return only(`${quoted(path)} is not a directory on the gateway's machine, or it cannot be read.`);
  return changed(session, { cwd: normalize(path) }, `It works in ${normalize(path)} from the next message on.`);
}

/** `/acp timeout <seconds>`. Pure. */
export function setTimeoutSeconds(text: string, session: SessionRow): OptionAnswer {
  const { min, max } = TIMEOUT_SECONDS;
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= min && seconds <= max))
    return only(`Name whole seconds from ${min} to ${max}: /acp timeout 600. A silent agent is ended after that time.`);
  return changed(session, { timeoutSeconds: seconds }, `From the next message on it is ended after ${seconds} s of silence.`);
}

/** `/acp permissions ask|deny-all`. Pure. */
export function setPermissions(text: string, session: SessionRow): OptionAnswer {
  const { permissions: _permissions, ...others } = parseConversationOptions(session.agent_options);
  switch (text.toLowerCase()) {
    case "ask":
      return {
        text: "A person is asked again about what it wants to do.",
        changes: { agent_options: formatConversationOptions(others) },
      };
    case "deny-all":
      return changed(
        session,
        { permissions: "deny-all" },
        "What it asks for is answered with no, without a question to anyone. /acp permissions ask ends that.",
      );
    case "approve-all":
    case "approve-reads":
      return only(
        `${text.toLowerCase()} is not served here: the gateway does not agree in place of a person. What an agent asks about at all is set by its mode: /acp set-mode <mode>.`,
      );
    default:
      return only("Say who decides: /acp permissions ask, or /acp permissions deny-all.");
  }
}

/** `/acp install [agent]`: how programs are installed; the gateway installs nothing. Pure. */
export function installText(name: string | undefined, names: readonly string[]): string {
  const wanted = name === undefined ? names.filter((each) => Object.hasOwn(ACP_PRESETS, each)) : [name];
  const preset = name === undefined ? undefined : Object.hasOwn(ACP_PRESETS, name) ? ACP_PRESETS[name] : undefined;
  if (name !== undefined && !preset)
    return `How ${quoted(name)} is installed is not known here. Known: ${Object.keys(ACP_PRESETS).join(", ")}.`;
  if (wanted.length === 0) return `Name an agent: /acp install <agent>. Known: ${Object.keys(ACP_PRESETS).join(", ")}.`;
  const lines = wanted.map((each) => `${each}: ${ACP_PRESETS[each]!.install}`);
  const missing = wanted.filter((each) => !names.includes(each));
  const allow =
    missing.length === 0 ? "" : `\nThen allow it: openclaw config set acp.allowedAgents '${JSON.stringify([...names, ...missing])}'`;
  return `The gateway installs nothing. On its machine, as its user:\n${lines.join("\n")}${allow}\nThen openclaw acp doctor says whether it works.`;
}

/** What was chosen, for `/acp status`; empty where nothing was. Pure. */
export function optionsText({ agent_options: stored }: SessionRow): string {
  const { cwd, timeoutSeconds, permissions, config = {} } = parseConversationOptions(stored);
  const parts = [
    ...(cwd === undefined ? [] : [`directory ${cwd}`]),
    ...(timeoutSeconds === undefined ? [] : [`silence of ${timeoutSeconds} s at most`]),
    ...(permissions === undefined ? [] : ["its questions are answered with no"]),
    ...Object.entries(config).map(([id, value]) => `${id} ${value}`),
  ];
  return parts.length === 0 ? "" : ` Chosen here: ${parts.join("; ")}.`;
}

/** Flags of `/acp spawn` by which OpenClaw binds it to a conversation or a thread: what holds here in any case. */
const BOUND_HERE: Readonly<Record<string, readonly string[]>> = {
  "--bind": ["here"],
  "--thread": ["here", "auto"],
  "--mode": ["persistent"],
};

export type SpawnWords = { name: string | undefined; cwd: string | null; refusal: string | null };

/** The words behind `/acp spawn`. Pure. */
export function parseSpawn(words: readonly string[]): SpawnWords {
  let name: string | undefined;
  let cwd: string | null = null;
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith("--")) {
      if (name !== undefined) return { name, cwd, refusal: "/acp spawn takes one name." };
      name = word;
      continue;
    }
    const [flag = "", inline] = word.split("=", 2);
    const value = inline ?? words[++index] ?? "";
    if (flag === "--cwd") cwd = value;
    else if (!BOUND_HERE[flag]?.includes(value)) return { name, cwd, refusal: refuseFlag(flag, value) };
  }
  return { name, cwd, refusal: null };
}

function refuseFlag(flag: string, value: string): string {
  const accepted = BOUND_HERE[flag];
  return accepted
    ? `${flag} ${quoted(value)} is not served here: an agent answers the conversation, or thread, in which it was spawned, until /acp close. Accepted: ${accepted.join(", ")}.`
    : `/acp spawn does not take ${flag.slice(0, 40)} here; it takes --cwd <directory>.`;
}
