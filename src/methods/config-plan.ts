import { diffConfig, type ConfigChange } from "../config/diff.ts";
import { setAt, unsetAt } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { Json5Error, parseTree, valueOf } from "../config/json5.ts";
import type { KeyPath } from "../config/key-path.ts";
import { checkConfigText } from "../config/load.ts";
import { redactValue, restoreSecrets } from "../config/redact.ts";
import { GatewayError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { MethodParams } from "../protocol/method.ts";
import type { ConfigDeps } from "./config-edit.ts";

/** One field of a form: the value that a key gets, or that it is removed. */
type FormEdit = { path: KeyPath; value?: unknown; unset?: boolean };

type Plan = {
  /** The text with the edits. */
  raw: string;
  /** The values of the text, secrets hidden; null for a text that is not JSON5. */
  parsed: unknown;
  /** Whether `config.apply` would take the text. */
  valid: boolean;
  issues: readonly ConfigIssue[];
  changes: readonly ConfigChange[];
  requiresRestart: boolean;
  /** Channels that connect again. */
  restartsChannels: readonly string[];
  hash: string;
  /** The file is no longer the one that the client has seen. */
  stale: boolean;
};

/** config.plan: what a text would change, and what is wrong with it. Writes nothing. */
export function planConfig(deps: ConfigDeps, { raw, edits = [], baseHash }: MethodParams<"config.plan">): Plan {
  const current = deps.read();
  const text = edits.reduce((before, edit) => applyEdit(before, toFormEdit(edit)), raw);
  const { issues, config } = check(deps, text, current);
  const errors = issues.filter((issue) => issue.severity === "error");
  const changes = config === null ? [] : diffConfig(deps.loaded().config, config);
  const channels = changes.filter(({ effect }) => effect === "restart-channel").map(({ path }) => /^channels\.([^.[]+)/.exec(path)?.[1]);
  return {
    raw: text,
    parsed: parsedOf(text),
    valid: errors.length === 0,
    issues,
    changes,
    requiresRestart: changes.some(({ effect }) => effect === "restart-gateway"),
    restartsChannels: [...new Set(channels)].filter((channel) => channel !== undefined),
    hash: current.hash,
    stale: baseHash !== undefined && baseHash !== current.hash,
  };
}

function check(
  deps: ConfigDeps,
  text: string,
  { raw, path }: { raw: string | null; path: string },
): { issues: readonly ConfigIssue[]; config: ReturnType<typeof checkConfigText>["config"] | null } {
  try {
    const { issues, config, isReadable } = checkConfigText(restoreSecrets(text, raw ?? ""), { ...deps.writeOptions, path });
    return { issues, config: isReadable ? config : null };
  } catch (err) {
    // A placeholder without a secret.
    if (!(err instanceof GatewayError)) throw err;
    const at = err.details?.["path"];
    const place = { path: typeof at === "string" ? at : "", line: 0, column: 0 };
    return { issues: [{ severity: "error", ...place, message: err.message, ...(err.fix && { fix: err.fix }) }], config: null };
  }
}

const applyEdit = (text: string, { path, value, unset = false }: FormEdit): string =>
  unset ? unsetAt(text, path) : setAt(text, path, value);

function toFormEdit(edit: unknown): FormEdit {
  const { path, value, unset } = isObject(edit) ? edit : {};
  const isPath = Array.isArray(path) && path.length > 0 && path.every((step) => typeof step === "string" || Number.isSafeInteger(step));
  const unknown = isObject(edit) ? Object.keys(edit).filter((name) => !["path", "value", "unset"].includes(name)) : [];
  if (!isPath || unknown.length > 0 || (unset !== undefined && typeof unset !== "boolean") || (unset !== true && value === undefined))
    throw new GatewayError("INVALID_REQUEST", "an edit is not valid", {
      fix: 'Write it like {"path":["gateway","port"],"value":18790}, or with "unset":true in place of a value.',
    });
  return { path: path as KeyPath, value, ...(unset === undefined ? {} : { unset }) };
}

function parsedOf(text: string): unknown {
  try {
    return redactValue(valueOf(parseTree(text)));
  } catch (err) {
    if (err instanceof Json5Error) return null;
    throw err;
  }
}
