import { walkSchema } from "./json-schema.ts";
import type { Effect, Node } from "./schema/shape.ts";

const EFFECT_WORDS: Readonly<Record<Effect, string>> = {
  applied: "at once",
  "restart-channel": "channel restarts",
  "restart-gateway": "restart",
};

/** The reference of all keys as Markdown: one section for each top-level key, one row for each key below. */
export function keyReference(): string {
  const lines: string[] = [];
  walkSchema((path, node, effect) => {
    const isTop = !/[.[]/.test(path);
    if (isTop)
      lines.push("", `### \`${path}\``, "", node.doc, "", "| Key | Type | Default | Change | Meaning |", "| --- | --- | --- | --- | --- |");
    if (isTop && (node.kind === "group" || node.kind === "map")) return;
    const cells = [`\`${path}\``, typeWords(node), defaultWords(node), EFFECT_WORDS[effect], isTop ? "See above." : node.doc];
    lines.push(`| ${cells.map(cell).join(" | ")} |`);
  });
  return `${lines.join("\n").trim()}\n`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function typeWords(node: Node): string {
  switch (node.kind) {
    case "choice":
      return node.values.map((value) => `\`${value}\``).join(", ");
    case "number":
      return `${node.whole ? "whole number" : "number"}${rangeWords(node.min, node.max)}`;
    case "text":
      return node.format ?? (node.orNumber ? "text or number" : "text");
    case "flag":
      return "true or false";
    case "bytes":
      return "size";
    case "list":
      return `list of ${typeWords(node.item)}`;
    case "map":
      return `object, by \`${node.key}\``;
    case "group":
      return node.shorthand === undefined ? "object" : `text (\`${node.shorthand}\`) or object`;
    case "secret":
      return "secret";
    case "opaque":
      return "any";
  }
}

function rangeWords(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return "";
  return max === undefined ? `, at least ${min}` : `, ${min} to ${max}`;
}

function defaultWords(node: Node): string {
  if (node.required) return "required";
  if (!("default" in node) || node.default === undefined) return "";
  return `\`${JSON.stringify(node.default)}\``;
}
