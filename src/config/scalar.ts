import { LIMITS } from "../core/limits.ts";
import { compilePattern } from "../core/safe-pattern.ts";
import type { ValidationContext } from "./validation-context.ts";
import type { ScalarTree, Tree } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { parseBytes } from "./quantity.ts";
import type { EnumNode, Node, NumberNode, StringNode } from "../core/config-schema.ts";
import { suggest } from "./suggest.ts";

/** Stands for a value that cannot be used; never part of a configuration. */
export const INVALID: unique symbol = Symbol("invalid");

type ScalarResult =
  | { readonly value: unknown }
  | { readonly problem: string; readonly suggestion?: string | undefined; readonly fix?: string };

/** `a text`, `a list`, ... for messages. */
export function typeName(tree: Tree): string {
  if (tree.kind !== "scalar") return tree.kind === "array" ? "a list" : "an object";
  if (tree.value === null) return "null";
  return { string: "a text", number: "a number", boolean: "true or false" }[typeof tree.value as "string" | "number" | "boolean"];
}

/** Reads a single value; reports what is wrong with it and then returns INVALID. */
export function readScalar(node: Node, tree: ScalarTree, path: KeyPath, context: ValidationContext): unknown {
  const substituted = typeof tree.value === "string" ? context.secrets.substitute(tree.value) : null;
  let result: ScalarResult;
  if (substituted && "problem" in substituted) result = { problem: substituted.problem };
  else {
    const fromEnv = substituted !== null && substituted.text !== tree.value;
    const value = substituted ? substituted.text : tree.value;
    result = convert(node, value, { fromEnv, type: typeName(tree), context });
  }
  if ("value" in result) return result.value;
  const { problem, suggestion, fix = node.fix } = result;
  const hint = suggestion ? `; did you mean "${suggestion}"?` : "";
  context.findings.add("error", path, tree.start, {
    message: `${formatPath(path)} ${problem}${hint}`,
    suggestion,
    ...((fix ?? suggestion) && { fix: fix ?? `write "${suggestion}"` }),
  });
  return INVALID;
}

type ScalarOptions = { readonly fromEnv: boolean; readonly type: string; readonly context: ValidationContext };

function convert(node: Node, value: ScalarTree["value"], how: ScalarOptions): ScalarResult {
  switch (node.kind) {
    case "string":
      return toStringValue(node, value, how);
    case "boolean":
      return toBoolean(value, how);
    case "number":
      return toNumber(node, value, how);
    case "enum":
      return toEnumValue(node, value, how);
    case "bytes":
      return toBytes(value);
    default:
      return { problem: `cannot be ${how.type}` };
  }
}

function toBoolean(value: ScalarTree["value"], how: ScalarOptions): ScalarResult {
  if (typeof value === "boolean") return { value };
  if (how.fromEnv && (value === "true" || value === "false")) return { value: value === "true" };
  return {
    problem: `must be true or false, but is ${how.type}`,
    ...(typeof value === "string" && { fix: "write true or false without quotes" }),
  };
}

function toNumber(node: NumberNode, value: ScalarTree["value"], how: ScalarOptions): ScalarResult {
  const number = how.fromEnv && typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
  const kind = node.integer ? "a whole number" : "a number";
  if (typeof number !== "number") {
    const quoted = typeof value === "string" && !how.fromEnv && /^-?\d+(\.\d+)?$/.test(value.trim());
    return { problem: `must be ${kind}, but is ${how.type}`, ...(quoted && { fix: "write it without quotes" }) };
  }
  const { min, max } = node;
  const inRange = Number.isFinite(number) && (min === undefined || number >= min) && (max === undefined || number <= max);
  if (inRange && (!node.integer || Number.isSafeInteger(number))) return { value: number };
  const least = min === undefined ? "" : max === undefined ? `, at least ${min}` : ` from ${min} to ${max}`;
  return { problem: `must be ${kind}${least}, but is ${number}` };
}

function toEnumValue(node: EnumNode, value: ScalarTree["value"], how: ScalarOptions): ScalarResult {
  if (typeof value === "string" && node.values.includes(value)) return { value };
  const values = node.values.map((one) => `"${one}"`).join(", ");
  if (typeof value !== "string") return { problem: `must be one of ${values}, but is ${how.type}` };
  return { problem: `must be one of ${values}`, suggestion: how.fromEnv ? undefined : suggest(value, node.values) };
}

function toBytes(value: ScalarTree["value"]): ScalarResult {
  const parsed = typeof value === "string" || typeof value === "number" ? parseBytes(String(value)) : null;
  return parsed === null ? { problem: "must be a size such as 500mb" } : { value: parsed };
}

function toStringValue(node: StringNode, value: ScalarTree["value"], how: ScalarOptions): ScalarResult {
  if (node.acceptsFalse && value === false) return { value: "" };
  const text = node.acceptsNumber && typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string") {
    const unsafe = node.acceptsNumber && typeof value === "number";
    return unsafe
      ? { problem: "is a number that cannot be kept exactly", fix: "put it in quotes" }
      : { problem: `must be a text, but is ${how.type}` };
  }
  if (text.includes("\0")) return { problem: "contains a NUL character" };
  const most = node.maxChars ?? (node.pattern || node.format ? LIMITS.configNameChars : Number.POSITIVE_INFINITY);
  if (text.length > most) return { problem: `is longer than ${most} characters` };
  if (node.pattern && !new RegExp(`^(?:${node.pattern.regex})$`, "u").test(text)) return { problem: `must be ${node.pattern.description}` };
  if (node.format === undefined) return { value: text };
  return FORMATS[node.format](text, how.context);
}

const FORMATS: Readonly<Record<NonNullable<StringNode["format"]>, (text: string, context: ValidationContext) => ScalarResult>> = {
  path: (text, context) => (text.trim() === "" ? { problem: "must be a path, but is empty" } : { value: context.toPath(text) }),
  url: (text) => (URL.canParse(text) ? { value: text } : { problem: "must be a complete address, such as https://example.org/v1" }),
  timezone: (text) => {
    try {
      void new Intl.DateTimeFormat("en", { timeZone: text });
      return { value: text };
    } catch (err) {
      if (err instanceof RangeError) return { problem: "must be a time zone, such as Europe/Berlin" };
      throw err;
    }
  },
  origin: (text) => {
    if (text === "*") return { value: text };
    const url = URL.canParse(text) ? new URL(text) : null;
    const bare = url !== null && url.pathname === "/" && !url.search && !url.hash && !url.username && url.host !== "";
    if (!bare) return { problem: "must be an origin, such as https://chat.example.org, without a path" };
    return { value: `${url.protocol}//${url.host}` };
  },
  regex: (text) => {
    if (text.length > LIMITS.patternChars) return { problem: `is longer than ${LIMITS.patternChars} characters` };
    // The engine that will run it, in linear time: what it refuses would not be looked for.
    const result = compilePattern(text, { patternChars: LIMITS.patternChars, textChars: 0 });
    return "pattern" in result ? { value: text } : { problem: `is not a usable regular expression: ${result.problem}` };
  },
};
