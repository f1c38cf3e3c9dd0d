import { suggest } from "../config/suggest.ts";
import { KEY_VARIABLES } from "../core/provider-keys.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** What is read of a row of models.list. */
export type ModelView = {
  id: string;
  name?: string;
  provider?: string;
  contextWindow?: number;
  reasoning?: boolean;
  tags?: string[];
  available?: boolean;
  unavailableReason?: string;
};

export type Providers = Readonly<Record<string, { readonly models?: readonly unknown[]; readonly apiKey?: unknown }>>;

/** Whether a model can answer. `null`: unknown while no gateway runs. `isKnown`: the name is valid, even if something else is missing. */
export type ModelCheck = { model: string; canAnswer: boolean | null; isKnown: boolean; problem?: string; fix?: string };

export const toModelRef = ({ id, provider }: ModelView): string => (provider && !id.startsWith(`${provider}/`) ? `${provider}/${id}` : id);

/** Pure. `rows`: everything that models.list knows; `running`: it comes from a gateway, which knows its own environment. */
export function checkModelAvailability(name: string, rows: readonly ModelView[], providers: Providers, running: boolean): ModelCheck {
  const at = name.indexOf("/");
  const [provider, id] = [name.slice(0, at), name.slice(at + 1)];
  const row = rows.find((each) => toModelRef(each) === name);
  const hasName = Object.hasOwn(KEY_VARIABLES, provider);
  if (row) {
    if (row.available !== false) return { model: name, canAnswer: running ? true : null, isKnown: true };
    return { model: name, canAnswer: false, isKnown: true, ...missingKey(provider) };
  }
  const listed = Object.hasOwn(providers, provider) ? (providers[provider]!.models ?? []) : null;
  if (hasName && (listed === null || listed.length === 0)) return checkNamed(name, provider, rows, providers, running);
  if (listed !== null) return { model: name, canAnswer: false, isKnown: false, ...notListed(provider, id, listed.length, rows) };
  const offered = [...new Set([...rows.map((each) => each.provider ?? ""), ...Object.keys(providers), ...Object.keys(KEY_VARIABLES)])];
  const meant = suggest(provider, offered.filter(Boolean));
  return {
    model: name,
    canAnswer: false,
    isKnown: false,
    problem: `there is no provider "${sanitizeLine(provider)}"${meant ? `; did you mean "${meant}"?` : ""}`,
    fix: "openclaw models list --all shows the models; docs/configuration.md shows how to add a provider.",
  };
}

/** A provider that the runtime knows by name has more models than are listed; all that it needs is its key. */
function checkNamed(name: string, provider: string, rows: readonly ModelView[], providers: Providers, running: boolean): ModelCheck {
  const hasKey = providers[provider]?.apiKey !== undefined || rows.some((each) => each.provider === provider && each.available !== false);
  if (hasKey) return { model: name, canAnswer: running ? true : null, isKnown: true };
  if (!running) return { model: name, canAnswer: null, isKnown: true };
  return { model: name, canAnswer: false, isKnown: true, ...missingKey(provider) };
}

const missingKey = (provider: string): { problem: string; fix: string } => ({
  problem: `there is no API key for ${sanitizeLine(provider)}`,
  fix: `openclaw config set models.providers.${sanitizeLine(provider)}.apiKey --stdin${
    Object.hasOwn(KEY_VARIABLES, provider) ? `, or set ${KEY_VARIABLES[provider]} before the gateway starts` : ""
  }`,
});

function notListed(provider: string, id: string, count: number, rows: readonly ModelView[]): { problem: string; fix: string } {
  const path = `models.providers.${sanitizeLine(provider)}.models`;
  if (count === 0) return { problem: `${path} is empty`, fix: `openclaw config set ${path} '[{ id: "${sanitizeLine(id)}" }]'` };
  const meant = suggest(
    id,
    rows.filter((each) => each.provider === provider).map((each) => each.id),
  );
  return {
    problem: `the provider ${sanitizeLine(provider)} does not list "${sanitizeLine(id)}"${meant ? `; did you mean "${sanitizeLine(meant)}"?` : ""}`,
    fix: `openclaw models list --all shows the models; add this one to ${path} if the provider has it.`,
  };
}
