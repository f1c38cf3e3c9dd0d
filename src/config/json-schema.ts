import { isCommon } from "./common-keys.ts";
import { parsePath } from "./key-path.ts";
import { CONFIG } from "./schema.ts";
import type { Effect, ObjectNode, Node } from "../core/config-schema.ts";
import { childNode, changeEffectAt, secretFileKey, secretFileNode } from "./schema/walk.ts";

type Json = Readonly<Record<string, unknown>>;

const SECRET_REF: Json = {
  type: "object",
  description: "A reference to a secret that lives elsewhere.",
  properties: {
    source: { enum: ["env", "file", "exec", "store"] },
    provider: { type: "string", description: "Name of a source under secrets.providers." },
    id: { type: "string", description: "Name of the variable, JSON pointer, or whatever the source understands." },
  },
  required: ["source", "id"],
  additionalProperties: false,
};

/** For editors of the file; or for forms of clients, which resolve no references and draw a field for every key that they are given. */
type SchemaAudience = "file" | "form";

const cached: Partial<Record<SchemaAudience, Json>> = {};

/** JSON Schema (draft-07) of the whole file. The same object each time; do not change it. */
export function jsonSchema(): Json {
  cached.file ??= {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "openclaw.json",
    ...toSchema(CONFIG, "file"),
    definitions: { secretRef: SECRET_REF },
  };
  return cached.file;
}

/** The schema for forms: without references, and without keys that have no effect here, which are accepted nevertheless. */
export function formSchema(): Json {
  cached.form ??= { $schema: "http://json-schema.org/draft-07/schema#", title: "openclaw.json", ...toSchema(CONFIG, "form") };
  return cached.form;
}

function toSchema(node: Node, reader: SchemaAudience): Json {
  const about = { description: node.doc, ...("default" in node && node.default !== undefined && { default: node.default }) };
  switch (node.kind) {
    case "string":
      return { ...about, type: node.acceptsNumber ? ["string", "number"] : "string", ...textLimits(node) };
    case "boolean":
      return { ...about, type: "boolean" };
    case "number":
      return {
        ...about,
        type: node.integer ? "integer" : "number",
        ...(node.min !== undefined && { minimum: node.min }),
        ...(node.max !== undefined && { maximum: node.max }),
      };
    case "enum":
      return { ...about, type: "string", enum: node.values };
    case "bytes":
      return { ...about, type: ["string", "number"] };
    case "secret":
      return { ...about, anyOf: [{ type: "string" }, reader === "form" ? SECRET_REF : { $ref: "#/definitions/secretRef" }] };
    case "array":
      return { ...about, type: "array", items: toSchema(node.item, reader) };
    case "record":
      return { ...about, type: "object", additionalProperties: toSchema(node.item, reader) };
    case "unknown":
      return about;
    case "object":
      return groupSchema(node, reader);
  }
}

function textLimits(node: Extract<Node, { kind: "string" }>): Json {
  return {
    ...(node.pattern && { pattern: `^(?:${node.pattern.regex})$` }),
    ...(node.maxChars !== undefined && { maxLength: node.maxChars }),
  };
}

function groupSchema(node: ObjectNode, reader: SchemaAudience): Json {
  const properties: Record<string, unknown> = {};
  for (const [key, field] of fieldsOf(node)) properties[key] = toSchema(field, reader);
  const unserved = node.unserved ?? [];
  if (reader === "file") for (const key of unserved) properties[key] = {};
  const required = Object.keys(node.fields).filter((key) => node.fields[key]!.required);
  const rest = node.additional ? toSchema(node.additional.node, reader) : reader === "form" && unserved.length > 0;
  const schema = { type: "object", properties, additionalProperties: rest, ...(required.length > 0 && { required }) };
  if (node.shorthand === undefined) return { description: node.doc, ...schema };
  return { description: node.doc, anyOf: [{ type: "string" }, schema] };
}

/** The keys of an object with those that name files of secrets. */
function fieldsOf(node: ObjectNode): readonly (readonly [string, Node])[] {
  const fields: [string, Node][] = [];
  for (const [key, field] of Object.entries(node.fields)) {
    fields.push([key, field]);
    if (field.kind === "secret") fields.push([secretFileKey(key), secretFileNode(field)]);
  }
  return fields;
}

type SchemaHint = {
  readonly label: string;
  readonly help: string;
  readonly sensitive?: true;
  /** False: shown before the advanced settings are unfolded. Clients take an absent value for true. */
  readonly advanced: boolean;
  /** The section of the form, and its place among the others. */
  readonly group?: string;
  readonly order?: number;
};

/** How a form shows each key, by its path (`*` for names that people choose). */
export function schemaHints(): Readonly<Record<string, SchemaHint>> {
  const hints: Record<string, SchemaHint> = {};
  walkSchema((path, node) => {
    hints[path] = schemaHint(path, node);
  });
  return hints;
}

/** Visits every described key, parents first. Paths are as in the documentation: `agents.entries.*.name`, `bindings[].agentId`. */
export function walkSchema(visit: (path: string, node: Node, effect: Effect) => void): void {
  const walk = (node: Node, path: string, effect: Effect): void => {
    if (path !== "") visit(path, node, effect);
    for (const [key, child] of childrenOf(node)) {
      const at = key === "[]" ? `${path}[]` : path === "" ? key : `${path}.${key}`;
      walk(child, at, child.effect ?? effect);
    }
  };
  walk(CONFIG, "", CONFIG.effect ?? "applied");
}

function childrenOf(node: Node): readonly (readonly [string, Node])[] {
  if (node.kind === "object") return fieldsOf(node);
  if (node.kind === "record") return [["*", node.item]];
  return node.kind === "array" && (node.item.kind === "object" || node.item.kind === "record") ? [["[]", node.item]] : [];
}

const SECTIONS = Object.keys(CONFIG.fields);

function schemaHint(path: string, node: Node): SchemaHint {
  const key = /([^.[\]*]+)[.[\]*]*$/.exec(path)?.[1] ?? path;
  const words = key.replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  const label = words.charAt(0).toUpperCase() + words.slice(1);
  const order = SECTIONS.indexOf(path);
  return {
    label,
    help: node.doc,
    advanced: !isCommon(path),
    ...(node.kind === "secret" && { sensitive: true as const }),
    ...(order >= 0 && { group: label, order: order + 1 }),
  };
}

type ReloadKind = "hot" | "restart" | "none";
const RELOAD_KIND: Readonly<Record<Effect, ReloadKind>> = { applied: "hot", "restart-channel": "hot", "restart-gateway": "restart" };

type SchemaChild = {
  readonly key: string;
  readonly path: string;
  readonly type?: string | readonly string[];
  readonly required: boolean;
  readonly hasChildren: boolean;
  readonly reloadKind: ReloadKind;
  readonly hint: SchemaHint;
  readonly hintPath: string;
};

type SchemaLookup = {
  readonly path: string;
  /** Of this key alone, without the keys below. */
  readonly schema: Json;
  readonly reloadKind: ReloadKind;
  readonly hint: SchemaHint;
  readonly hintPath: string;
  readonly children: readonly SchemaChild[];
};

/** What `config.schema.lookup` answers for one key and the keys below it; `.` is the whole file. Null for a key that is not described. */
export function lookupSchema(path: string): SchemaLookup | null {
  const steps = path === "." ? [] : parsePath(path.replaceAll("[]", "[0]").replaceAll("[*]", "[0]"));
  if (steps === null) return null;
  let node: Node = CONFIG;
  const hintSteps: string[] = [];
  for (const step of steps) {
    const child = childNode(node, step);
    if (child === null) return null;
    hintSteps.push(node.kind === "object" ? String(step) : node.kind === "record" ? "*" : "[]");
    node = child;
  }
  const hintPath = hintSteps.join(".").replaceAll(".[]", "[]");
  const { properties: _, items: __, anyOf: ___, ...schema } = toSchema(node, "form") as Record<string, unknown>;
  if (typeof schema["additionalProperties"] === "object") schema["additionalProperties"] = true;
  const children = childrenOf(node).map(([key, child]) => toChild(key, child, node, path === "." ? "" : path, hintPath, [...steps, key]));
  return { path, schema, reloadKind: RELOAD_KIND[changeEffectAt(CONFIG, steps)], hint: schemaHint(hintPath, node), hintPath, children };
}

function toChild(key: string, child: Node, parent: Node, path: string, hintPath: string, steps: readonly (string | number)[]): SchemaChild {
  const join = (base: string): string => (key === "[]" ? `${base}[]` : base === "" ? key : `${base}.${key}`);
  const { type } = toSchema(child, "form") as { type?: string | readonly string[] };
  return {
    key,
    path: join(path),
    ...(type !== undefined && { type }),
    required: parent.kind === "object" && child.required === true,
    hasChildren: childrenOf(child).length > 0,
    reloadKind: RELOAD_KIND[child.effect ?? changeEffectAt(CONFIG, steps.slice(0, -1))],
    hint: schemaHint(join(hintPath), child),
    hintPath: join(hintPath),
  };
}
