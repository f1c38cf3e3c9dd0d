/** Providers of models, their keys, and which model answers for which agent. A key goes to the gateway and never comes back. */
import { batch, signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type ProviderRow = {
  provider: string;
  displayName: string;
  status: string;
  apiKey?: { source: string };
  keyFrom?: string;
  kind?: "cloud" | "custom" | "local";
  baseUrl?: string;
  models?: readonly string[];
};
export type Capability = { provider: string; variable?: string; testable?: boolean };
export type ModelChoice = {
  id: string;
  name?: string;
  provider: string;
  tags: readonly string[];
  available?: boolean;
  contextWindow?: number;
  reasoning?: boolean;
  input?: readonly string[];
};
export type AgentRow = { id: string; name?: string; model?: { primary: string; fallbacks: readonly string[] } };
export type Probe = { status: string; latencyMs?: number; error?: string; fix?: string };
export type Problem = { text: string; fix: string | null };

type Answer = {
  providers: readonly ProviderRow[];
  capabilities: readonly Capability[];
  models: readonly ModelChoice[];
  agents: readonly AgentRow[];
  defaultId: string;
};

export const answer = signal<Answer | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** What is being done. */
export const busy = signal<string | null>(null);
/** How the last test of each provider ended. */
export const probes = signal<ReadonlyMap<string, Probe>>(new Map());
/** Why the last change failed, by what it was about. */
export const problems = signal<ReadonlyMap<string, Problem>>(new Map());
/** What was done last, for a sentence. */
export const note = signal<string | null>(null);

export const refOf = ({ provider, id }: Pick<ModelChoice, "provider" | "id">): string => `${provider}/${id}`;

/** Beginnings by which keys of some providers can be told apart. The longer ones first. */
const PREFIXES: readonly (readonly [string, string])[] = [
  ["sk-ant-", "anthropic"],
  ["sk-or-", "openrouter"],
  ["gsk_", "groq"],
  ["xai-", "xai"],
  ["AIza", "google"],
  ["hf_", "huggingface"],
  ["nvapi-", "nvidia"],
  ["csk-", "cerebras"],
  ["sk-proj-", "openai"],
];

/** The provider that a key is of, where its beginning says so. Pure. */
export const providerOfKey = (key: string): string | null => PREFIXES.find(([prefix]) => key.trim().startsWith(prefix))?.[1] ?? null;

/** What is known of the access to a provider, as a sentence. Pure. */
export function accessText({ kind, apiKey, keyFrom, status }: Pick<ProviderRow, "kind" | "apiKey" | "keyFrom" | "status">): string {
  if (kind === "local") return "Found on this machine; needs no key";
  if (apiKey?.source === "env") return `Key from the variable ${keyFrom ?? "of the environment"}`;
  if (apiKey !== undefined) return "Key is stored on the gateway";
  return status === "missing" ? "No key" : "No key; the server may not need one";
}

const PROBE_TEXTS: Readonly<Record<string, string>> = {
  ok: "Works",
  auth: "The key is refused",
  rate_limit: "Too many requests",
  billing: "No credit",
  timeout: "Not reached",
  format: "Unexpected answer",
  unknown: "Could not be tested",
  no_model: "No model",
};

/** How a test ended. Pure. */
export const probeText = ({ status, latencyMs }: Probe): string =>
  `${PROBE_TEXTS[status] ?? status}${status === "ok" && latencyMs !== undefined ? ` (${latencyMs} ms)` : ""}`;

/** `128k tokens, reasoning, images`. Pure. */
export const modelText = ({ contextWindow, reasoning, input }: ModelChoice): string =>
  [
    contextWindow === undefined ? null : `${Math.round(contextWindow / 1_000)}k tokens`,
    reasoning === true ? "reasoning" : null,
    input?.includes("image") === true ? "images" : null,
  ]
    .filter((each) => each !== null)
    .join(", ");

/** A list of fallbacks with a model added, removed or moved by one place. Pure. */
export function changeFallbacks(list: readonly string[], ref: string, how: "add" | "remove" | "up"): readonly string[] {
  if (how === "add") return list.includes(ref) ? list : [...list, ref];
  if (how === "remove") return list.filter((each) => each !== ref);
  const at = list.indexOf(ref);
  if (at <= 0) return list;
  return [...list.slice(0, at - 1), ref, list[at - 1]!, ...list.slice(at + 1)];
}

let latest = 0;

/** Reads everything; `refresh` looks for servers of the gateway's machine again. Never throws. */
export async function loadModels(refresh = false): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  if (refresh) busy.value = "refresh";
  try {
    const client = requireClient();
    const status = await client.request<{ providers: readonly ProviderRow[]; providerCapabilities: readonly Capability[] }>(
      "models.authStatus",
      refresh ? { refresh } : {},
    );
    const [models, agents] = await Promise.all([
      client.request<{ models: readonly ModelChoice[] }>("models.list", { view: "all" }),
      client.request<{ agents: readonly AgentRow[]; defaultId: string }>("agents.list", {}),
    ]);
    if (mine !== latest) return;
    batch(() => {
      answer.value = {
        providers: status.providers,
        capabilities: status.providerCapabilities,
        models: models.models,
        agents: agents.agents,
        defaultId: agents.defaultId,
      };
      failed.value = null;
    });
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  } finally {
    if (refresh) busy.value = null;
  }
}

async function change<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  busy.value = what;
  note.value = null;
  setProblem(what, null);
  try {
    const done = await work();
    await loadModels();
    return done;
  } catch (error) {
    const lost = isConnectionLost(error);
    setProblem(what, {
      text: lost ? "The connection was lost before the answer came." : errorMessage(error),
      fix: error instanceof RequestError && !lost ? error.fix : null,
    });
    return undefined;
  } finally {
    busy.value = null;
  }
}

function setProblem(what: string, problem: Problem | null): void {
  const next = new Map(problems.value);
  if (problem === null) next.delete(what);
  else next.set(what, problem);
  problems.value = next;
}

/** The time that the gateway waits for a provider, and a little more. */
const TEST_MS = 20_000;

/** Tests a key and keeps it on the gateway. Resolves to whether it was kept. */
export async function setKey(provider: string, key: string): Promise<boolean> {
  const done = await change("key", () =>
    requireClient().request<{ status: string; tested: boolean; latencyMs?: number; note?: string }>(
      "models.key.set",
      { provider, key: key.trim() },
      TEST_MS,
    ),
  );
  if (done === undefined) return false;
  batch(() => {
    if (done.tested)
      probes.value = new Map(probes.value).set(provider, {
        status: done.status,
        ...(done.latencyMs !== undefined && { latencyMs: done.latencyMs }),
      });
    note.value = done.tested
      ? `The key of ${provider} works and is stored on the gateway.${done.note === undefined ? "" : ` ${done.note}.`}`
      : `The key of ${provider} is stored on the gateway. It is tested by the first message, because this provider has no free request.`;
  });
  return true;
}

export const removeKey = ({ provider }: ProviderRow): Promise<unknown> =>
  change(provider, () => requireClient().request("models.key.remove", { provider }));

/** Asks a provider whether its key works; costs nothing. */
export async function testProvider({ provider }: ProviderRow): Promise<void> {
  busy.value = provider;
  setProblem(provider, null);
  try {
    const probe = await requireClient().request<Probe>("models.probe", { provider }, TEST_MS);
    probes.value = new Map(probes.value).set(provider, probe);
  } catch (error) {
    if (!isConnectionLost(error))
      setProblem(provider, { text: errorMessage(error), fix: error instanceof RequestError ? error.fix : null });
  }
  busy.value = null;
}

/** The model of an agent; `agentId` null: of all agents without one of their own. */
export const setModel = (agentId: string | null, model: string): Promise<unknown> =>
  change(`agent ${agentId ?? ""}`, () => requireClient().request("models.set", { model, ...(agentId !== null && { agentId }) }));

/** The models that answer when the first one fails. */
export const setFallbacks = (agentId: string | null, primary: string, fallbacks: readonly string[]): Promise<unknown> =>
  change(`agent ${agentId ?? ""}`, async () => {
    const { hash, parsed } = await requireClient().request<{ hash: string; parsed?: { agents?: { list?: readonly { id?: string }[] } } }>(
      "config.get",
      {},
    );
    // A patch replaces lists as a whole.
    if (agentId !== null && parsed?.agents?.list?.some(({ id }) => id?.toLowerCase() === agentId) === true)
      throw new Error(`${agentId} is in agents.list of the configuration. Change its fallbacks on the page Config.`);
    const model = { primary, fallbacks };
    const agents = agentId === null ? { defaults: { model } } : { entries: { [agentId]: { model } } };
    return requireClient().request("config.patch", { raw: JSON.stringify({ agents }), baseHash: hash });
  });
