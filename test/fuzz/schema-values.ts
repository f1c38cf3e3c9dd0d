import { readFileSync } from "node:fs";
import { SERVED_METHODS } from "../../src/protocol/served-methods.ts";
import { ADDED_PROPERTIES, DEFINED_AS, OWN_PARAMS, type JsonSchema } from "../../src/protocol/param-schemas.ts";
import type { SeededRandom } from "../crash/seeded-random.ts";

type Node = JsonSchema & { anyOf?: readonly Node[]; oneOf?: readonly Node[]; allOf?: readonly Node[]; const?: unknown; $ref?: string };

const file = new URL("../protocol.schema.json", import.meta.resolve("@openclaw/gateway-protocol/version"));
const { definitions } = JSON.parse(readFileSync(file, "utf8")) as { definitions: Record<string, JsonSchema> };

/** Params of each served method, as their schema has them. */
export const PARAMS: ReadonlyMap<string, JsonSchema> = new Map(
  SERVED_METHODS.map((method) => {
    const parts = method.split(/[.-]/).map((part) => part[0]!.toUpperCase() + part.slice(1));
    const schema = OWN_PARAMS[method] ?? definitions[DEFINED_AS[method] ?? `${parts.join("")}Params`] ?? {};
    return [method, { ...schema, properties: { ...schema.properties, ...ADDED_PROPERTIES[method] } }];
  }),
);

/** Values that mean something to some method, so that frames get past the first check. */
const WORDS = [
  "main",
  "agent:main:main",
  "fuzz-1",
  "fuzz-2",
  "hello",
  "irc",
  "default",
  "operator.read",
  "off",
  "test/echo",
  "key-1",
  "/status",
  "gateway.port",
];

/** A value that a schema allows; now and then with optional parts. */
export function generateValue(schema: Node, random: SeededRandom, depth = 0): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return random.pick(schema.enum);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices && choices.length > 0) return generateValue(random.pick(choices), random, depth + 1);
  if (schema.$ref) return {};
  switch (Array.isArray(schema.type) ? random.pick(schema.type as string[]) : schema.type) {
    case "string":
      return random.pick(WORDS).padEnd(schema.minLength ?? 0, "x");
    case "integer":
    case "number":
      return random.int(Math.max(schema.minimum ?? 0, 0), Math.min(schema.maximum ?? 50, (schema.minimum ?? 0) + 50));
    case "boolean":
      return random.chance(0.5);
    case "null":
      return null;
    case "array":
      return depth > 4
        ? []
        : Array.from({ length: random.int(schema.minItems ?? 0, 3) }, () => generateValue(schema.items ?? {}, random, depth + 1));
    default:
      return objectOf(schema, random, depth);
  }
}

function objectOf(schema: Node, random: SeededRandom, depth: number): Record<string, unknown> {
  const required = new Set(schema.required ?? []);
  const chosen = Object.entries(schema.properties ?? {}).filter(([name]) => required.has(name) || (depth < 4 && random.chance(0.3)));
  return Object.fromEntries(chosen.map(([name, property]) => [name, generateValue(property, random, depth + 1)]));
}
