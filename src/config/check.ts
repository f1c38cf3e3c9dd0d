import { Secret } from "../core/secret.ts";
import type { Findings } from "./issue.ts";
import type { Member, ObjectTree, Scalar, Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { soundsSecret, type SecretSource } from "./secrets.ts";
import type { GroupNode, ListNode, MapNode, Node, SecretNode } from "./schema/shape.ts";
import { fileKeyOf, fileNode } from "./schema/walk.ts";
import { parseBytes } from "./quantity.ts";
import { readScalar, typeName, WRONG } from "./scalar.ts";

/** All that a check needs besides the tree. */
export type CheckContext = {
  readonly findings: Findings;
  readonly secrets: SecretSource;
  /** Expands `~` and makes a path absolute. */
  toPath(text: string): string;
};

/**
 * The value of `tree` as `node` describes it: substituted, completed with defaults, frozen. A wrong value is reported and
 * replaced by the nearest safe one; WRONG is returned only where the place above has to decide.
 */
export function check(node: Node, tree: Tree | undefined, path: KeyPath, context: CheckContext): unknown {
  if (tree === undefined) return absent(node, path, context);
  if (node.notice !== undefined) {
    context.findings.add("warning", path, tree.start, { message: `${formatPath(path)} ${node.notice}` });
  }
  switch (node.kind) {
    case "group":
      return checkGroup(node, tree, path, context);
    case "map":
      return checkMap(node, tree, path, context);
    case "list":
      return checkList(node, tree, path, context);
    case "secret":
      return checkSecret(node, tree, path, context);
    case "opaque":
      return keep(tree, path, context);
    default:
      return tree.kind === "scalar" ? readScalar(node, tree, path, context) : wrongType(node, tree, path, context);
  }
}

function absent(node: Node, path: KeyPath, context: CheckContext): unknown {
  if (node.kind === "group" && !node.optional) {
    const empty: ObjectTree = { kind: "object", start: 0, end: 0, members: [] };
    return node.required ? undefined : checkGroup(node, empty, path, context);
  }
  if (node.kind === "map" && !node.optional) return Object.freeze(Object.create(null));
  if (node.kind === "list" && node.default !== undefined) return Object.freeze([...node.default]);
  if (node.kind === "bytes" && typeof node.default === "string") return parseBytes(node.default);
  return "default" in node ? node.default : undefined;
}

/** What stands in for a value that is present and wrong. */
function fallback(node: Node, path: KeyPath, context: CheckContext): unknown {
  if (node.whenWrong === undefined) return node.required ? WRONG : absent(node, path, context);
  return typeof node.whenWrong === "object" ? Object.freeze(structuredClone(node.whenWrong)) : node.whenWrong;
}

const EXPECTED: Readonly<Record<Node["kind"], string>> = {
  group: "an object",
  map: "an object",
  list: "a list",
  text: "a text",
  flag: "true or false",
  number: "a number",
  choice: "a text",
  secret: "a text or a reference to a secret",
  bytes: "a size such as 500mb",
  opaque: "a value",
};

function wrongType(node: Node, tree: Tree, path: KeyPath, context: CheckContext): typeof WRONG {
  context.findings.add("error", path, tree.start, () => ({
    message: `${formatPath(path)} must be ${EXPECTED[node.kind]}, but is ${typeName(tree)}`,
  }));
  return WRONG;
}

/** Keys of an object in file order, the last of equal ones only, each reported once. */
function membersOf(tree: ObjectTree, path: KeyPath, context: CheckContext): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const member of tree.members) {
    const first = members.get(member.key);
    if (first) {
      const [one, two] = [context.findings.line(first.keyStart), context.findings.line(member.keyStart)];
      context.findings.add("warning", [...path, member.key], member.keyStart, {
        message: `${formatPath([...path, member.key])} is there twice, in lines ${one} and ${two}; the second one counts`,
        fix: `delete one of them`,
      });
    }
    if (member.key === "__proto__") {
      context.findings.add("warning", [...path, member.key], member.keyStart, {
        message: "the key __proto__ is left out",
        fix: "delete it",
      });
    } else members.set(member.key, member);
  }
  return members;
}

function checkGroup(node: GroupNode, tree: Tree, path: KeyPath, context: CheckContext): unknown {
  if (node.shorthand !== undefined && tree.kind === "scalar" && typeof tree.value === "string") {
    const value = check(node.fields[node.shorthand]!, tree, path, context);
    return value === WRONG ? (node.required ? WRONG : undefined) : Object.freeze({ [node.shorthand]: value });
  }
  if (tree.kind !== "object") {
    wrongType(node, tree, path, context);
    return node.strict && !node.optional ? WRONG : fallback(node, path, context);
  }
  const before = context.findings.errors;
  const members = membersOf(tree, path, context);
  const out: Record<string, unknown> = {};
  const taken = new Set<string>();
  let missing = false;
  for (const [key, field] of Object.entries(node.fields)) {
    const at = [...path, key];
    const member = members.get(key);
    taken.add(key);
    let value: unknown;
    if (field.kind === "secret") value = checkSecretField(field, key, members, taken, path, context);
    else value = check(field, member?.value, at, context);
    if (value === WRONG) value = fallback(field, at, context);
    if (field.required && (value === undefined || value === WRONG)) {
      if (member === undefined) {
        context.findings.add("error", path, tree.start, () => ({
          message: `${formatPath(at)} is missing`,
          fix: `add "${key}": ${field.doc}`,
        }));
      }
      missing = true;
    } else if (value !== undefined && value !== WRONG) out[key] = value;
  }
  for (const [key, member] of members) {
    if (taken.has(key)) continue;
    strayKey(node, key, member, path, context);
    if (node.rest && !node.unserved?.includes(key)) out[key] = check(node.rest.node, member.value, [...path, key], context);
  }
  if (missing || (node.strict && context.findings.errors > before)) return node.optional ? undefined : WRONG;
  return Object.freeze(out);
}

/** A key that the schema does not serve: OpenClaw's, or a typing error. Never an error: an upgrade must not stop a gateway. */
function strayKey(node: GroupNode, key: string, member: Member, path: KeyPath, context: CheckContext): void {
  if (context.findings.full) return context.findings.add("warning", path, null, { message: "" });
  const at = [...path, key];
  if (node.unserved?.includes(key)) {
    context.findings.add("info", at, member.keyStart, { message: `${formatPath(at)} belongs to OpenClaw and has no effect here` });
    return;
  }
  const suggestion = node.rest?.known.includes(key)
    ? undefined
    : context.findings.nearest(key, [...Object.keys(node.fields), ...(node.unserved ?? [])]);
  if (node.rest && suggestion === undefined) {
    const [severity, said] = node.rest.known.includes(key) ? (["warning", node.rest.notice] as const) : (["info", node.rest.note] as const);
    return context.findings.add(severity, at, member.keyStart, { message: `${formatPath(at)} ${said}` });
  }
  context.findings.add("warning", at, member.keyStart, {
    message: `${formatPath(at)} is not a known key${suggestion ? `; did you mean "${suggestion}"?` : ""}`,
    fix: suggestion ? `rename "${key}" to "${suggestion}"` : `delete "${key}"`,
    suggestion,
  });
}

function checkMap(node: MapNode, tree: Tree, path: KeyPath, context: CheckContext): unknown {
  if (tree.kind !== "object") {
    wrongType(node, tree, path, context);
    return fallback(node, path, context);
  }
  const out = Object.create(null) as Record<string, unknown>;
  const pattern = node.keyPattern && new RegExp(`^(?:${node.keyPattern.regex})$`);
  for (const [key, member] of membersOf(tree, path, context)) {
    const at = [...path, key];
    if (pattern && !pattern.test(key)) {
      const message = `${formatPath(at)}: the name must be ${node.keyPattern!.is}`;
      context.findings.add("error", at, member.keyStart, { message, fix: `rename ${JSON.stringify(key)}` });
      continue;
    }
    const value = check(node.item, member.value, at, context);
    const kept = value === WRONG ? node.item.whenWrong : value;
    if (kept !== WRONG && kept !== undefined) out[key] = kept;
  }
  return Object.freeze(out);
}

function checkList(node: ListNode, tree: Tree, path: KeyPath, context: CheckContext): unknown {
  const single = tree.kind === "scalar" && typeof tree.value === "string" && (node.item.kind === "text" || node.item.kind === "choice");
  if (single) {
    context.findings.add("warning", path, tree.start, {
      message: `${formatPath(path)} must be a list; the one text is taken as its only item`,
      fix: "put it into [ ]",
    });
  } else if (tree.kind !== "array") {
    wrongType(node, tree, path, context);
    return fallback(node, path, context);
  }
  const before = context.findings.errors;
  const items = tree.kind === "array" ? tree.items : [tree];
  const out: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const value = check(node.item, item, [...path, index], context);
    if (value !== WRONG && value !== undefined) out.push(value);
  }
  if (node.strict && context.findings.errors > before) return fallback(node, path, context);
  return Object.freeze(out);
}

/** The value under `key`, or the content of the file that `keyFile` names. */
function checkSecretField(
  node: SecretNode,
  key: string,
  members: ReadonlyMap<string, Member>,
  taken: Set<string>,
  path: KeyPath,
  context: CheckContext,
): unknown {
  const fileKey = fileKeyOf(key);
  taken.add(fileKey);
  const direct = members.get(key);
  const file = members.get(fileKey);
  if (direct && file) {
    context.findings.add("warning", [...path, fileKey], file.keyStart, {
      message: `${formatPath([...path, fileKey])} is ignored because ${formatPath([...path, key])} is set`,
      fix: `delete one of them`,
    });
  }
  if (direct || !file) return check(node, direct?.value, [...path, key], context);
  const at = [...path, fileKey];
  const name = check(fileNode(node), file.value, at, context);
  return typeof name === "string" ? toSecret(() => context.secrets.file(name), file.value, at, context) : undefined;
}

function checkSecret(node: SecretNode, tree: Tree, path: KeyPath, context: CheckContext): unknown {
  if (tree.kind === "object") return toSecret(() => context.secrets.reference(tree), tree, path, context);
  if (tree.kind !== "scalar" || typeof tree.value !== "string") return wrongType(node, tree, path, context);
  return secretText(tree.value, tree, path, context);
}

function secretText(text: string, tree: Tree, path: KeyPath, context: CheckContext): Secret | typeof WRONG | undefined {
  return toSecret(() => context.secrets.substitute(text), tree, path, context);
}

/** Runs `read`; its failure is an issue that names the place and never the value. */
function toSecret(
  read: () => { text: string } | { problem: string; fix?: string },
  tree: Tree,
  path: KeyPath,
  context: CheckContext,
): Secret | typeof WRONG | undefined {
  const result = read();
  if ("problem" in result) {
    const { problem, fix } = result;
    context.findings.add("error", path, tree.start, { message: `${formatPath(path)}: ${problem}`, ...(fix && { fix }) });
    return WRONG;
  }
  if (result.text !== "") return new Secret(result.text);
  context.findings.add("warning", path, tree.start, { message: `${formatPath(path)} is empty, which is the same as not set` });
  return undefined;
}

/** A part that this release does not read, for whoever does; what sounds like a credential is made one. */
function keep(tree: Tree, path: KeyPath, context: CheckContext): unknown {
  if (tree.kind === "array") return Object.freeze(tree.items.map((item, index) => keep(item, [...path, index], context)));
  if (tree.kind === "scalar") return keepScalar(tree, path, context);
  const name = path.at(-1);
  const isReference = typeof name === "string" && soundsSecret(name) && tree.members.some((member) => member.key === "source");
  if (isReference) {
    const value = toSecret(() => context.secrets.reference(tree), tree, path, context);
    return value === WRONG ? undefined : value;
  }
  const out: Record<string, unknown> = {};
  for (const [key, member] of membersOf(tree, path, context)) {
    const value = keep(member.value, [...path, key], context);
    if (value !== undefined) out[key] = value;
  }
  return Object.freeze(out);
}

function keepScalar(tree: Scalar, path: KeyPath, context: CheckContext): unknown {
  if (typeof tree.value !== "string") return tree.value;
  const name = path.findLast((step) => typeof step === "string");
  if (typeof name === "string" && soundsSecret(name)) {
    const value = secretText(tree.value, tree, path, context);
    return value === WRONG ? undefined : value;
  }
  const result = context.secrets.substitute(tree.value);
  if ("text" in result) return result.text;
  context.findings.add("error", path, tree.start, { message: `${formatPath(path)}: ${result.problem}` });
  return undefined;
}
