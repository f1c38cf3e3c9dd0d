import { isObject, type JsonObject } from "../../core/json.ts";
import { quote } from "../results.ts";
import { PLUGIN_LIMITS } from "./limits.ts";

const TYPES = ["object", "array", "string", "number", "integer", "boolean"];
/** Keys that say something to people only. */
const TEXTS = ["title", "description", "default", "examples"];
/** Keys that are checked, by the type of the value. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "minItems"],
  string: ["enum"],
  number: ["minimum", "maximum"],
  integer: ["minimum", "maximum"],
  boolean: [],
};

/** Why a schema cannot be used: an argument is only accepted when all that its schema says is checked. Null: it can. Pure. */
export function findSchemaProblem(schema: unknown): string | null {
  if (!isObject(schema) || schema["type"] !== "object") return `it must be a JSON Schema with the type "object"`;
  return findProblem(schema, "", 0);
}

function findProblem(schema: JsonObject, at: string, depth: number): string | null {
  const where = at === "" ? "the schema" : at;
  const { type } = schema;
  if (depth > PLUGIN_LIMITS.schemaDepth) return `${where} is deeper than ${PLUGIN_LIMITS.schemaDepth}`;
  if (typeof type !== "string" || !TYPES.includes(type)) return `the type of ${where} must be one of ${TYPES.join(", ")}`;
  const known = [...TEXTS, "type", ...KEYS[type]!];
  const stray = Object.keys(schema).find((key) => !known.includes(key));
  if (stray !== undefined) return `${where} has the key ${quote(stray)}; a ${type} has ${known.join(", ")}`;
  const { minimum, maximum, minItems } = schema;
  for (const [key, value] of Object.entries({ minimum, maximum, minItems }))
    if (value !== undefined && typeof value !== "number") return `${key} of ${where} must be a number`;
  for (const key of ["enum", "required"]) {
    const list = schema[key];
    if (list !== undefined && !(Array.isArray(list) && list.every((each) => typeof each === "string")))
      return `${key} of ${where} must be a list of texts`;
  }
  return findInnerProblem(schema, at, depth);
}

function findInnerProblem({ properties, additionalProperties, items, required }: JsonObject, at: string, depth: number): string | null {
  if (properties !== undefined && !isObject(properties)) return `properties of ${at || "the schema"} must be an object`;
  const undeclared = Array.isArray(required) ? required.find((name) => !Object.hasOwn(properties ?? {}, String(name))) : undefined;
  if (undeclared !== undefined) return `${quote(String(undeclared))} is required, but not in properties`;
  const inner: [string, unknown][] = Object.entries(properties ?? {}).map(([name, field]) => [at === "" ? name : `${at}.${name}`, field]);
  if (additionalProperties !== undefined && additionalProperties !== false) inner.push([`${at}.<other>`, additionalProperties]);
  if (items !== undefined) inner.push([`${at}[]`, items]);
  for (const [name, field] of inner) {
    const problem = isObject(field) ? findProblem(field, name, depth + 1) : `${name} must be a schema`;
    if (problem !== null) return problem;
  }
  return null;
}
