import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { Json5Error, memberOf, parseWithComments, type Scalar, type Span, type Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { CONFIG } from "./schema.ts";
import type { Node } from "./schema/shape.ts";
import { childOf } from "./schema/walk.ts";
import { soundsSecret } from "./secrets.ts";
import { applyEdits, type Edit } from "./text-edit.ts";

/** What clients see in place of a secret, and send back to keep it. */
export const REDACTED = "__OPENCLAW_REDACTED__";

const ONLY_VARIABLES = /^(?:\$\{[A-Z_][A-Z0-9_]*\})+$/;
const URL_WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]{0,1024}:[^/@\s]{1,1024}@/i;
/** A credential that was commented out: a telling name, a colon or equals sign, and the value. */
const IN_COMMENT =
  /((?:token|secret|passw|passphrase|api[-_]?key|credential|authorization)[\w-]{0,40}["']?\s{0,8}[:=]\s{0,8})("[^"\n]*"|'[^'\n]*'|[^\s,"'}]+)/gi;

/** How far a walk has come: the schema's node (null where it describes nothing), and whether all below is secret. */
type Where = { readonly node: Node | null; readonly secret: boolean };

const ROOT: Where = { node: CONFIG, secret: false };

function step(where: Where, key: string | number): Where {
  const node = where.node === null ? null : childOf(where.node, key);
  const described = node !== null && node.kind !== "opaque";
  const named = !described && typeof key === "string" && soundsSecret(key);
  return { node, secret: where.secret || node?.kind === "secret" || named };
}

/** `{ source, provider, id }` names a secret and is none. */
const isReference = (keys: readonly string[]): boolean => keys.includes("source") && keys.includes("id");

function isHidden(value: unknown, where: Where): boolean {
  if (typeof value === "string") {
    if (value === "" || value === REDACTED) return false;
    return (where.secret && !ONLY_VARIABLES.test(value)) || URL_WITH_PASSWORD.test(value);
  }
  return where.secret && typeof value === "number";
}

type Hidden = { readonly scalar: Scalar; readonly path: KeyPath };

function hiddenIn(tree: Tree, where: Where, path: KeyPath, found: Hidden[]): Hidden[] {
  if (tree.kind === "scalar") {
    if (isHidden(tree.value, where)) found.push({ scalar: tree, path });
  } else if (tree.kind === "array") {
    for (const [index, item] of tree.items.entries()) hiddenIn(item, step(where, index), [...path, index], found);
  } else {
    const reference = where.secret && isReference(tree.members.map((member) => member.key));
    for (const { key, value } of reference ? [] : tree.members) hiddenIn(value, step(where, key), [...path, key], found);
  }
  return found;
}

function hideInComment(comment: string, secrets: readonly string[]): string {
  if (secrets.length > LIMITS.configCommentSecrets) return comment.startsWith("//") ? `// ${REDACTED}` : `/* ${REDACTED} */`;
  let out = comment.replaceAll(IN_COMMENT, (_, name: string) => `${name}${REDACTED}`);
  for (const secret of secrets) if (secret.length >= 6) out = out.replaceAll(secret, REDACTED);
  return out;
}

/**
 * The text with every secret replaced, comments and layout kept; credentials in comments are hidden as well. Null for a text
 * that is not JSON5: where its secrets are cannot be known.
 */
export function redactText(raw: string): string | null {
  try {
    return applyEdits(raw, redactions(raw));
  } catch (err) {
    if (err instanceof Json5Error) return null;
    throw err;
  }
}

function redactions(raw: string): readonly Edit[] {
  const { root, comments } = parseWithComments(raw);
  const hidden = hiddenIn(root, ROOT, [], []);
  const secrets = hidden.map(({ scalar }) => String(scalar.value));
  const edits = hidden.map(({ scalar }) => ({ start: scalar.start, end: scalar.end, text: quoteAs(raw, scalar) }));
  for (const comment of comments) {
    const text = raw.slice(comment.start, comment.end);
    const clean = hideInComment(text, secrets);
    if (clean !== text) edits.push({ ...comment, text: clean });
  }
  return edits;
}

function quoteAs(raw: string, scalar: Scalar): string {
  const quote = raw[scalar.start] === "'" ? "'" : '"';
  return `${quote}${REDACTED}${quote}`;
}

/** A copy of a value of the file, or of a Config, with every secret replaced; plain JSON. */
export function redactValue(value: unknown): unknown {
  return redactAt(value, ROOT);
}

function redactAt(value: unknown, where: Where): unknown {
  if (value instanceof Secret || isHidden(value, where)) return REDACTED;
  if (Array.isArray(value)) return value.map((item, index) => redactAt(item, step(where, index)));
  if (typeof value !== "object" || value === null) return value;
  if (where.secret && isReference(Object.keys(value))) return { ...value };
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (key !== "__proto__") out[key] = redactAt(item, step(where, key));
  return out;
}

/**
 * Puts the secrets of `currentRaw` back into a text that a client has edited. A placeholder keeps the secret of the same key
 * (items of lists that have an `id` are found by it). Throws INVALID_REQUEST when there is nothing to keep.
 */
export function unredact(nextRaw: string, currentRaw: string | null): string {
  if (!nextRaw.includes(REDACTED)) return nextRaw;
  const next = parse(nextRaw);
  const current = currentRaw === null ? null : parse(currentRaw);
  const edits: Edit[] = [];
  restore(next.root, current?.root, [], currentRaw ?? "", edits);
  if (current) edits.push(...restoredComments(nextRaw, next.comments, currentRaw!, current));
  return applyEdits(nextRaw, edits);
}

function parse(raw: string): ReturnType<typeof parseWithComments> {
  try {
    return parseWithComments(raw);
  } catch (err) {
    if (err instanceof Json5Error) throw new GatewayError("INVALID_REQUEST", `the text is not JSON5: ${err.message}`);
    throw err;
  }
}

function restore(next: Tree, current: Tree | undefined, path: KeyPath, currentRaw: string, edits: Edit[]): void {
  if (next.kind === "array") {
    const stored = current?.kind === "array" ? current.items : [];
    const byId = new Map(stored.map((item) => [idOf(item), item]));
    for (const [index, item] of next.items.entries()) {
      const id = idOf(item);
      restore(item, id === undefined ? stored[index] : byId.get(id), [...path, index], currentRaw, edits);
    }
  } else if (next.kind === "object") {
    const stored = current?.kind === "object" ? new Map(current.members.map((member) => [member.key, member.value])) : undefined;
    for (const { key, value } of next.members) restore(value, stored?.get(key), [...path, key], currentRaw, edits);
  } else if (typeof next.value === "string" && next.value.includes(REDACTED)) {
    const stored = current?.kind === "scalar" ? current : undefined;
    if (next.value !== REDACTED || stored === undefined || stored.value === REDACTED) {
      throw new GatewayError("INVALID_REQUEST", `${formatPath(path)} holds the placeholder of a secret, and there is no secret to keep`, {
        details: { path: formatPath(path) },
        fix: "write the secret itself, or a reference to it",
      });
    }
    edits.push({ start: next.start, end: next.end, text: currentRaw.slice(stored.start, stored.end) });
  }
}

/** Items with an id are the same item wherever they stand in their list. */
function idOf(tree: Tree): string | undefined {
  const id = memberOf(tree, "id")?.value;
  return id?.kind === "scalar" && typeof id.value === "string" ? id.value : undefined;
}

/** Comments that are word for word the hidden form of a stored comment become that comment again. */
function restoredComments(nextRaw: string, comments: readonly Span[], currentRaw: string, current: ReturnType<typeof parse>): Edit[] {
  const secrets = hiddenIn(current.root, ROOT, [], []).map(({ scalar }) => String(scalar.value));
  const stored = new Map<string, string[]>();
  for (const { start, end } of current.comments) {
    const text = currentRaw.slice(start, end);
    const clean = hideInComment(text, secrets);
    if (clean !== text) stored.set(clean, [...(stored.get(clean) ?? []), text]);
  }
  const edits: Edit[] = [];
  for (const { start, end } of comments) {
    const original = stored.get(nextRaw.slice(start, end))?.shift();
    if (original !== undefined) edits.push({ start, end, text: original });
  }
  return edits;
}
