import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LocalServer } from "../agents/models.ts";
import { getAt, setAt, unsetAt } from "../config/edit.ts";
import { REDACTED } from "../config/redact.ts";
import { redactUrls } from "../config/url-secrets.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { isBeneath, writeFileAtomic } from "../core/files.ts";
import { isObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { makePrivateDir } from "../core/private-dir.ts";
import { keyFileName, KEY_VARIABLES } from "../core/provider-keys.ts";
import type { Secret } from "../core/secret.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { authorOf, editConfig, type ConfigDeps } from "./config-edit.ts";
import type { Probe, ProbedProvider } from "./model-probe.ts";

/** Brings a client for HTTP, which a gateway without such a question does not load. */
const loadProbes = (): Promise<typeof import("./model-probe.ts")> => import("./model-probe.ts");

export type ModelKeysDeps = ConfigDeps & {
  now: () => number;
  elapsed: () => number;
  /** Where keys that a client sends are kept, one file each. */
  keysDir: string;
  env: Readonly<Record<string, string | undefined>>;
  log: Pick<Log, "warn">;
  /** Servers of this machine; `refresh` looks for them again. */
  local: (refresh: boolean) => Promise<readonly LocalServer[]>;
};

/** models.*: the keys of providers, and whether they work. A key never leaves the gateway. */
export function modelKeyMethods(deps: ModelKeysDeps) {
  return {
    "models.authStatus": { scope: "operator.read", run: ({ refresh = false }) => authStatus(deps, refresh) },
    "models.probe": { scope: "operator.admin", run: (params) => probe(deps, params) },
    "models.key.set": { scope: "operator.admin", run: (params, caller) => setKey(deps, params, caller) },
    "models.key.remove": { scope: "operator.admin", run: (params, caller) => removeKey(deps, params, caller) },
  } satisfies MethodTable;
}

type ProviderEntry = ProbedProvider & { apiKey?: Secret; models: readonly { id: string }[] };

type KeySource = { source: "config" | "env" | "file"; from: string };

const providersOf = (deps: ModelKeysDeps): Readonly<Record<string, ProviderEntry>> => deps.loaded().config.models.providers;
const ownProvider = (deps: ModelKeysDeps, name: string): ProviderEntry | undefined =>
  Object.hasOwn(providersOf(deps), name) ? providersOf(deps)[name] : undefined;
const variableOf = (name: string): string | undefined => (Object.hasOwn(KEY_VARIABLES, name) ? KEY_VARIABLES[name] : undefined);

/** Where the key of a provider comes from; null: it has none. */
function keySource(deps: ModelKeysDeps, name: string): KeySource | null {
  if (ownProvider(deps, name)?.apiKey !== undefined) {
    const isFile = fileOf(deps, name) !== null;
    return { source: isFile ? "file" : "config", from: `models.providers.${name}.${isFile ? "apiKeyFile" : "apiKey"}` };
  }
  const variable = variableOf(name);
  return variable !== undefined && deps.env[variable] ? { source: "env", from: variable } : null;
}

/** The value of `apiKeyFile` in the file. */
function fileOf(deps: ModelKeysDeps, name: string): string | null {
  const { raw } = deps.loaded();
  const value = raw === null ? undefined : getAt(raw, ["models", "providers", name, "apiKeyFile"]);
  return typeof value === "string" ? value : null;
}

function keyOf(deps: ModelKeysDeps, name: string): string | null {
  const variable = variableOf(name);
  return ownProvider(deps, name)?.apiKey?.reveal() ?? (variable === undefined ? null : deps.env[variable] || null);
}

async function authStatus(deps: ModelKeysDeps, refresh: boolean): Promise<Record<string, unknown>> {
  const local = await deps.local(refresh);
  const { hasFreeQuestion } = await loadProbes();
  const configured = Object.keys(providersOf(deps));
  const keyed = Object.keys(KEY_VARIABLES).filter((name) => keySource(deps, name) !== null);
  const found = local.map(({ product }) => product).filter((product) => !configured.includes(product));
  return {
    ts: deps.now(),
    providers: [
      ...[...new Set([...configured, ...keyed])].map((name) => toProviderRow(deps, name)),
      ...local.filter(({ product }) => found.includes(product)).map(toLocalRow),
    ],
    providerCapabilities: Object.entries(KEY_VARIABLES).map(([provider, variable]) => ({
      provider,
      apiKeySupported: true,
      quickApiKeySetup: true,
      // Beyond the protocol: what the page says about a key before it is pasted.
      variable,
      testable: hasFreeQuestion(provider),
    })),
  };
}

function toProviderRow(deps: ModelKeysDeps, name: string): Record<string, unknown> {
  const provider = ownProvider(deps, name);
  const source = keySource(deps, name);
  // A server with an address of its own may need no key.
  const isUsable = source !== null || provider?.baseUrl !== undefined;
  return {
    provider: name,
    authProvider: name,
    displayName: name,
    status: isUsable ? "static" : "missing",
    profiles: [],
    ...(source && { apiKey: { source: source.source === "env" ? "env" : "config" }, keyFrom: source.from }),
    kind: provider?.baseUrl === undefined ? "cloud" : "custom",
    ...(provider?.baseUrl !== undefined && { baseUrl: redactUrls(provider.baseUrl, "baseUrl", REDACTED).text }),
    models: provider?.models.map(({ id }) => id) ?? [],
  };
}

const toLocalRow = ({ product, label, provider }: LocalServer): Record<string, unknown> => ({
  provider: product,
  authProvider: product,
  displayName: label,
  status: "static",
  profiles: [],
  kind: "local",
  baseUrl: provider.baseUrl,
  models: provider.models.map(({ id }) => id),
});

async function probe(deps: ModelKeysDeps, { provider: name, timeoutMs }: MethodParams<"models.probe">): Promise<Record<string, unknown>> {
  const local = (await deps.local(false)).find(({ product }) => product === name)?.provider;
  const provider = ownProvider(deps, name) ?? local;
  requireKnown(name, provider);
  const key = keyOf(deps, name);
  if (key === null && provider?.baseUrl === undefined) throw noKeyError(name);
  const { probeProvider } = await loadProbes();
  const { status, latencyMs, error, fix } = await probeProvider(name, {
    provider,
    key,
    timeoutMs: Math.min(timeoutMs ?? LIMITS.modelProbeMs, LIMITS.modelProbeMs),
    elapsed: deps.elapsed,
  });
  const result = { status, ...(latencyMs !== undefined && { latencyMs }), ...(error && { error }) };
  return { provider: name, ...result, ...(fix && { fix }), results: [{ label: name, ...result }] };
}

function requireKnown(name: string, provider: ProbedProvider | undefined): void {
  if (provider || variableOf(name) !== undefined) return;
  throw detailError("MODEL_PROVIDER_UNKNOWN", `no provider is called ${JSON.stringify(name)}`, {
    fix: "models.authStatus lists the providers; others are added under models.providers with their baseUrl.",
  });
}

const noKeyError = (name: string): GatewayError =>
  detailError("MODEL_KEY_MISSING", `${name} has no key`, {
    fix: `Add one on the page Models, with openclaw models key ${name}, or set ${variableOf(name) ?? "its variable"} before the gateway starts.`,
  });

/** Answers with which a key is known to the provider. */
const ACCEPTED: ReadonlySet<Probe["status"]> = new Set(["ok", "rate_limit", "billing"]);

/** Tests a key, and keeps it in a file of its own that only this user reads. A key that the provider refuses is not kept. */
async function setKey(
  deps: ModelKeysDeps,
  { provider: name, key: pasted }: MethodParams<"models.key.set">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const provider = ownProvider(deps, name);
  requireKnown(name, provider);
  const key = pasted.trim();
  if (!/^[\x21-\x7e]{8,}$/.test(key))
    throw detailError("MODEL_KEY_REFUSED", "this is not a key: it is too short, or has spaces or other characters that keys do not have", {
      fix: "Copy the key alone, without quotes or line breaks.",
    });
  const { hasFreeQuestion, probeProvider } = await loadProbes();
  const tested = await probeProvider(name, { provider, key, timeoutMs: LIMITS.modelProbeMs, elapsed: deps.elapsed });
  const isTestable = provider?.baseUrl !== undefined || hasFreeQuestion(name);
  if (isTestable && !ACCEPTED.has(tested.status))
    throw detailError("MODEL_KEY_REFUSED", `${tested.error ?? `${name} refused the key`}; the key was not kept`, {
      details: { status: tested.status },
      ...(tested.fix && { fix: tested.fix }),
    });
  const file = join(deps.keysDir, keyFileName(name));
  await makePrivateDir(deps.keysDir, deps.log);
  await writeFileAtomic(file, `${key}\n`);
  const at = ["models", "providers", name];
  const { loaded } = await editConfig(
    deps,
    (raw) => {
      const text = unsetAt(raw, [...at, "apiKey"]);
      return setAt(text, [...at, "apiKeyFile"], file);
    },
    { author: authorOf("models.key.set", caller) },
  );
  const { status, latencyMs, error } = tested;
  return {
    ok: true,
    provider: name,
    status,
    tested: isTestable,
    ...(latencyMs !== undefined && { latencyMs }),
    ...(status !== "ok" && error && { note: error }),
    hash: loaded.hash,
  };
}

async function removeKey(
  deps: ModelKeysDeps,
  { provider: name }: MethodParams<"models.key.remove">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const source = keySource(deps, name);
  if (source === null) throw noKeyError(name);
  if (source.source === "env")
    throw new GatewayError("INVALID_REQUEST", `the key comes from the variable ${source.from} of the gateway's environment`, {
      fix: `Remove ${source.from} where the gateway is started, and restart it.`,
    });
  const file = fileOf(deps, name);
  const at = ["models", "providers", name];
  const { loaded } = await editConfig(
    deps,
    (raw) => {
      const text = unsetAt(unsetAt(raw, [...at, "apiKey"]), [...at, "apiKeyFile"]);
      const rest = getAt(text, at);
      return isObject(rest) && Object.keys(rest).length === 0 ? unsetAt(text, at) : text;
    },
    { author: authorOf("models.key.remove", caller) },
  );
  // Only files that this gateway made.
  if (file !== null && isBeneath(deps.keysDir, file)) await rm(file, { force: true });
  return { ok: true, provider: name, hash: loaded.hash };
}
