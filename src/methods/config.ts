import { mergePatch } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { Json5Error, parseTree, valueOf } from "../config/json5.ts";
import { formSchema, lookupSchema, schemaHints } from "../config/json-schema.ts";
import type { LoadedConfig } from "../config/load.ts";
import { redactText, redactValue, restoreSecrets } from "../config/redact.ts";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { ConfigVersion } from "../store/config-versions.ts";
import type { FreshAnswer } from "./answer-cache.ts";
import { authorOf, editConfig, type ConfigDeps, type EditedConfig } from "./config-edit.ts";
import { planConfig } from "./config-plan.ts";

export type ConfigMethodsDeps = ConfigDeps & {
  now: () => number;
  /** Changes whenever the file may have changed; null while that is unknown. */
  fileStamp: () => string | null;
  /** Restarts the gateway after `delayMs`. */
  restart: (request: { reason: string; delayMs: number }) => void;
  /** The versions of the file that were in use, the newest first; their texts have placeholders in place of secrets. */
  versions: { list: () => readonly ConfigVersion[]; text: (id: number) => string | undefined };
};

/** Time for the answer to reach its client before the gateway restarts. */
const RESTART_DELAY_MS = 1_000;

/** config.*: the configuration file over the wire. Secrets never leave; a client sends their placeholder back to keep them. */
export function configMethods(deps: ConfigMethodsDeps) {
  const maxBytes = LIMITS.configFileBytes * 2;
  return {
    "config.get": { scope: "operator.read", run: () => encodedConfig(deps) },
    "config.set": {
      scope: "operator.admin",
      maxBytes,
      run: (params, caller) => replace(deps, params, { mode: "config.set", restartDelayMs: null, caller }),
    },
    "config.apply": {
      scope: "operator.admin",
      maxBytes,
      run: (params, caller) =>
        replace(deps, params, { mode: "config.apply", restartDelayMs: params.restartDelayMs ?? RESTART_DELAY_MS, caller }),
    },
    "config.patch": { scope: "operator.admin", maxBytes, run: (params, caller) => patch(deps, params, caller) },
    "config.plan": { scope: "operator.admin", maxBytes, run: (params) => toPlanAnswer(planConfig(deps, params)) },
    "config.history": { scope: "operator.read", run: (params) => history(deps, params) },
    "config.schema": { scope: "operator.read", run: schema },
    "config.schema.lookup": {
      scope: "operator.read",
      run: ({ path }) => {
        const found = lookupSchema(path);
        if (found) return found;
        throw new GatewayError("INVALID_REQUEST", `config schema path not found: ${path}`, {
          fix: "`openclaw config schema` prints every key.",
        });
      },
    },
  } satisfies MethodTable;
}

/**
 * Reading and hiding a large configuration takes tens of milliseconds, so the answer is kept while neither the file nor the
 * configuration in use changes, for LIMITS.configAnswerMs at most: files that it refers to may change without it.
 */
function encodedConfig(deps: ConfigMethodsDeps): EncodedJson {
  const stamp = deps.fileStamp();
  if (stamp === null) return EncodedJson.from(JSON.stringify(get(deps)));
  const now = deps.now();
  const request = { method: "config.get", name: "", basis: [stamp, deps.loaded()], now } as const;
  const make = (): FreshAnswer => ({ json: JSON.stringify(get(deps)), untilMs: now + LIMITS.configAnswerMs });
  return new EncodedJson("", deps.answers.get(request, make));
}

function get(deps: ConfigMethodsDeps): Record<string, unknown> {
  const file = deps.read();
  const used = deps.loaded();
  const written = redactValue(valueInFile(file));
  const complete = redactValue(used.config);
  const errors = file.issues.filter((issue) => issue.severity === "error");
  return {
    path: file.path,
    exists: file.exists,
    raw: file.raw === null ? null : redactText(file.raw),
    parsed: written,
    sourceConfig: written,
    config: written,
    resolved: complete,
    runtimeConfig: complete,
    valid: errors.length === 0,
    hash: file.hash,
    configRevisionHash: file.hash,
    appliedConfigHash: used.hash,
    /** Where the configuration in use came from: `file`, `last-good`, `defaults` or `missing`. */
    source: used.source,
    issues: errors.map(toIssueRow),
    warnings: file.issues.filter((issue) => issue.severity !== "error").map(toIssueRow),
    legacyIssues: [],
    includedPaths: [],
    includeProvenance: [],
    agentRosterIncludeOwned: false,
    bindingsIncludeOwned: false,
  };
}

/** A place and what is wrong there. Texts come from the file: a secret cannot be among them, because values are never quoted. */
const toIssueRow = ({ path, message, line, column, fix, suggestion }: ConfigIssue): Record<string, unknown> => ({
  path,
  message,
  line,
  column,
  ...(fix === undefined ? {} : { fix }),
  ...(suggestion === undefined ? {} : { suggestion }),
});

/** The values of the file; an empty object when none can be read. */
function valueInFile(file: LoadedConfig): unknown {
  try {
    return file.raw === null ? {} : valueOf(parseTree(file.raw));
  } catch (err) {
    if (err instanceof Json5Error) return {};
    throw err;
  }
}

const toPlanAnswer = (plan: ReturnType<typeof planConfig>): Record<string, unknown> => ({
  ...plan,
  issues: plan.issues.map((issue) => ({ severity: issue.severity, ...toIssueRow(issue) })),
});

/** config.history: the versions that were in use; with `id` the text of one of them, which config.apply takes to go back to it. */
function history({ versions, read }: ConfigMethodsDeps, { id }: MethodParams<"config.history">): Record<string, unknown> {
  const all = versions.list();
  const { raw } = read();
  const current = raw === null ? null : redactText(raw);
  const isCurrent = (version: ConfigVersion): boolean => current !== null && versions.text(version.id) === current;
  if (id === undefined) {
    const first = all.find(isCurrent);
    return { versions: all.map((version) => ({ ...version, current: version === first })) };
  }
  const version = all.find((each) => each.id === id);
  const text = version && versions.text(id);
  if (!version || text === undefined)
    throw new GatewayError("NOT_FOUND", `the configuration has no version ${id}`, {
      fix: "`openclaw config history` lists the versions; the oldest ones are removed.",
    });
  return { version: { ...version, current: isCurrent(version), text } };
}

/** How a method writes. `restartDelayMs` null: never restart, whatever has changed. */
type Writing = { mode: string; restartDelayMs: number | null; caller: Caller };

async function replace(
  deps: ConfigMethodsDeps,
  { raw, baseHash }: MethodParams<"config.set">,
  { mode, restartDelayMs, caller }: Writing,
): Promise<Record<string, unknown>> {
  if (baseHash === undefined && deps.read().exists) {
    throw new GatewayError("INVALID_REQUEST", "config base hash required; re-run config.get and retry", { details: { reason: "no-base" } });
  }
  const edited = await editConfig(deps, (current) => restoreSecrets(raw, current), { baseHash, author: authorOf(mode, caller) });
  return toAnswer(deps, edited, mode, restartDelayMs);
}

async function patch(deps: ConfigMethodsDeps, params: MethodParams<"config.patch">, caller: Caller): Promise<Record<string, unknown>> {
  const wanted = parsePatch(params.raw);
  const change = (current: string): string => restoreSecrets(mergePatch(current, wanted, params.replacePaths ?? []), current);
  const edited = await editConfig(deps, change, { baseHash: params.baseHash, author: authorOf("config.patch", caller) });
  return toAnswer(deps, edited, "config.patch", params.restartDelayMs ?? RESTART_DELAY_MS);
}

function parsePatch(raw: string): unknown {
  try {
    return valueOf(parseTree(raw));
  } catch (err) {
    if (!(err instanceof Json5Error)) throw err;
    throw new GatewayError("INVALID_REQUEST", `the patch is not JSON: ${err.message}`, {
      fix: 'Send an object as text, like {"gateway":{"port":18790}}.',
    });
  }
}

function toAnswer(deps: ConfigMethodsDeps, edited: EditedConfig, mode: string, restartDelayMs: number | null): Record<string, unknown> {
  const { loaded, changes, needsRestart } = edited;
  const restarts = needsRestart && restartDelayMs !== null;
  if (restarts) deps.restart({ reason: mode, delayMs: restartDelayMs });
  return {
    ok: true,
    path: loaded.path,
    hash: loaded.hash,
    config: redactValue(valueInFile(loaded)),
    changedPaths: changes.map((change) => change.path),
    changes: changes.map(({ path, effect }) => ({ path, effect })),
    requiresRestart: needsRestart,
    ...(restarts ? { restart: { scheduled: true, delayMs: restartDelayMs } } : {}),
    warnings: edited.issues.map(toIssueRow),
    sentinel: {
      persisted: true,
      payload: {
        kind: mode.replace(".", "-"),
        status: "ok",
        ts: deps.now(),
        message: null,
        stats: { mode, root: loaded.path, requiresRestart: needsRestart },
      },
    },
  };
}

let cachedSchema: Record<string, unknown> | null = null;

/** The same object each time. */
function schema(): Record<string, unknown> {
  cachedSchema ??= Object.freeze({
    schema: formSchema(),
    uiHints: schemaHints(),
    version: VERSION,
    generatedAt: new Date().toISOString(),
  });
  return cachedSchema;
}
