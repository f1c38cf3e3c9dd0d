import { getAt, mergePatch, renameAt, setAt, unsetAt, writeConfig, type PathLike } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { checkConfigText } from "../config/load.ts";
import { formatPath, parsePath } from "../config/key-path.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** Changes of one edit, collected on a text. */
export type ConfigEdit = {
  get(path: PathLike): unknown;
  set(path: PathLike, value: unknown): void;
  unset(path: PathLike): void;
  rename(path: PathLike, name: string): void;
};

/**
 * Changes the configuration that is meant: the file of this machine (a running gateway sees it and applies it), or that of a
 * gateway elsewhere, through its methods. Comments stay. Throws when the result would be invalid, or someone else was faster.
 * Resolves to where it was written.
 */
export async function applyConfigEdit(invocation: Invocation, change: (edit: ConfigEdit) => void): Promise<string> {
  const target = resolveTarget(invocation);
  const isElsewhere =
    !target.isLocal &&
    (invocation.text("url") !== undefined || target.urlFrom.startsWith("gateway.remote") || target.urlFrom === "OPENCLAW_GATEWAY_URL");
  return isElsewhere ? await editRemote(invocation, change) : await editFile(invocation, change);
}

/** Throws CliError (exit 2) when a change sets a key that the schema does not know and that is near one that it knows. */
export function refuseUnknownKeys(invocation: Invocation, change: (edit: ConfigEdit) => void): void {
  const { env } = invocation.host;
  const { config: path } = pathsOf(invocation);
  const typo = checkConfigText(editText("", change), { env, path }).issues.find(
    (issue) => issue.suggestion !== undefined && isUnknownKey(issue),
  );
  if (typo)
    throw new CliError(`Unknown key "${sanitizeLine(typo.path)}". Did you mean "${findSimilarKey(typo)}"?`, {
      why: "nothing was changed.",
      fix: "correct the name; openclaw config set <key> <value> --force saves an unknown key.",
      exit: EXIT.usage,
    });
}

/** The whole path with the name that was probably meant. */
function findSimilarKey({ path, suggestion = "" }: ConfigIssue): string {
  const steps = parsePath(path) ?? [];
  return formatPath([...steps.slice(0, -1), suggestion]);
}

const isUnknownKey = (issue: ConfigIssue): boolean => issue.severity === "warning" && issue.message.includes("is not a known key");

/** A text after an edit. */
export function editText(text: string, change: (edit: ConfigEdit) => void): string {
  let current = text;
  change({
    get: (path) => getAt(current, path),
    set: (path, value) => (current = setAt(current, path, value)),
    unset: (path) => (current = unsetAt(current, path)),
    rename: (path, name) => (current = renameAt(current, path, name)),
  });
  return current;
}

/** As applyConfigEdit, always the file of this machine. */
export async function editFile(invocation: Invocation, change: (edit: ConfigEdit) => void): Promise<string> {
  const { config: path } = pathsOf(invocation);
  const loaded = configOf(invocation);
  if (loaded.exists && loaded.raw === null) {
    throw new CliError(`${path} cannot be changed`, {
      why: `${loaded.issues[0]?.message ?? "it cannot be read"}.`,
      fix: "openclaw config validate",
    });
  }
  const issues = await writeConfig(path, editText(loaded.raw ?? "", change), { env: invocation.host.env, base: loaded.raw });
  // What was wrong before this change is not news.
  const known = new Set(loaded.issues.map((issue) => issue.message));
  for (const issue of issues.filter((each) => each.severity === "warning" && !known.has(each.message)))
    invocation.out.note(`Note: ${warningLine(issue)}`);
  return path;
}

const warningLine = (issue: ConfigIssue): string => sanitizeLine(`${issue.line > 0 ? `line ${issue.line}: ` : ""}${issue.message}`);

async function editRemote(invocation: Invocation, change: (edit: ConfigEdit) => void): Promise<string> {
  return await withGateway(invocation, { scopes: ["operator.admin"] }, async ({ client, target }) => {
    const { parsed, hash } = await client.request<{ parsed?: unknown; hash?: string }>("config.get");
    const before = JSON.stringify(parsed ?? {});
    const patch = toMergePatch(JSON.parse(before), JSON.parse(mergePatch(editText(before, change), {})));
    if (patch !== undefined)
      await client.request("config.patch", { raw: JSON.stringify(patch), ...(hash !== undefined && { baseHash: hash }) });
    return `the configuration of ${target.url}`;
  });
}

/** The JSON merge patch (RFC 7396) that leads from one value to another; undefined when they are equal. Secrets stay out of it unless they changed. */
export function toMergePatch(from: unknown, to: unknown): unknown {
  if (!isObject(from) || !isObject(to)) return JSON.stringify(from) === JSON.stringify(to) ? undefined : to;
  const patch: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (!Object.hasOwn(to, key)) patch[key] = null;
    else {
      const part = Object.hasOwn(from, key) ? toMergePatch(from[key], to[key]) : to[key];
      if (part !== undefined) patch[key] = part;
    }
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}
