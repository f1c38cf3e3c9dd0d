import { walkSchema } from "./json-schema.ts";
import type { Node } from "../core/config-schema.ts";

export type ChannelKey = {
  readonly key: string;
  readonly help: string;
  readonly secret: boolean;
  /** What a form needs to know about a value that is not a string. */
  readonly kind?: "number" | "boolean" | "enum" | "array";
  readonly options?: readonly string[];
};

/** What the schema says about the keys at the top of a channel's block, and about those of `deeper`, which are within one of them. */
export function channelKeys(channel: string, deeper: readonly string[] = []): readonly ChannelKey[] {
  const prefix = `channels.${channel}.`;
  const found: ChannelKey[] = [];
  walkSchema((path, node) => {
    const key = path.startsWith(prefix) ? path.slice(prefix.length) : "";
    if (/^\w+$/.test(key) || deeper.includes(key)) found.push({ key, help: node.doc, secret: node.kind === "secret", ...formOf(node) });
  });
  return found;
}

function formOf(node: Node): Pick<ChannelKey, "kind" | "options"> {
  if (node.kind === "enum") return { kind: node.kind, options: node.values };
  return node.kind === "number" || node.kind === "boolean" || node.kind === "array" ? { kind: node.kind } : {};
}

/** The key of a channel's token; null if it has none or several. */
export function tokenKey(channel: string): string | null {
  const secrets = channelKeys(channel)
    .filter((each) => each.secret)
    .map((each) => each.key);
  const usual = ["botToken", "token", "secret"].find((key) => secrets.includes(key));
  return usual ?? (secrets.length === 1 ? secrets[0]! : null);
}
