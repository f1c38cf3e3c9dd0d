import { copyFile, chmod } from "node:fs/promises";
import { constants } from "node:fs";
import { getAt } from "../config/edit.ts";
import { formatPath, parsePath, type KeyPath } from "../config/key-path.ts";
import { checkConfigText, type LoadedConfig } from "../config/load.ts";
import { findRetired, type RetiredForm } from "../config/retired-keys.ts";
import { isSecretKey } from "../config/secret-refs.ts";
import { GatewayError } from "../core/errors.ts";
import { editFile, editText, type ConfigEdit } from "./config-edit.ts";
import type { BadFinding, ConfigKeyChange } from "./doctor-finding.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { sanitizeLine } from "./terminal-text.ts";

/** Older forms in the file. */
export function checkRetired(invocation: Invocation): BadFinding[] {
  const loaded = configOf(invocation);
  return retiredForms(loaded).map(({ path, to, value, message, isIgnored }) => ({
    check: "config-retired",
    severity: "warning",
    title: message,
    why: isIgnored ? "it has no effect under this name." : "it is still read; a later release may not.",
    place: { path: loaded.path, line: 0, column: 0, ocPath: formatPath(path) },
    fix:
      value === undefined ? `rename it to ${formatPath(to)}, or: openclaw doctor --fix` : `openclaw config set ${formatPath(to)} ${value}`,
    change: { from: path, to, ...(value !== undefined && { value }) },
  }));
}

function retiredForms({ raw, source }: LoadedConfig): RetiredForm[] {
  if (raw === null || source !== "file") return [];
  const value: Record<string, unknown> = {};
  for (const key of ["agents", "mcp", "memory", "tools", "channels", "gateway"]) value[key] = getAt(raw, key);
  return findRetired(value);
}

/** The one correction of an unknown key; null: there is none, or the right key is set already. */
export function correctionOf(
  { raw, source }: LoadedConfig,
  issue: { path: string; suggestion?: string; message: string },
): ConfigKeyChange | null {
  const path = parsePath(issue.path);
  if (raw === null || source !== "file" || path === null || issue.suggestion === undefined) return null;
  if (!issue.message.includes("is not a known key")) return null;
  const to = [...path.slice(0, -1), issue.suggestion];
  return getAt(raw, to) === undefined && getAt(raw, path) !== undefined ? { from: path, to } : null;
}

/** The name of the new key where it is beside the old one; null: it is elsewhere, or only the value changes. */
function newNameOf({ from, to }: ConfigKeyChange): string | null {
  const name = to.at(-1);
  const isBeside = from.length === to.length && formatPath(from.slice(0, -1)) === formatPath(to.slice(0, -1));
  return isBeside && typeof name === "string" && name !== from.at(-1) ? name : null;
}

function applyChange(edit: ConfigEdit, change: ConfigKeyChange): void {
  const { from, to, value } = change;
  const name = newNameOf(change);
  if (name !== null && value === undefined) return edit.rename(from, name);
  const kept = value ?? edit.get(from);
  if (formatPath(from) !== formatPath(to)) edit.unset(from);
  edit.set(to, kept);
}

export type ConfigFix = { readonly changes: readonly ConfigKeyChange[]; readonly refused: readonly ConfigKeyChange[] };

/** Those changes that make nothing else invalid, each on top of the ones before it. */
export function planConfigFix(invocation: Invocation, changes: readonly ConfigKeyChange[]): ConfigFix {
  const { raw, path } = configOf(invocation);
  const { env } = invocation.host;
  const errorsIn = (text: string): number =>
    checkConfigText(text, { env, path }).issues.filter(({ severity }) => severity === "error").length;
  let text = raw ?? "";
  const [good, refused]: [ConfigKeyChange[], ConfigKeyChange[]] = [[], []];
  for (const change of changes) {
    const next = editText(text, (edit) => applyChange(edit, change));
    if (errorsIn(next) > errorsIn(text)) refused.push(change);
    else {
      good.push(change);
      text = next;
    }
  }
  return { changes: good, refused };
}

/** One pair of lines for each change, as in a diff. Values of credentials are not shown. */
export function diffLines(invocation: Invocation, changes: readonly ConfigKeyChange[]): string[] {
  const { raw } = configOf(invocation);
  return changes.flatMap(({ from, to, value }) => {
    const before = getAt(raw ?? "", from);
    const isSecret = [...from, ...to].some((step) => typeof step === "string" && isSecretKey(step));
    const show = (path: KeyPath, shown: unknown): string => `${formatPath(path)}: ${isSecret ? "(not shown)" : shorten(shown)}`;
    return [`- ${show(from, before)}`, `+ ${show(to, value ?? before)}`];
  });
}

function shorten(value: unknown): string {
  if (Array.isArray(value)) return "[…]";
  if (typeof value === "object" && value !== null) return "{…}";
  return sanitizeLine(JSON.stringify(value) ?? "").slice(0, 80);
}

/** Writes the changes through the checked edit, with a copy of the file beside it first. Resolves to that copy. */
export async function fixConfig(invocation: Invocation, changes: readonly ConfigKeyChange[]): Promise<string> {
  const { path } = configOf(invocation);
  const stamp = new Date(invocation.host.now()).toISOString().replaceAll(/[:.]/g, "-");
  const copy = `${path}.before-fix-${stamp}`;
  try {
    await copyFile(path, copy, constants.COPYFILE_EXCL);
    await chmod(copy, 0o600);
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `the copy ${copy} could not be made, so ${path} was not changed`, {
      cause: err,
      fix: "Check the owner and the disk of the directory.",
    });
  }
  await editFile(invocation, (edit) => {
    for (const change of changes) applyChange(edit, change);
  });
  return copy;
}
