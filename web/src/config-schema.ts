/** The schema of the configuration as a form shows it: which field each key gets. Pure. */
import { formatPath } from "../../src/config/key-path.ts";
import type { KeyPath } from "../../src/config/key-path.ts";

export type Schema = {
  type?: string | readonly string[];
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minimum?: number;
  maximum?: number;
  required?: readonly string[];
};

export type Hint = { label: string; help: string; sensitive?: boolean; advanced: boolean; group?: string; order?: number };
export type Hints = Readonly<Record<string, Hint>>;

/** `group`: keys that the schema names. `entries`: names that people choose. `items`: a list of objects. `text`: only the text shows it. */
export type FieldKind = "switch" | "choice" | "number" | "words" | "secret" | "lines" | "group" | "entries" | "items" | "text";

const typesOf = ({ type }: Schema): readonly string[] => (type === undefined ? [] : [type].flat());
const isScalar = (schema: Schema): boolean => typesOf(schema).some((type) => ["string", "number", "integer"].includes(type));

/** The form of a value that has a short one: the object, once it is one. */
export function schemaFor(schema: Schema, value: unknown): Schema {
  const whole = schema.anyOf?.find(({ properties }) => properties !== undefined && !("source" in properties));
  if (whole === undefined) return schema;
  return typeof value === "string"
    ? { ...schema.anyOf!.find((each) => isScalar(each))!, ...describe(schema) }
    : { ...whole, ...describe(schema) };
}

const describe = ({ description }: Schema): Schema => (description === undefined ? {} : { description });

export function fieldKind(schema: Schema, hint: Hint | undefined): FieldKind {
  const types = typesOf(schema);
  if (hint?.sensitive === true) return "secret";
  if (types.includes("boolean")) return "switch";
  if (schema.enum !== undefined) return "choice";
  if (types.includes("string")) return "words";
  if (types.includes("number") || types.includes("integer")) return "number";
  if (schema.properties !== undefined) return "group";
  if (typeof schema.additionalProperties === "object") return "entries";
  if (schema.items === undefined) return "text";
  return isScalar(schema.items) ? "lines" : schema.items.properties === undefined ? "text" : "items";
}

/** Where the hints of a key are: names that people choose are `*`, positions of lists `[]`. */
export function hintPath(root: Schema, path: KeyPath): string {
  let at: Schema | undefined = root;
  let text = "";
  for (const step of path) {
    at = at?.properties === undefined ? (at?.anyOf?.find(({ properties }) => properties !== undefined) ?? at) : at;
    if (typeof step === "number") {
      text += "[]";
      at = at?.items;
      continue;
    }
    const own: Schema | undefined = at?.properties?.[step];
    const name = own === undefined ? "*" : step;
    text += text === "" ? name : `.${name}`;
    at = own ?? (typeof at?.additionalProperties === "object" ? at.additionalProperties : undefined);
  }
  return text;
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

/** The name of a field as the texts of findings have it. */
export const pathText = (path: KeyPath): string => formatPath(path);

/** A default in a few words; empty for none. */
export function defaultText({ default: fallback }: Schema): string {
  if (fallback === undefined || fallback === null || fallback === "") return "";
  const text = typeof fallback === "string" ? fallback : JSON.stringify(fallback);
  return text.length > 60 || text === "{}" || text === "[]" ? "" : text;
}

/** The sections of the form in the order of the schema. */
export const sectionsOf = (root: Schema, hints: Hints): readonly { key: string; label: string }[] =>
  Object.keys(root.properties ?? {}).map((key) => ({ key, label: hints[key]?.label ?? key }));

/** The keys of a group: those that most people need first, each in the order of the schema. */
export function keysOf(schema: Schema, at: string, hints: Hints): { common: readonly string[]; advanced: readonly string[] } {
  const keys = Object.keys(schema.properties ?? {});
  const isAdvanced = (key: string): boolean => hints[at === "" ? key : `${at}.${key}`]?.advanced !== false;
  const common = keys.filter((key) => !isAdvanced(key));
  return common.length === 0 ? { common: keys, advanced: [] } : { common, advanced: keys.filter(isAdvanced) };
}
