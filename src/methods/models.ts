import { agentPath } from "../config/agent-path.ts";
import { agentIds, defaultAgentId, modelAliases, resolveAgent } from "../config/agents.ts";
import { getAt, setAt } from "../config/edit.ts";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import { editConfig, type ConfigDeps } from "./config-edit.ts";
import { requireAgent } from "./require-agent.ts";

/** One model that the agents room knows of. */
export type KnownModel = {
  provider: string;
  id: string;
  name?: string | undefined;
  /** Tokens; 0 when unknown. */
  contextWindow: number;
  reasoning: boolean;
  input: readonly ("text" | "image")[];
  thinkingLevels: readonly string[];
  /** Configured, or found by its key in the environment or on this machine. */
  configured: boolean;
  available: boolean;
};

export type ModelsDeps = ConfigDeps & {
  now: () => number;
  stateDir: string;
  /** Everything that can be chosen; `refresh` looks for local servers again. */
  models: (refresh: boolean) => readonly KnownModel[] | Promise<readonly KnownModel[]>;
  /** The model that would answer for this agent now, `provider/id`. */
  modelOf: (agentId: string) => string | null;
  thinkingDefault: (agentId: string) => string;
};

type ListParams = MethodParams<"models.list">;

/** models.*: what can answer, and which one does. */
export function modelsMethods(deps: ModelsDeps) {
  return {
    "models.list": { scope: "operator.read", run: (params) => encodedModels(deps, params) },
    "models.set": { scope: "operator.admin", run: (params) => setModel(deps, params) },
  } satisfies MethodTable;
}

async function encodedModels(deps: ModelsDeps, params: ListParams): Promise<unknown> {
  const name = JSON.stringify(params);
  if (params.refresh || name.length > LIMITS.cachedParamsChars) return listModels(deps, params);
  const request = { method: "models.list", name, basis: [deps.loaded(), deps.configuration()], now: deps.now() } as const;
  const known = deps.answers.find(request);
  return new EncodedJson("", known ?? deps.answers.add(request, { json: JSON.stringify(await listModels(deps, params)) }));
}

/** Shape of models.list, and of the models in chat.metadata. */
export async function listModels(deps: ModelsDeps, params: ListParams): Promise<{ models: Record<string, unknown>[] }> {
  const { config } = deps.loaded();
  const agentId = requireAgent(
    config,
    params.agentId ?? (params.sessionKey === undefined ? undefined : parseSessionKey(params.sessionKey)?.agentId),
  );
  const agent = resolveAgent(config, agentId, deps.stateDir);
  const current = deps.modelOf(agentId);
  const wanted = new Set(agentIds(config).flatMap((id) => resolveAgent(config, id, deps.stateDir).models));
  const known = await deps.models(params.refresh ?? false);
  const isShown = (model: KnownModel): boolean => {
    if (params.provider !== undefined) return model.provider.toLowerCase() === params.provider.toLowerCase();
    return params.view === "all" || model.configured || wanted.has(nameOf(model)) || nameOf(model) === current;
  };
  const shown = known.filter(isShown);
  const aliases = new Map([...modelAliases(config, agentId)].map(([alias, model]) => [model, alias]));
  const rows = shown.map((model) =>
    toChoice(model, { current, fallbacks: agent.models, aliases, thinkingDefault: deps.thinkingDefault(agentId) }),
  );
  // The model that answers comes first, because pickers show the beginning.
  return { models: rows.toSorted((a, b) => Number(isDefault(b)) - Number(isDefault(a))) };
}

const nameOf = ({ provider, id }: { provider: string; id: string }): string => `${provider}/${id}`;
const isDefault = (row: Record<string, unknown>): boolean => (row["tags"] as string[]).includes("default");

type Setting = { current: string | null; fallbacks: readonly string[]; aliases: ReadonlyMap<string, string>; thinkingDefault: string };

function toChoice(model: KnownModel, { current, fallbacks, aliases, thinkingDefault }: Setting): Record<string, unknown> {
  const name = nameOf(model);
  const alias = aliases.get(name);
  const tags = [
    ...(name === current ? ["default"] : fallbacks.includes(name) ? ["fallback"] : []),
    ...(model.configured ? ["configured"] : []),
  ];
  return {
    id: model.id,
    name: model.name || model.id,
    provider: model.provider,
    ...(alias === undefined ? {} : { alias }),
    tags,
    available: model.available,
    ...(model.available ? {} : { unavailableReason: "missing-auth" }),
    ...(model.contextWindow > 0 ? { contextWindow: model.contextWindow } : {}),
    reasoning: model.reasoning,
    input: model.input,
    thinkingLevels: model.thinkingLevels.map((id) => ({ id, label: id })),
    thinkingDefault: model.thinkingLevels.includes(thinkingDefault) ? thinkingDefault : (model.thinkingLevels[0] ?? "off"),
  };
}

async function setModel(deps: ModelsDeps, { model, agentId }: { model: string; agentId?: string }): Promise<Record<string, unknown>> {
  const { config } = deps.loaded();
  const name = modelAliases(config, agentId ?? defaultAgentId(config)).get(model.toLowerCase()) ?? model;
  if (!/^[^/\s]+\/\S+$/.test(name))
    throw new GatewayError("INVALID_REQUEST", `"${model.slice(0, 80)}" is not a model`, {
      fix: "Write it as provider/id; `openclaw models list` shows them.",
    });
  const agent = agentId === undefined ? null : requireAgent(config, agentId);
  const { loaded } = await editConfig(deps, (raw) => {
    const at = [...(agent === null ? ["agents", "defaults"] : agentPath((path) => getAt(raw, path), agent)), "model"];
    const value = getAt(raw, at);
    // The fallbacks of the long form stay.
    return typeof value === "object" && value !== null ? setAt(raw, [...at, "primary"], name) : setAt(raw, at, { primary: name });
  });
  const known = (await deps.models(false)).some((each) => nameOf(each) === name);
  return { ok: true, model: name, ...(agentId === undefined ? {} : { agentId }), known, hash: loaded.hash };
}
