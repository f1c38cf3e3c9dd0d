// The schema of each method's params as it is served here: the published one with our additions, and what the rules make of it.
import { readFileSync } from "node:fs";
import type { ServedMethod } from "../src/protocol/served-methods.ts";
import { ADDED_PROPERTIES, DEFINED_AS, NESTED_PARAMS, OWN_PARAMS, REQUIRED_SETS, type JsonSchema } from "../src/protocol/param-schemas.ts";
import { PARAM_RULES } from "../src/protocol/served-params.ts";

// The package does not export its schema file; its version entry tells where the package is.
const schemaFile = new URL("../protocol.schema.json", import.meta.resolve("@openclaw/gateway-protocol/version"));
const { definitions } = JSON.parse(readFileSync(schemaFile, "utf8")) as { definitions: Record<string, JsonSchema> };

/** `config.schema.lookup` -> `ConfigSchemaLookupParams`. */
function definitionName(method: string): string {
  const parts = method.split(/[.-]/).map((part) => part[0]!.toUpperCase() + part.slice(1));
  return DEFINED_AS[method] ?? `${parts.join("")}Params`;
}

export function paramsOf(method: string): JsonSchema {
  const schema = OWN_PARAMS[method] ?? definitions[definitionName(method)];
  if (!schema) throw new Error(`no params definition for ${method}: add one to src/protocol/param-schemas.ts`);
  const nested = Object.entries(NESTED_PARAMS[method] ?? {}).map(([name, other]) => [name, paramsOf(other)] as const);
  const properties = { ...schema.properties, ...ADDED_PROPERTIES[method], ...Object.fromEntries(nested) };
  const sets = REQUIRED_SETS[method];
  return sets ? { ...schema, properties, required: [], anyOf: sets.map((required) => ({ required })) } : { ...schema, properties };
}

/** Params of the schema that are neither served nor ignored: requests with them are refused. */
export function refusedParams(method: ServedMethod): string[] {
  const { served, ignored = {} } = PARAM_RULES[method];
  return Object.keys(paramsOf(method).properties ?? {}).filter((name) => !served.includes(name) && !Object.hasOwn(ignored, name));
}

/** What is wrong with the rules of a method, one line each. */
export function checkRules(method: ServedMethod): string[] {
  const { served, ignored = {} } = PARAM_RULES[method];
  const schema = paramsOf(method);
  const known = new Set(Object.keys(schema.properties ?? {}));
  const named = [...served, ...Object.keys(ignored)];
  return [
    ...named.filter((name) => !known.has(name)).map((name) => `${method}: there is no parameter ${name}`),
    ...named.filter((name, index) => named.indexOf(name) !== index).map((name) => `${method}: ${name} is named twice`),
    ...(schema.required ?? [])
      .filter((name) => !served.includes(name))
      .map((name) => `${method}: ${name} is required and has to be served`),
  ];
}

/** One member of the type `ParamsOf`. */
export function toParamsType(method: ServedMethod): string {
  const { properties = {}, required = [] } = paramsOf(method);
  const members = PARAM_RULES[method].served.map((name) => `${name}${required.includes(name) ? "" : "?"}: ${toType(properties[name]!)};`);
  return `  ${JSON.stringify(method)}: { ${members.join(" ")} };\n`;
}

function toType(schema: JsonSchema): string {
  if (schema.anyOf) return [...new Set(schema.anyOf.map(toType))].join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (Array.isArray(schema.type)) return (schema.type as string[]).map((type) => toType({ ...schema, type })).join(" | ");
  if (schema.type === "array") return `(${toType(schema.items ?? {})})[]`;
  if (schema.type === "integer") return "number";
  if (schema.type !== "object") return (schema.type as string | undefined) ?? "unknown";
  if (!schema.properties) return "Record<string, unknown>";
  const required = schema.required ?? [];
  const members = Object.entries(schema.properties).map(([name, each]) => `${name}${required.includes(name) ? "" : "?"}: ${toType(each)}`);
  return `{ ${members.join("; ")} }`;
}
