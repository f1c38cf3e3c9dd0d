import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { Json5Error, memberOf, parseTree, parseWithComments, valueOf, type ScalarTree, type SourceSpan, type Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { CONFIG } from "./schema.ts";
import type { Node } from "../core/config-schema.ts";
import { childNode } from "./schema/walk.ts";
import { isSecretKey } from "./secret-refs.ts";
import { applyEdits, type TextEdit } from "./text-edit.ts";
import { redactUrls } from "./url-secrets.ts";

/** What clients see in place of a secret, and send back to keep it. */
export const REDACTED = "__OPENCLAW_REDACTED__";

const VARIABLES_ONLY = /^(?:\$\{[A-Z_][A-Z0-9_]*\})+$/;
/** A credential that was commented out: a telling name, a colon or equals sign, and the value. */
const SECRET_IN_COMMENT =
  /((?:token|secret|passw|passphrase|api[-_]?key|credential|authorization)[\w-]{0,40}["']?\s{0,8}[:=]\s{0,8})("[^"\n]*"|'[^'\n]*'|[^\s,"'}]+)/gi;

/** How far a walk has come: the schema's node (null where it describes nothing), whether all below is secret, and the last key. */
type SchemaPosition = { readonly node: Node | null; readonly secret: boolean; readonly key: string };

const ROOT_POSITION: SchemaPosition = { node: CONFIG, secret: false, key: "" };

function descend(where: SchemaPosition, key: string | number): SchemaPosition {
  const node = where.node === null ? null : childNode(where.node, key);
  const described = node !== null && node.kind !== "unknown";
  const named = !described && typeof key === "string" && isSecretKey(key);
  // Items of a list are what the list is called.
  return { node, secret: where.secret || node?.kind === "secret" || named, key: typeof key === "string" ? key : where.key };
}

/** `{ source, provider, id }` names a secret and is none. */
const isReference = (keys: readonly string[]): boolean => keys.includes("source") && keys.includes("id");

/** What is shown in place of a value, and the texts that it hides; null when the value is shown as it is. */
type Redaction = { readonly shown: string; readonly secrets: readonly string[] };

function redactionFor(value: unknown, where: SchemaPosition): Redaction | null {
  if (typeof value === "number") return where.secret ? { shown: REDACTED, secrets: [String(value)] } : null;
  if (typeof value !== "string" || value === "" || value === REDACTED) return null;
  if (where.secret && !VARIABLES_ONLY.test(value)) return { shown: REDACTED, secrets: [value] };
  const { text, hidden } = redactUrls(value, where.key, REDACTED);
  return hidden.length === 0 ? null : { shown: text, secrets: hidden };
}

type RedactedScalar = { readonly scalar: ScalarTree; readonly path: KeyPath } & Redaction;

function collectRedactions(tree: Tree, where: SchemaPosition, path: KeyPath, found: RedactedScalar[]): RedactedScalar[] {
  if (tree.kind === "scalar") {
    const hiding = redactionFor(tree.value, where);
    if (hiding) found.push({ scalar: tree, path, ...hiding });
  } else if (tree.kind === "array") {
    for (const [index, item] of tree.items.entries()) collectRedactions(item, descend(where, index), [...path, index], found);
  } else {
    const reference = where.secret && isReference(tree.members.map((member) => member.key));
    for (const { key, value } of reference ? [] : tree.members) collectRedactions(value, descend(where, key), [...path, key], found);
  }
  return found;
}

function redactComment(comment: string, secrets: readonly string[]): string {
  if (secrets.length > LIMITS.configCommentSecrets) return comment.startsWith("//") ? `// ${REDACTED}` : `/* ${REDACTED} */`;
  let out = redactUrls(comment, "", REDACTED).text.replaceAll(SECRET_IN_COMMENT, (_, name: string) => `${name}${REDACTED}`);
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

/**
 * The text without its secrets, for a copy that leaves the machine: keys that hold one are left out, references stay, comments are gone.
 * Null for a text that is not JSON5.
 */
export function configWithoutSecrets(raw: string): string | null {
  try {
    return `${JSON.stringify(withoutRedacted(redactValue(valueOf(parseTree(raw)))), null, 2)}\n`;
  } catch (err) {
    if (err instanceof Json5Error) return null;
    throw err;
  }
}

/** Credentials that a text holds itself, with their keys and places. References and `${NAME}` are none. Empty for a text that is not JSON5. */
export function plaintextSecrets(raw: string): readonly { readonly path: KeyPath; readonly offset: number; readonly text: string }[] {
  try {
    return collectRedactions(parseTree(raw), ROOT_POSITION, [], []).map(({ scalar, path }) => ({
      path,
      offset: scalar.start,
      text: String(scalar.value),
    }));
  } catch (err) {
    if (err instanceof Json5Error) return [];
    throw err;
  }
}

function withoutRedacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isRedacted(item)).map(withoutRedacted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => !isRedacted(item))
      .map(([key, item]) => [key, withoutRedacted(item)]),
  );
}

/** Also a URL that holds a credential, which is of no use without it. */
const isRedacted = (value: unknown): boolean => typeof value === "string" && value.includes(REDACTED);

function redactions(raw: string): readonly TextEdit[] {
  const { root, comments } = parseWithComments(raw);
  const hidden = collectRedactions(root, ROOT_POSITION, [], []);
  const secrets = hidden.flatMap((each) => each.secrets);
  const edits = hidden.map(({ scalar, shown }) => ({ start: scalar.start, end: scalar.end, text: quoteAs(raw, scalar, shown) }));
  for (const comment of comments) {
    const text = raw.slice(comment.start, comment.end);
    const clean = redactComment(text, secrets);
    if (clean !== text) edits.push({ ...comment, text: clean });
  }
  return edits;
}

function quoteAs(raw: string, scalar: ScalarTree, shown: string): string {
  const text = JSON.stringify(shown);
  return raw[scalar.start] === "'" && !/['"\\]/.test(shown) ? `'${text.slice(1, -1)}'` : text;
}

/** A copy of a value of the file, or of a Config, with every secret replaced; plain JSON. */
export function redactValue(value: unknown): unknown {
  return redactAt(value, ROOT_POSITION);
}

function redactAt(value: unknown, where: SchemaPosition): unknown {
  if (value instanceof Secret) return REDACTED;
  const hiding = redactionFor(value, where);
  if (hiding) return hiding.shown;
  if (Array.isArray(value)) return value.map((item, index) => redactAt(item, descend(where, index)));
  if (typeof value !== "object" || value === null) return value;
  if (where.secret && isReference(Object.keys(value))) return { ...value };
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (key !== "__proto__") out[key] = redactAt(item, descend(where, key));
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
  const edits: TextEdit[] = [];
  restore(next.root, current?.root, { path: [], where: ROOT_POSITION }, currentRaw ?? "", edits);
  if (current) edits.push(...restoreComments(nextRaw, next.comments, currentRaw!, current));
  return applyEdits(nextRaw, edits);
}

/** `unredact`, where a broken file cannot give its secrets back: then a text without placeholders is needed. */
export const restoreSecrets = (raw: string, current: string): string =>
  raw.includes(REDACTED) ? unredact(raw, current === "" ? null : current) : raw;

function parse(raw: string): ReturnType<typeof parseWithComments> {
  try {
    return parseWithComments(raw);
  } catch (err) {
    if (err instanceof Json5Error) throw new GatewayError("INVALID_REQUEST", `the text is not JSON5: ${err.message}`);
    throw err;
  }
}

type RestorePosition = { readonly path: KeyPath; readonly where: SchemaPosition };

const descendRestore = ({ path, where }: RestorePosition, key: string | number): RestorePosition => ({
  path: [...path, key],
  where: descend(where, key),
});

function restore(next: Tree, current: Tree | undefined, at: RestorePosition, currentRaw: string, edits: TextEdit[]): void {
  if (next.kind === "array") {
    const stored = current?.kind === "array" ? current.items : [];
    const byId = new Map(stored.map((item) => [itemIdOf(item), item]));
    for (const [index, item] of next.items.entries()) {
      const id = itemIdOf(item);
      restore(item, id === undefined ? stored[index] : byId.get(id), descendRestore(at, index), currentRaw, edits);
    }
  } else if (next.kind === "object") {
    const stored = current?.kind === "object" ? new Map(current.members.map((member) => [member.key, member.value])) : undefined;
    for (const { key, value } of next.members) restore(value, stored?.get(key), descendRestore(at, key), currentRaw, edits);
  } else if (typeof next.value === "string" && next.value.includes(REDACTED)) {
    const stored = current?.kind === "scalar" ? current : undefined;
    // A placeholder of a whole value keeps whatever is stored; one inside of a URL keeps the URL that is shown so.
    const keeps = next.value === REDACTED || (stored !== undefined && next.value === redactionFor(stored.value, at.where)?.shown);
    if (!keeps || stored === undefined || stored.value === REDACTED) {
      const path = formatPath(at.path);
      throw new GatewayError("INVALID_REQUEST", `${path} holds the placeholder of a secret, and there is no secret to keep`, {
        details: { path },
        fix: "write the secret itself, or a reference to it",
      });
    }
    edits.push({ start: next.start, end: next.end, text: currentRaw.slice(stored.start, stored.end) });
  }
}

/** Items with an id are identified by it, at any position of their list. */
function itemIdOf(tree: Tree): string | undefined {
  const id = memberOf(tree, "id")?.value;
  return id?.kind === "scalar" && typeof id.value === "string" ? id.value : undefined;
}

/** Comments that are word for word the hidden form of a stored comment become that comment again. */
function restoreComments(
  nextRaw: string,
  comments: readonly SourceSpan[],
  currentRaw: string,
  current: ReturnType<typeof parse>,
): TextEdit[] {
  const secrets = collectRedactions(current.root, ROOT_POSITION, [], []).flatMap((each) => each.secrets);
  const stored = new Map<string, string[]>();
  for (const { start, end } of current.comments) {
    const text = currentRaw.slice(start, end);
    const clean = redactComment(text, secrets);
    if (clean !== text) stored.set(clean, [...(stored.get(clean) ?? []), text]);
  }
  const edits: TextEdit[] = [];
  for (const { start, end } of comments) {
    const original = stored.get(nextRaw.slice(start, end))?.shift();
    if (original !== undefined) edits.push({ start, end, text: original });
  }
  return edits;
}
