import { changeEffectAt, isUnservedAt } from "../config/schema/walk.ts";
import { CONFIG } from "../config/schema.ts";
import { getAt } from "../config/edit.ts";
import type { ConfigIssue } from "../config/issue.ts";
import { formatPath, parsePath, type KeyPath } from "../config/key-path.ts";
import { REDACTED, redactValue } from "../config/redact.ts";
import { CliError, EXIT, GatewayError } from "../core/errors.ts";
import { applyConfigEdit, refuseUnknownKeys } from "./config-edit.ts";
import { parseValueAt, toDisplayValue } from "./config-value.ts";
import type { CommandHandler } from "./command.ts";
import { withGateway } from "./connect.ts";
import { readSecretInput } from "./stdin.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeLine, plural, toSafeJson } from "./terminal-text.ts";

function pathOf(invocation: Invocation): KeyPath {
  const text = invocation.arg(0);
  const path = parsePath(text);
  if (path && path.length > 0) return path;
  throw new CliError(`"${sanitizeLine(text)}" is not a key`, {
    why: "the parts of a key are joined by dots.",
    fix: "write it like gateway.port or bindings[0].agentId",
    exit: EXIT.usage,
  });
}

/** `openclaw config get [path]`: the value in the file; with a remote gateway, in its file. */
export const configGet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const path = invocation.args[0] === undefined ? null : pathOf(invocation);
  const { value, fallback } = await readConfigured(invocation, path);
  if (value === undefined && fallback === undefined) {
    throw new CliError(`${sanitizeLine(invocation.arg(0))} is not set`, {
      why: "it is not in the file, and it has no default.",
      fix: `openclaw config schema ${sanitizeLine(invocation.arg(0))} describes it.`,
    });
  }
  const shown = value ?? fallback;
  if (out.json) return out.data(shown);
  const hidden = JSON.stringify(shown).includes(REDACTED);
  if (shown === REDACTED) {
    out.line("(secret: set, not shown)");
    return out.note(`To change it: openclaw config set ${sanitizeLine(invocation.arg(0))} --stdin`);
  }
  out.line(typeof shown === "string" ? sanitizeLine(shown) : toSafeJson(shown, 2).replaceAll(`"${REDACTED}"`, "(secret: set, not shown)"));
  if (hidden) out.note("Secrets are hidden; secrets that are not set do not appear.");
  if (value === undefined) out.note("This is the default; the file does not set it.");
};

async function readConfigured(invocation: Invocation, path: KeyPath | null): Promise<{ value: unknown; fallback: unknown }> {
  const target = resolveTarget(invocation);
  if (!target.isLocal) {
    const { parsed } = await withGateway(invocation, { scopes: ["operator.read"] }, ({ client }) =>
      client.request<{ parsed: unknown }>("config.get"),
    );
    return { value: path === null ? parsed : walk(parsed, path), fallback: undefined };
  }
  const loaded = configOf(invocation);
  const fallback = path === null ? {} : walk(redactValue(loaded.config), path);
  if (loaded.raw === null) return { value: undefined, fallback };
  const whole = redactValue(readSnapshot(loaded.raw));
  return { value: path === null ? whole : walk(whole, path), fallback };
}

/** The text as a value; getAt needs a path, so the text is put under one. */
const readSnapshot = (raw: string): unknown => getAt(`{ "file": ${raw.trim() || "{}"}\n}`, ["file"]);

function walk(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string, unknown>)[step];
  }
  return at;
}

const EFFECT_TEXT = {
  applied: "Applied immediately by a running gateway.",
  "restart-channel": "The channel will reconnect.",
  "restart-gateway": "Takes effect after a restart: openclaw gateway restart",
  none: "It belongs to OpenClaw and has no effect here.",
} as const;

const effectAt = (path: KeyPath): keyof typeof EFFECT_TEXT => (isUnservedAt(CONFIG, path) ? "none" : changeEffectAt(CONFIG, path));

/** `openclaw config set <path> <value>` */
export const configSet: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const path = pathOf(invocation);
  const text = invocation.has("stdin") ? await readSecretInput(invocation, formatPath(path)) : invocation.args[1];
  if (text === undefined)
    throw new CliError(`${formatPath(path)} needs a value`, {
      why: "none was given.",
      fix: `openclaw config set ${formatPath(path)} <value>; --stdin reads it from standard input.`,
      exit: EXIT.usage,
    });
  const value = invocation.has("stdin") || invocation.has("string") ? text : parseValueAt(path, text);
  if (!invocation.has("force")) refuseUnknownKeys(invocation, (edit) => edit.set(path, value));
  const where = await applyConfigEdit(invocation, (edit) => edit.set(path, value)).catch((err: unknown) => {
    throw err instanceof GatewayError && err.code === "INVALID_REQUEST" && err.fix === undefined ? toInvalidConfigError(err, path) : err;
  });
  const effect = effectAt(path);
  out.result({ ok: true, path: formatPath(path), where, effect }, () => {
    out.line(`${formatPath(path)} = ${invocation.has("stdin") ? "(hidden)" : toDisplayValue(formatPath(path), value)}`);
    out.note(`Saved in ${where}.`);
    out.note(EFFECT_TEXT[effect]);
  });
};

const toInvalidConfigError = (err: GatewayError, path: KeyPath): CliError =>
  new CliError(err.message, {
    why: "nothing was changed.",
    fix: `openclaw config schema ${formatPath(path)} shows the possible values.`,
    exit: EXIT.config,
    cause: err,
  });

/** `openclaw config unset <path>` */
export const configUnset: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const path = pathOf(invocation);
  let found = false;
  const where = await applyConfigEdit(invocation, (edit) => {
    found = edit.get(path) !== undefined;
    edit.unset(path);
  });
  out.result({ ok: true, path: formatPath(path), removed: found, where }, () => {
    out.line(found ? `Removed ${formatPath(path)} from ${where}.` : `${formatPath(path)} was not set in ${where}.`);
    if (found) out.note(EFFECT_TEXT[effectAt(path)]);
  });
};

/** `openclaw config file` */
export const configFile: CommandHandler = (invocation) => {
  const { config, exists } = { config: pathsOf(invocation).config, exists: configOf(invocation).exists };
  invocation.out.result({ path: config, exists }, () => invocation.out.line(config));
  if (!exists && !invocation.out.json) invocation.out.note("It does not exist yet; the defaults apply. openclaw config set creates it.");
};

/** `openclaw config validate` */
export const configValidate: CommandHandler = (invocation) => {
  const { out } = invocation;
  const loaded = configOf(invocation);
  const errors = loaded.issues.filter((issue) => issue.severity === "error").length;
  const warnings = loaded.issues.filter((issue) => issue.severity === "warning").length;
  out.result({ ok: errors === 0, path: loaded.path, exists: loaded.exists, source: loaded.source, issues: loaded.issues }, () => {
    for (const issue of loaded.issues) printIssue(invocation, loaded.path, issue);
    if (!loaded.exists) out.line(`${loaded.path} does not exist; the defaults apply.`);
    else out.line(`${loaded.path}: ${plural(errors, "error")}, ${plural(warnings, "warning")}`);
  });
  return errors === 0 ? EXIT.ok : EXIT.config;
};

const SEVERITY_MARKS = { error: ["red", "✗"], warning: ["yellow", "!"], info: ["dim", "·"] } as const;

/** One finding: place and message, then the fix below it. */
export function printIssue({ out }: Invocation, file: string, issue: ConfigIssue): void {
  const [style, mark] = SEVERITY_MARKS[issue.severity];
  const place = issue.line > 0 ? `${file}:${issue.line}:${issue.column}` : file;
  out.paragraph(`${out.paint(style, mark)} ${place}  ${sanitizeLine(issue.message)}`, "  ");
  if (issue.fix) out.paragraph(`  Fix: ${sanitizeLine(issue.fix)}`, "  ");
}

/** `openclaw config schema [path]` */
export const configSchema: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { jsonSchema, lookupSchema } = await import("../config/json-schema.ts");
  const path = invocation.args[0];
  if (path === undefined) return out.data(jsonSchema());
  const found = lookupSchema(path);
  if (!found) throw await unknownKeyError(path);
  out.result(found, () => {
    const {
      description,
      type,
      default: fallback,
      enum: choices,
    } = found.schema as { description?: string; type?: string | string[]; default?: unknown; enum?: unknown[] };
    const rows: [string, string][] = [["key", found.path]];
    if (description) rows.push(["description", description]);
    if (type) rows.push(["type", [type].flat().join(" or ")]);
    if (choices) rows.push(["one of", choices.join(", ")]);
    if (fallback !== undefined) rows.push(["default", JSON.stringify(fallback)]);
    rows.push(["takes effect", EFFECT_TEXT[changeEffectAt(CONFIG, parsePath(path.replaceAll("[]", "[0]")) ?? [])]]);
    out.pairs(rows);
    if (found.children.length === 0) return;
    out.line();
    out.table(
      [{ title: "below it" }, { title: "type", truncate: true }],
      found.children.map((child) => [child.key, [child.type ?? "-"].flat().join(" or ")]),
    );
  });
};

async function unknownKeyError(path: string): Promise<CliError> {
  const { lookupSchema } = await import("../config/json-schema.ts");
  const { suggest } = await import("../config/suggest.ts");
  const parent = path.split(".").slice(0, -1).join(".") || ".";
  const siblings = lookupSchema(parent)?.children.map((child) => child.key) ?? [];
  const meant = suggest(path.split(".").at(-1)!, siblings);
  const whole = meant && (parent === "." ? meant : `${parent}.${meant}`);
  return new CliError(`Unknown key "${sanitizeLine(path)}".${whole ? ` Did you mean "${whole}"?` : ""}`, {
    fix: whole ? `openclaw config schema ${whole}` : `openclaw config schema ${parent} lists the keys there.`,
    exit: EXIT.usage,
  });
}
