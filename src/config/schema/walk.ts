import type { KeyPath } from "../key-path.ts";
import type { Effect, ObjectNode, Node, StringNode } from "../../core/config-schema.ts";

/** The key that names a file with the secret of `key`. */
export const secretFileKey = (key: string): string => `${key}File`;

/** The node one step below `node`; null where the schema describes nothing. */
export function childNode(node: Node, step: string | number): Node | null {
  if (node.kind === "object") return typeof step === "string" ? fieldNode(node, step) : null;
  if (node.kind === "record") return node.item;
  if (node.kind === "array") return typeof step === "number" || /^\d+$|^\*$/.test(step) ? node.item : null;
  return null;
}

function fieldNode(node: ObjectNode, key: string): Node | null {
  if (Object.hasOwn(node.fields, key)) return node.fields[key]!;
  if (node.unserved?.includes(key)) return null;
  const owner = key.endsWith("File") ? key.slice(0, -4) : "";
  if (Object.hasOwn(node.fields, owner) && node.fields[owner]!.kind === "secret") return secretFileNode(node.fields[owner]!);
  return node.additional?.node ?? null;
}

/** The key beside a secret that names a file with it. */
export function secretFileNode(secret: Node): StringNode {
  const effect = secret.effect && { effect: secret.effect };
  return { kind: "string", doc: `Path of a file that holds it instead. ${secret.doc}`, format: "path", ...effect };
}

/** Whether a path is one of OpenClaw that has no effect here, or inside of one. */
export function isUnservedAt(root: Node, path: KeyPath): boolean {
  let node: Node = root;
  for (const step of path) {
    const next = childNode(node, step);
    if (next === null) return node.kind === "object" && node.unserved?.includes(String(step)) === true;
    node = next;
  }
  return false;
}

/** The effect of a change at `path`: of the deepest place that the schema describes. */
export function changeEffectAt(root: Node, path: KeyPath): Effect {
  let node: Node | null = root;
  let effect = root.effect ?? "applied";
  for (const step of path) {
    node = childNode(node, step);
    if (node === null) return effect;
    effect = node.effect ?? effect;
  }
  return effect;
}
