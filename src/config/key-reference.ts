import { walkSchema } from "./json-schema.ts";
import type { Effect, Node } from "../core/config-schema.ts";

const EFFECT_TEXT: Readonly<Record<Effect, string>> = {
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
    if (isTop && (node.kind === "object" || node.kind === "record")) return;
    const cells = [`\`${path}\``, typeText(node), defaultText(node), EFFECT_TEXT[effect], isTop ? "See above." : node.doc];
    lines.push(`| ${cells.map(cell).join(" | ")} |`);
  });
  return `${lines.join("\n").trim()}\n`;
}

/** The keys of one channel's block as a Markdown table; those of `accounts` are the same and left out. */
export function channelKeyTable(channel: string): string {
  const prefix = `channels.${channel}.`;
  const lines = ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"];
  walkSchema((path, node) => {
    const key = path.startsWith(prefix) ? path.slice(prefix.length) : "";
    if (key === "" || key.startsWith("accounts.*") || isContainer(node, key)) return;
    lines.push(`| ${[`\`${key}\``, typeText(node), defaultText(node), node.doc].map(cell).join(" | ")} |`);
  });
  return `${lines.join("\n")}\n`;
}

/** An object whose keys have rows of their own, and the file form of a secret, which every secret has. */
const isContainer = (node: Node, key: string): boolean =>
  node.kind === "object" || (node.kind === "string" && node.format === "path" && key.endsWith("File"));

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function typeText(node: Node): string {
  switch (node.kind) {
    case "enum":
      return node.values.map((value) => `\`${value}\``).join(", ");
    case "number":
      return `${node.integer ? "whole number" : "number"}${rangeText(node.min, node.max)}`;
    case "string":
      return node.format ?? (node.acceptsNumber ? "text or number" : "text");
    case "boolean":
      return "true or false";
    case "bytes":
      return "size";
    case "array":
      return `list of ${typeText(node.item)}`;
    case "record":
      return `object, by \`${node.keyName}\``;
    case "object":
      return node.shorthand === undefined ? "object" : `text (\`${node.shorthand}\`) or object`;
    case "secret":
      return "secret";
    case "unknown":
      return "any";
  }
}

function rangeText(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return "";
  return max === undefined ? `, at least ${min}` : `, ${min} to ${max}`;
}

function defaultText(node: Node): string {
  if (node.required) return "required";
  if (node.whenAbsent !== undefined) return `\`${node.whenAbsent}\``;
  if (!("default" in node) || node.default === undefined) return "";
  return `\`${JSON.stringify(node.default)}\``;
}
