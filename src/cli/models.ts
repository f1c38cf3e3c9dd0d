import { agentIds, defaultAgentId, hasAgent, resolveAgent } from "../config/agents.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { applyConfigEdit } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles } from "./connect.ts";
import { checkModelAvailability, toModelRef, type ModelView, type ModelCheck, type Providers } from "./model-check.ts";
import type { ProtocolClient } from "../client/client.ts";
import { requireKnownAgent, unknownAgentError } from "./known-names.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

type ModelsList = { models: ModelView[]; source?: string };

/** `openclaw models list` */
export const modelsList: CommandHandler = async (invocation) => {
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
      toModelRef(model),
      model.name ?? "-",
      model.contextWindow ? `${Math.round(model.contextWindow / 1_000)}k` : "-",
      model.reasoning ? "yes" : "no",
      model.available === false ? "no key" : "yes",
      (model.tags ?? []).join(" "),
    ]);
    out.table(
      [
        { title: "model", truncate: true },
        { title: "name", truncate: true },
        { title: "context", align: "right" },
        { title: "reasoning" },
        { title: "available", truncate: true },
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

type ModelStatus = {
  agent: string;
  configured: readonly string[];
  /** What would answer now. */
  answers: string | null;
  /** Whether the configured model can; null when unknown. */
  canAnswer: boolean | null;
  checks: readonly ModelCheck[];
  models: ModelView[];
  source?: string;
};
type AgentModels = { id: string; model?: { primary?: string; fallbacks?: string[] } };

/** `openclaw models status` */
export const modelsStatus: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { config } = configOf(invocation);
  const agentId = invocation.text("agent");
  const status = await gatewayOrFiles<ModelStatus>(
    invocation,
    ["operator.read"],
    ({ client }) => readModelStatus(client, agentId),
    () => {
      if (agentId !== undefined && !hasAgent(config, agentId)) throw unknownAgentError(agentId, agentIds(config));
      const agent = resolveAgent(config, agentId ?? defaultAgentId(config), pathsOf(invocation).state);
      const { models } = modelsFromFiles(invocation);
      return {
        source: "files",
        agent: agent.id,
        configured: agent.models,
        models,
        ...toModelStatus(agent.models, models, config.models.providers, false),
      };
    },
  );
  out.result(status, () => {
    out.pairs([
      ["agent", status.agent],
      ["configured", status.configured.join(", then ") || "nothing: the gateway looks for keys and local servers"],
      ["answers", status.answers ?? (status.source ? "decided when the gateway starts" : "nothing")],
    ]);
    for (const { model, problem, fix } of status.checks) {
      if (problem === undefined) continue;
      out.paragraph(`${out.paint("red", "✗")} ${sanitizeLine(model)} cannot answer: ${problem}.`, "  ");
      if (fix) out.paragraph(`  Fix: ${fix}`, "  ");
    }
  });
  return status.canAnswer === false ? EXIT.failure : EXIT.ok;
};

/** The models of an agent of a running gateway, and whether they can answer. */
export async function readModelStatus(client: ProtocolClient, agentId?: string): Promise<ModelStatus> {
  const [{ agents, defaultId }, providers] = await Promise.all([
    client.request<{ defaultId: string; agents: AgentModels[] }>("agents.list"),
    providersOf(client),
  ]);
  const agent = agents.find((each) => each.id === (agentId?.toLowerCase() ?? defaultId));
  const ids = agents.map((each) => each.id);
  if (!agent) throw unknownAgentError(agentId ?? defaultId, ids);
  const { models } = await client.request<ModelsList>("models.list", { view: "all", ...(agentId && { agentId: agent.id }) });
  const configured = [agent.model?.primary, ...(agent.model?.fallbacks ?? [])].filter((name) => name !== undefined);
  return { agent: agent.id, configured, models, ...toModelStatus(configured, models, providers, true) };
}

/** The providers of the gateway's own configuration; none when it does not say. */
async function providersOf(client: ProtocolClient): Promise<Providers> {
  const { parsed } = await client.request<{ parsed?: { models?: { providers?: Providers } } | null }>("config.get");
  return parsed?.models?.providers ?? {};
}

/** What answers: the first configured model that can, or, when none is configured, what the gateway chose by itself. */
function toModelStatus(
  configured: readonly string[],
  models: readonly ModelView[],
  providers: Providers,
  running: boolean,
): Pick<ModelStatus, "answers" | "canAnswer" | "checks"> {
  const checks = configured.map((name) => checkModelAvailability(name, models, providers, running));
  const able = checks.find((check) => check.canAnswer !== false);
  if (checks.length > 0) return { answers: able?.model ?? null, canAnswer: able ? able.canAnswer : false, checks };
  const chosen = models.find((model) => model.tags?.includes("default"));
  return { answers: running && chosen ? toModelRef(chosen) : null, canAnswer: running ? chosen !== undefined : null, checks };
}

/** `openclaw models set <model>` */
export const modelsSet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const model = invocation.arg(0);
  if (!/^[^/\s]+\/\S.*$/.test(model))
    throw new CliError(`"${sanitizeLine(model)}" is not a model`, {
      why: "a model is written provider/model.",
      fix: "openclaw models list shows them.",
      exit: EXIT.usage,
    });
  const agent = requireKnownAgent(invocation, invocation.text("agent"));
  const check = await checkRequestedModel(invocation, model);
  if (!check.isKnown && !invocation.has("force"))
    throw new CliError(`${sanitizeLine(model)} cannot answer: ${check.problem ?? "it is not known"}`, {
      why: "nothing was changed.",
      fix: `${check.fix ?? "openclaw models list --all"} To save it anyway: --force`,
    });
  const path =
    agent === undefined ? ["agents", "defaults", "model", "primary"] : ["agents", "entries", agent.toLowerCase(), "model", "primary"];
  const parent = path.slice(0, -1);
  const where = await applyConfigEdit(invocation, (edit) => {
    // The short form `model: "x"` cannot take a key; what it says becomes the long form.
    const value = edit.get(parent);
    if (typeof value === "object" && value !== null) edit.set(path, model);
    else edit.set(parent, { primary: model });
  });
  out.result({ ok: true, model, ...(agent && { agent }), where, known: check.isKnown, canAnswer: check.canAnswer }, () => {
    out.line(
      `${agent === undefined ? "Agents" : `Agent ${sanitizeLine(agent)}`} will use ${sanitizeLine(model)} from the next message on (${where}).`,
    );
    if (check.problem) out.note(`Warning: it cannot answer yet: ${check.problem}. Fix: ${check.fix ?? ""}`);
  });
};

/** Asks the gateway, which knows keys and local servers; the files when it does not run. */
async function checkRequestedModel(invocation: Invocation, model: string): Promise<ModelCheck> {
  return await gatewayOrFiles<ModelCheck>(
    invocation,
    ["operator.read"],
    async ({ client }) => {
      const [{ models }, providers] = await Promise.all([client.request<ModelsList>("models.list", { view: "all" }), providersOf(client)]);
      return checkModelAvailability(model, models, providers, true);
    },
    () => checkModelAvailability(model, modelsFromFiles(invocation).models, configOf(invocation).config.models.providers, false),
  );
}
