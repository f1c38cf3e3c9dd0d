import { Secret } from "../core/secret.ts";
import type { ObjectMember, ObjectTree, ScalarTree, Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { isSecretKey, type ReferenceLookup } from "./secret-refs.ts";
import type { ObjectNode, ArrayNode, RecordNode, Node, SecretNode } from "../core/config-schema.ts";
import { secretFileKey, secretFileNode } from "./schema/walk.ts";
import { parseBytes } from "./quantity.ts";
import { readScalar, typeName, INVALID } from "./scalar.ts";
import type { ValidationContext } from "./validation-context.ts";

/**
 * The value of `tree` as `node` describes it: substituted, completed with defaults, frozen. A wrong value is reported and
 * replaced by the nearest safe one; WRONG is returned only where the place above has to decide.
 */
export function validate(node: Node, tree: Tree | undefined, path: KeyPath, context: ValidationContext): unknown {
  if (tree === undefined) return absentValue(node, path, context);
  if (node.warning !== undefined) {
    context.findings.add("warning", path, tree.start, { message: `${formatPath(path)} ${node.warning}` });
  }
  switch (node.kind) {
    case "object":
      return validateObject(node, tree, path, context);
    case "record":
      return validateRecord(node, tree, path, context);
    case "array":
      return validateArray(node, tree, path, context);
    case "secret":
      return validateSecret(node, tree, path, context);
    case "unknown":
      return keepUnknown(tree, path, context);
    default:
      return tree.kind === "scalar" ? readScalar(node, tree, path, context) : wrongType(node, tree, path, context);
  }
}

function absentValue(node: Node, path: KeyPath, context: ValidationContext): unknown {
  if (node.kind === "object" && !node.optional) {
    const empty: ObjectTree = { kind: "object", start: 0, end: 0, members: [] };
    return node.required ? undefined : validateObject(node, empty, path, context);
  }
  if (node.kind === "record" && !node.optional) return Object.freeze(Object.create(null));
  if (node.kind === "array" && node.default !== undefined) return Object.freeze([...node.default]);
  if (node.kind === "bytes" && typeof node.default === "string") return parseBytes(node.default);
  return "default" in node ? node.default : undefined;
}

/** Replacement of an invalid value. */
function onInvalidValue(node: Node, path: KeyPath, context: ValidationContext): unknown {
  if (node.onInvalid === undefined) return node.required ? INVALID : absentValue(node, path, context);
  return typeof node.onInvalid === "object" ? Object.freeze(structuredClone(node.onInvalid)) : node.onInvalid;
}

const EXPECTED: Readonly<Record<Node["kind"], string>> = {
  object: "an object",
  record: "an object",
  array: "a list",
  string: "a text",
  boolean: "true or false",
  number: "a number",
  enum: "a text",
  secret: "a text or a reference to a secret",
  bytes: "a size such as 500mb",
  unknown: "a value",
};

function wrongType(node: Node, tree: Tree, path: KeyPath, context: ValidationContext): typeof INVALID {
  context.findings.add("error", path, tree.start, () => ({
    message: `${formatPath(path)} must be ${EXPECTED[node.kind]}, but is ${typeName(tree)}`,
    ...(node.fix !== undefined && { fix: node.fix }),
  }));
  return INVALID;
}

/** Keys of an object in file order, the last of equal ones only, each reported once. */
function uniqueMembers(tree: ObjectTree, path: KeyPath, context: ValidationContext): Map<string, ObjectMember> {
  const members = new Map<string, ObjectMember>();
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

function validateObject(node: ObjectNode, tree: Tree, path: KeyPath, context: ValidationContext): unknown {
  if (node.shorthand !== undefined && tree.kind === "scalar" && typeof tree.value === "string") {
    const value = validate(node.fields[node.shorthand]!, tree, path, context);
    return value === INVALID ? (node.required ? INVALID : undefined) : Object.freeze({ [node.shorthand]: value });
  }
  if (tree.kind !== "object") {
    wrongType(node, tree, path, context);
    return node.strict && !node.optional ? INVALID : onInvalidValue(node, path, context);
  }
  const before = context.findings.errors;
  const members = uniqueMembers(tree, path, context);
  const out: Record<string, unknown> = {};
  const taken = new Set<string>();
  let missing = false;
  for (const [key, field] of Object.entries(node.fields)) {
    const at = [...path, key];
    const member = members.get(key);
    taken.add(key);
    let value: unknown;
    if (field.kind === "secret") value = validateSecretField(field, key, members, taken, path, context);
    else value = validate(field, member?.value, at, context);
    if (value === INVALID) value = onInvalidValue(field, at, context);
    if (field.required && (value === undefined || value === INVALID)) {
      if (member === undefined) {
        context.findings.add("error", path, tree.start, () => ({
          message: `${formatPath(at)} is missing`,
          fix: `add "${key}": ${field.doc}`,
        }));
      }
      missing = true;
    } else if (value !== undefined && value !== INVALID) out[key] = value;
  }
  for (const [key, member] of members) {
    if (taken.has(key)) continue;
    unknownKey(node, key, member, path, context);
    if (node.additional && !node.unserved?.includes(key)) out[key] = validate(node.additional.node, member.value, [...path, key], context);
  }
  if (missing || (node.strict && context.findings.errors > before)) return node.optional ? undefined : INVALID;
  return Object.freeze(out);
}

/** A key that the schema does not serve: OpenClaw's, or a typing error. Rarely an error: an upgrade must not stop a gateway. */
function unknownKey(node: ObjectNode, key: string, member: ObjectMember, path: KeyPath, context: ValidationContext): void {
  if (context.findings.isFull) return context.findings.add("warning", path, null, { message: "" });
  const at = [...path, key];
  if (node.unserved?.includes(key)) {
    context.findings.add("info", at, member.keyStart, { message: `${formatPath(at)} belongs to OpenClaw and has no effect here` });
    return;
  }
  const suggestion = node.additional?.known.includes(key)
    ? undefined
    : context.findings.suggest(key, [...Object.keys(node.fields), ...(node.unserved ?? [])]);
  if (node.additional && suggestion === undefined) {
    const [severity, said] = node.additional.known.includes(key)
      ? (["warning", node.additional.warning] as const)
      : (["info", node.additional.note] as const);
    return context.findings.add(severity, at, member.keyStart, { message: `${formatPath(at)} ${said}` });
  }
  context.findings.add(node.unknownKeys ?? "warning", at, member.keyStart, {
    message: `${formatPath(at)} is not a known key${suggestion ? `; did you mean "${suggestion}"?` : ""}`,
    fix: suggestion ? `rename "${key}" to "${suggestion}"` : `delete "${key}"`,
    suggestion,
  });
}

function validateRecord(node: RecordNode, tree: Tree, path: KeyPath, context: ValidationContext): unknown {
  if (tree.kind !== "object") {
    wrongType(node, tree, path, context);
    return onInvalidValue(node, path, context);
  }
  const out = Object.create(null) as Record<string, unknown>;
  const pattern = node.keyPattern && new RegExp(`^(?:${node.keyPattern.regex})$`);
  for (const [key, member] of uniqueMembers(tree, path, context)) {
    const at = [...path, key];
    if (pattern && !pattern.test(key)) {
      const message = `${formatPath(at)}: the name must be ${node.keyPattern!.description}`;
      context.findings.add("error", at, member.keyStart, { message, fix: `rename ${JSON.stringify(key)}` });
      continue;
    }
    const value = validate(node.item, member.value, at, context);
    const kept = value === INVALID ? node.item.onInvalid : value;
    if (kept !== INVALID && kept !== undefined) out[key] = kept;
  }
  return Object.freeze(out);
}

function validateArray(node: ArrayNode, tree: Tree, path: KeyPath, context: ValidationContext): unknown {
  const single = tree.kind === "scalar" && typeof tree.value === "string" && (node.item.kind === "string" || node.item.kind === "enum");
  if (single) {
    context.findings.add("warning", path, tree.start, {
      message: `${formatPath(path)} must be a list; the one text is taken as its only item`,
      fix: "put it into [ ]",
    });
  } else if (tree.kind !== "array") {
    wrongType(node, tree, path, context);
    return onInvalidValue(node, path, context);
  }
  const before = context.findings.errors;
  const items = tree.kind === "array" ? tree.items : [tree];
  const out: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const value = validate(node.item, item, [...path, index], context);
    const kept = value === INVALID ? node.item.onInvalid : value;
    if (kept !== INVALID && kept !== undefined) out.push(kept);
  }
  if (node.strict && context.findings.errors > before) return onInvalidValue(node, path, context);
  return Object.freeze(out);
}

/** The value under `key`, or the content of the file that `keyFile` names. */
function validateSecretField(
  node: SecretNode,
  key: string,
  members: ReadonlyMap<string, ObjectMember>,
  taken: Set<string>,
  path: KeyPath,
  context: ValidationContext,
): unknown {
  const fileKey = secretFileKey(key);
  taken.add(fileKey);
  const direct = members.get(key);
  const file = members.get(fileKey);
  if (direct && file) {
    context.findings.add("warning", [...path, fileKey], file.keyStart, {
      message: `${formatPath([...path, fileKey])} is ignored because ${formatPath([...path, key])} is set`,
      fix: `delete one of them`,
    });
  }
  if (direct || !file) return validate(node, direct?.value, [...path, key], context);
  const at = [...path, fileKey];
  const name = validate(secretFileNode(node), file.value, at, context);
  return typeof name === "string" ? toSecret(() => context.secrets.file(name), file.value, at, context) : undefined;
}

function validateSecret(node: SecretNode, tree: Tree, path: KeyPath, context: ValidationContext): unknown {
  if (tree.kind === "object") return toSecret(() => context.secrets.reference(tree), tree, path, context);
  if (tree.kind !== "scalar" || typeof tree.value !== "string") return wrongType(node, tree, path, context);
  return secretText(tree.value, tree, path, context);
}

function secretText(text: string, tree: Tree, path: KeyPath, context: ValidationContext): Secret | typeof INVALID | undefined {
  return toSecret(() => context.secrets.substitute(text), tree, path, context);
}

/** Runs `read`; its failure is an issue that names the place and never the value. */
function toSecret(read: () => ReferenceLookup, tree: Tree, path: KeyPath, context: ValidationContext): Secret | typeof INVALID | undefined {
  const result = read();
  if ("problem" in result) {
    const { problem, fix } = result;
    context.findings.add("error", path, tree.start, { message: `${formatPath(path)}: ${problem}`, ...(fix && { fix }) });
    return INVALID;
  }
  if ("unread" in result) {
    context.findings.add("info", path, tree.start, { message: `${formatPath(path)}: ${result.unread}` });
    return undefined;
  }
  const { warning } = result;
  if (warning !== undefined) context.findings.add("warning", path, tree.start, { message: `${formatPath(path)}: ${warning}` });
  if (result.text !== "") return new Secret(result.text);
  context.findings.add("warning", path, tree.start, { message: `${formatPath(path)} is empty, which is the same as not set` });
  return undefined;
}

/** A part that this release does not read, kept for others; values that look like credentials become secrets. */
function keepUnknown(tree: Tree, path: KeyPath, context: ValidationContext): unknown {
  if (tree.kind === "array") return Object.freeze(tree.items.map((item, index) => keepUnknown(item, [...path, index], context)));
  if (tree.kind === "scalar") return keepScalar(tree, path, context);
  const name = path.at(-1);
  const isReference = typeof name === "string" && isSecretKey(name) && tree.members.some((member) => member.key === "source");
  if (isReference) {
    const value = toSecret(() => context.secrets.reference(tree), tree, path, context);
    return value === INVALID ? undefined : value;
  }
  const out: Record<string, unknown> = {};
  for (const [key, member] of uniqueMembers(tree, path, context)) {
    const value = keepUnknown(member.value, [...path, key], context);
    if (value !== undefined) out[key] = value;
  }
  return Object.freeze(out);
}

function keepScalar(tree: ScalarTree, path: KeyPath, context: ValidationContext): unknown {
  if (typeof tree.value !== "string") return tree.value;
  const name = path.findLast((step) => typeof step === "string");
  if (typeof name === "string" && isSecretKey(name)) {
    const value = secretText(tree.value, tree, path, context);
    return value === INVALID ? undefined : value;
  }
  const result = context.secrets.substitute(tree.value);
  if ("text" in result) return result.text;
  if ("problem" in result) context.findings.add("error", path, tree.start, { message: `${formatPath(path)}: ${result.problem}` });
  return undefined;
}
