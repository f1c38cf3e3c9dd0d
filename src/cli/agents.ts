import { agentPath } from "../config/agent-path.ts";
import { agentIds, defaultAgentId, resolveAgent } from "../config/agents.ts";
import type { Binding } from "../config/schema.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { bindingText } from "./agents-bind.ts";
import { applyConfigEdit } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway, gatewayOrFiles, isUnreachable, toCliError } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Agent = {
  id: string;
  name?: string;
  workspace?: string;
  model?: { primary?: string; fallbacks?: string[] };
  bindings?: readonly Binding[];
};
type AgentsList = { defaultId: string; agents: Agent[]; source?: string };

/** `openclaw agents list` */
export const agentsList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const wantsBindings = invocation.has("bindings");
  const answer = await gatewayOrFiles<AgentsList>(
    invocation,
    ["operator.read"],
    async ({ client }) => {
      const [list, config] = await Promise.all([
        client.request<AgentsList>("agents.list"),
        wantsBindings ? client.request<{ parsed?: { bindings?: Binding[] } }>("config.get") : null,
      ]);
      return config ? { ...list, agents: withBindings(list.agents, config.parsed?.bindings ?? [], list.defaultId) } : list;
    },
    () => agentsFromFiles(invocation, wantsBindings),
  );
  out.result(answer, () => {
    const rows = answer.agents.map((agent) => [
      agent.id === answer.defaultId ? `${agent.id} *` : agent.id,
      agent.name && agent.name !== agent.id ? agent.name : "-",
      agent.model?.primary ?? "-",
      agent.workspace ?? "-",
    ]);
    out.table(
      [{ title: "agent" }, { title: "name", truncate: true }, { title: "model", truncate: true }, { title: "workspace", truncate: true }],
      rows,
    );
    if (wantsBindings) showBindings(answer, invocation);
    out.note("* default agent: receives everything that no binding routes elsewhere.");
  });
};

function showBindings(answer: AgentsList, { out }: Invocation): void {
  out.line();
  for (const agent of answer.agents) {
    const rules = (agent.bindings ?? []).map(bindingText);
    if (agent.id === answer.defaultId) rules.push("everything else");
    out.line(`${out.paint("bold", sanitizeLine(agent.id))}`);
    for (const rule of rules.length > 0 ? rules : ["no bindings"]) out.line(`  ${sanitizeLine(rule)}`);
  }
}

const withBindings = (agents: readonly Agent[], bindings: readonly Binding[], _defaultId: string): Agent[] =>
  agents.map((agent) => ({ ...agent, bindings: bindings.filter((each) => each.agentId.toLowerCase() === agent.id) }));

function agentsFromFiles(invocation: Invocation, wantsBindings: boolean): AgentsList {
  const { config } = configOf(invocation);
  const { state } = pathsOf(invocation);
  const agents = agentIds(config).map((id) => {
    const { name, workspace, models } = resolveAgent(config, id, state);
    const [primary, ...fallbacks] = models;
    return { id, name, workspace, ...(primary && { model: { primary, fallbacks } }) };
  });
  const defaultId = defaultAgentId(config);
  return { source: "files", defaultId, agents: wantsBindings ? withBindings(agents, config.bindings, defaultId) : agents };
}

/** `openclaw agents add <name>` */
export const agentsAdd: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.arg(0);
  const workspace = invocation.text("workspace");
  const model = invocation.text("model");
  const id = name
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  if (!id)
    throw new CliError(`"${sanitizeLine(name)}" cannot be the name of an agent`, {
      why: "its id is derived from its letters and digits, and it has none.",
      fix: "choose another name.",
      exit: EXIT.usage,
    });
  const answer = await updateAgentEntries<{ agentId?: string; workspace?: string }>(
    invocation,
    (request) => request("agents.create", { name, ...(workspace && { workspace }), ...(model && { model }) }),
    async () => {
      const { config } = configOf(invocation);
      if (agentIds(config).some((each) => each === id)) throw new CliError(`agent ${id} already exists`, { fix: "openclaw agents list" });
      const entry = { ...(id !== name && { name }), ...(workspace && { workspace }), ...(model && { model: { primary: model } }) };
      await applyConfigEdit(invocation, (edit) => {
        // The first entry would replace the agent that exists without one.
        if (Object.keys(config.agents.entries).length === 0) edit.set(["agents", "entries", "main"], { default: true });
        edit.set(["agents", "entries", id], entry);
      });
      return { agentId: id };
    },
  );
  out.result(answer, () => {
    out.line(`Added the agent ${sanitizeLine(answer.agentId ?? id)}.`);
    out.note(`Route a chat to it: openclaw agents bind ${sanitizeLine(answer.agentId ?? id)} --channel irc`);
  });
};

/** `openclaw agents delete <id>` */
export const agentsDelete: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const id = invocation.arg(0).toLowerCase();
  const files = invocation.has("files");
  await invocation.confirm(`Remove the agent ${sanitizeLine(id)}${files ? " and delete its workspace" : "; its files stay"}?`);
  const answer = await updateAgentEntries(
    invocation,
    (request) => request("agents.delete", { agentId: id, deleteFiles: files }),
    async () => {
      if (files)
        throw new CliError("the workspace cannot be deleted", {
          why: "the gateway is not running, and only it knows which agents use those files.",
          fix: "start it with openclaw gateway, or omit --files.",
          exit: EXIT.unavailable,
        });
      const { config } = configOf(invocation);
      if (!Object.keys(config.agents.entries).some((each) => each.toLowerCase() === id))
        throw new CliError(`no agent ${sanitizeLine(id)} in the configuration`, { fix: "openclaw agents list" });
      await applyConfigEdit(invocation, (edit) => edit.unset(agentPath((path) => edit.get(path), id)));
      return { ok: true, agentId: id };
    },
  );
  out.result(answer, () => out.line(`Removed the agent ${sanitizeLine(id)}.`));
};

type GatewayRequest = <T>(method: string, params: unknown) => Promise<T>;

/** Through the gateway, which checks and applies at once; through the file when this machine's gateway is not running. */
async function updateAgentEntries<T>(
  invocation: Invocation,
  work: (request: GatewayRequest) => Promise<T>,
  files: () => Promise<T>,
): Promise<T> {
  let link;
  try {
    link = await connectGateway(invocation, { scopes: ["operator.admin"] });
  } catch (err) {
    if (!(err instanceof CliError) || !isUnreachable(err) || invocation.has("url")) throw err;
    invocation.out.note(`Gateway not running; changing ${pathsOf(invocation).config}.`);
    return await files();
  }
  try {
    const { client } = link;
    return await work((method, params) => client.request(method, params));
  } catch (err) {
    throw toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}
