import { walkSchema } from "./json-schema.ts";

export type ChannelKey = { readonly key: string; readonly help: string; readonly secret: boolean };

/** What the schema says about the keys at the top of a channel's block, and about those of `deeper`, which are within one of them. */
export function channelKeys(channel: string, deeper: readonly string[] = []): readonly ChannelKey[] {
  const prefix = `channels.${channel}.`;
  const found: ChannelKey[] = [];
  walkSchema((path, node) => {
    const key = path.startsWith(prefix) ? path.slice(prefix.length) : "";
    if (/^\w+$/.test(key) || deeper.includes(key)) found.push({ key, help: node.doc, secret: node.kind === "secret" });
  });
  return found;
}

/** The key that "the token" of a channel means; null where it has none, or it cannot be told. */
export function tokenKey(channel: string): string | null {
  const secrets = channelKeys(channel)
    .filter((each) => each.secret)
    .map((each) => each.key);
  const usual = ["botToken", "token", "secret"].find((key) => secrets.includes(key));
  return usual ?? (secrets.length === 1 ? secrets[0]! : null);
}
