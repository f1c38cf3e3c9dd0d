import { agentIds, defaultAgentId, hasAgent, resolveAgent } from "../config/agents.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { suggest } from "../config/suggest.ts";
import { editConfig } from "./config-edit.ts";
import type { Run } from "./command.ts";
import { gatewayOrFiles, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf } from "./target.ts";
import { cleanLine } from "./text.ts";

type Model = {
  id: string;
  name?: string;
  provider?: string;
  contextWindow?: number;
  reasoning?: boolean;
  tags?: string[];
  available?: boolean;
  reason?: string;
};
type ModelsList = { models: Model[]; source?: string };

const nameOf = ({ id, provider }: Model): string => (provider && !id.startsWith(`${provider}/`) ? `${provider}/${id}` : id);

/** `openclaw models list` */
export const modelsList: Run = async (invocation) => {
  const { out } = invocation;
  const params = { ...(invocation.has("all") && { view: "all" }), ...(invocation.has("refresh") && { refresh: true }) };
  const answer = await gatewayOrFiles<ModelsList>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("models.list", params),
    () => modelsFromFiles(invocation),
  );
  out.result(answer, () => {
    if (answer.models.length === 0)
      return out.line("No models. Set a key, e.g. ANTHROPIC_API_KEY, or start a local server such as Ollama.");
    const rows = answer.models.map((model) => [
      nameOf(model),
      model.name ?? "-",
      model.contextWindow ? `${Math.round(model.contextWindow / 1_000)}k` : "-",
      model.reasoning ? "yes" : "no",
      model.available === false ? (model.reason ?? "no") : "yes",
      (model.tags ?? []).join(" "),
    ]);
    out.table(
      [
        { title: "model", cut: true },
        { title: "name", cut: true },
        { title: "context", align: "right" },
        { title: "thinks" },
        { title: "available", cut: true },
        { title: "" },
      ],
      rows,
    );
  });
};

function modelsFromFiles(invocation: Invocation): ModelsList {
  const { config } = configOf(invocation);
  const wanted = resolveAgent(config, defaultAgentId(config), pathsOf(invocation).state).models;
  const models = Object.entries(config.models.providers).flatMap(([provider, { models = [] }]) =>
    (models as readonly { id: string; name?: string; contextWindow?: number; reasoning?: boolean }[]).map((model) => ({
      ...model,
      provider,
      tags: wanted[0] === `${provider}/${model.id}` ? ["default"] : [],
    })),
  );
  return { source: "files", models };
}

type ModelStatus = { agent: string; configured: readonly string[]; answers: string | null; models: Model[]; source?: string };

/** `openclaw models status` */
export const modelsStatus: Run = async (invocation) => {
  const { out } = invocation;
  const { config } = configOf(invocation);
  const agentId = invocation.text("agent");
  const status = await gatewayOrFiles<ModelStatus>(
    invocation,
    ["operator.read"],
    async ({ client }) => {
      const { models } = await client.request<ModelsList>("models.list", agentId ? { agentId } : {});
      const { agents, defaultId } = await client.request<{
        defaultId: string;
        agents: { id: string; model?: { primary?: string; fallbacks?: string[] } }[];
      }>("agents.list");
      const agent = agents.find((each) => each.id === (agentId ?? defaultId));
      if (!agent)
        throw unknownAgent(
          agentId ?? defaultId,
          agents.map((each) => each.id),
        );
      const configured = [agent.model?.primary, ...(agent.model?.fallbacks ?? [])].filter((name) => name !== undefined);
      const answers =
        models.find((model) => model.tags?.includes("default") && model.available !== false) ??
        models.find((model) => configured.includes(nameOf(model)));
      return { agent: agent.id, configured, answers: answers ? nameOf(answers) : (configured[0] ?? null), models };
    },
    () => {
      if (agentId !== undefined && !hasAgent(config, agentId)) throw unknownAgent(agentId, agentIds(config));
      const agent = resolveAgent(config, agentId ?? defaultAgentId(config), pathsOf(invocation).state);
      return { source: "files", agent: agent.id, configured: agent.models, answers: agent.models[0] ?? null, models: [] };
    },
  );
  out.result(status, () => {
    out.pairs([
      ["agent", status.agent],
      ["configured", status.configured.join(", then ") || "nothing: the gateway looks for keys and local servers"],
      ["answers", status.answers ?? "decided when the gateway starts"],
    ]);
    for (const model of status.models.filter((each) => each.available === false))
      out.line(`! ${cleanLine(nameOf(model))} is not available${model.reason ? `: ${cleanLine(model.reason)}` : ""}`);
  });
};

function unknownAgent(id: string, known: readonly string[]): CliError {
  const meant = suggest(id, known);
  return new CliError(`there is no agent ${cleanLine(id)}`, {
    why: meant ? `did you mean ${meant}?` : `there are: ${known.join(", ")}.`,
    fix: "openclaw agents list",
    exit: EXIT.usage,
  });
}

/** `openclaw models set <model>` */
export const modelsSet: Run = async (invocation) => {
  const { out } = invocation;
  const model = invocation.arg(0);
  if (!/^[^/\s]+\/\S.*$/.test(model))
    throw new CliError(`"${cleanLine(model)}" is not a model`, {
      why: "a model is written provider/model.",
      fix: "openclaw models list shows them.",
      exit: EXIT.usage,
    });
  const agent = invocation.text("agent");
  const path =
    agent === undefined ? ["agents", "defaults", "model", "primary"] : ["agents", "entries", agent.toLowerCase(), "model", "primary"];
  const parent = path.slice(0, -1);
  const where = await editConfig(invocation, (edit) => {
    // The short form `model: "x"` cannot take a key; what it says becomes the long form.
    const value = edit.get(parent);
    if (typeof value === "object" && value !== null) edit.set(path, model);
    else edit.set(parent, { primary: model });
  });
  const known = await withGateway(invocation, { scopes: ["operator.read"] }, ({ client }) =>
    client.request<ModelsList>("models.list", { view: "all" }),
  ).then(
    ({ models }) => models.some((each) => nameOf(each) === model),
    (err: unknown) => {
      if (err instanceof CliError && err.exit === EXIT.unavailable) return null;
      throw err;
    },
  );
  out.result({ ok: true, model, ...(agent && { agent }), where, known }, () => {
    out.line(
      `${agent === undefined ? "Agents" : `Agent ${cleanLine(agent)}`} will use ${cleanLine(model)} from the next message on (${where}).`,
    );
    if (known === false)
      out.note(`Note: no provider offers ${cleanLine(model)} at the moment. openclaw models list --all shows what there is.`);
  });
};
