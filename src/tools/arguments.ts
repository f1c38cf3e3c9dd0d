import { asObject, asStrings, fieldsOf, isObject, type JsonObject } from "../core/json.ts";
import { quote } from "./results.ts";

/** Checked arguments, or every problem that was found. */
export type CheckedArguments = { ok: true; args: JsonObject } | { ok: false; problems: readonly string[] };

/**
 * Checks arguments against the parameters of a tool and copies only the declared fields. Serves the part of JSON Schema that tools use:
 * object, array, string, number, integer, boolean, `required`, `enum` of texts, `minimum`, `maximum`, `minItems`, and
 * `additionalProperties` as the schema of all further fields, or `true` for further fields of any kind. Models write some values in the type of another;
 * what is unambiguous is converted: "5" to a number, a number to a string, and null for an optional field to its absence. Pure.
 */
export function checkArguments(schema: JsonObject, args: unknown): CheckedArguments {
  const problems: string[] = [];
  const checked = checkValue(schema, args, "", problems);
  return problems.length === 0 && isObject(checked) ? { ok: true, args: checked } : { ok: false, problems };
}

const ARTICLES: Readonly<Record<string, string>> = { object: "an object", array: "an array", integer: "an integer" };
const withArticle = (type: string): string => ARTICLES[type] ?? `a ${type}`;

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return `the text ${quote(value)}`;
  return typeof value === "object" ? "an object" : `the ${typeof value} ${String(value)}`;
}

function convert(type: unknown, value: unknown): unknown {
  if ((type === "number" || type === "integer") && typeof value === "string" && value.trim() !== "") {
    const number = Number(value);
    return Number.isFinite(number) ? number : value;
  }
  if (type === "string" && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

function hasType(type: unknown, value: unknown): boolean {
  if (type === "object") return isObject(value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isSafeInteger(value);
  if (type === "number") return typeof value === "number" && Number.isFinite(value);
  return typeof value === type;
}

function checkValue(schema: JsonObject, raw: unknown, at: string, problems: string[]): unknown {
  const type = schema["type"];
  const value = convert(type, raw);
  const name = at === "" ? "The arguments" : at;
  const report = (expected: string): void => void problems.push(`${name} must be ${expected}, not ${kindOf(value)}`);
  if (!hasType(type, value)) {
    report(withArticle(String(type)));
    return undefined;
  }
  const minimum = schema["minimum"];
  if (typeof minimum === "number" && typeof value === "number" && value < minimum) report(`at least ${minimum}`);
  const maximum = schema["maximum"];
  if (typeof maximum === "number" && typeof value === "number" && value > maximum) report(`at most ${maximum}`);
  const choices = asStrings(schema["enum"]);
  if (choices.length > 0 && typeof value === "string" && !choices.includes(value)) report(`one of ${choices.join(", ")}`);
  if (Array.isArray(value)) return checkItems(schema, value, at, problems);
  return isObject(value) ? checkFields(schema, value, at, problems) : value;
}

function checkItems(schema: JsonObject, items: readonly unknown[], at: string, problems: string[]): unknown[] {
  if (items.length < Number(schema["minItems"] ?? 0)) problems.push(`${at} must have at least ${String(schema["minItems"])} item`);
  const item = asObject(schema["items"]);
  return items.map((each, index) => (item === null ? each : checkValue(item, each, `${at}[${index}]`, problems)));
}

function checkFields(schema: JsonObject, value: JsonObject, at: string, problems: string[]): JsonObject {
  const required = new Set(asStrings(schema["required"]));
  const checked: Record<string, unknown> = schema["additionalProperties"] === true ? { ...value } : {};
  const properties = fieldsOf(schema["properties"]);
  const further = asObject(schema["additionalProperties"]);
  for (const key of further === null ? [] : Object.keys(value).filter((each) => !Object.hasOwn(properties, each)))
    checked[key] = checkValue(further!, value[key], at === "" ? key : `${at}.${key}`, problems);
  for (const [key, field] of Object.entries(properties)) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    const where = at === "" ? key : `${at}.${key}`;
    if (given !== undefined && (given !== null || required.has(key))) checked[key] = checkValue(fieldsOf(field), given, where, problems);
    else if (required.has(key)) problems.push(`${where} is missing (${String(fieldsOf(field)["type"])})`);
  }
  return checked;
}
