import { closeSync, readFileSync } from "node:fs";

/** Prefix of the keys that carry the secret query of a URL. */
const QUERY_PREFIX = "OPENCLAW_QUERY_";

/** Shorter values ("none", "ollama") are words, not secrets. */
const MIN_KEY_CHARS = 8;

/** Variables that configure Pi itself and that nothing else needs. */
const PRIVATE_VARIABLE = /^(NODE_COMPILE_CACHE|PI_(OFFLINE|TELEMETRY|SKIP_VERSION_CHECK|CODING_AGENT_DIR))$/;

export type ProviderKeys = {
  /** Values that must not reach a transcript or a person. */
  secrets: readonly string[];
  /** Secret queries, by the URL that they belong to. */
  queries: readonly { base: string; query: string }[];
};

/**
 * Takes the provider keys, which arrive once over file descriptor 3. Afterwards they are readable by name in `process.env`, but not
 * part of the environment: `/proc/<pid>/environ` does not have them, and no child process inherits them.
 */
export function takeProviderKeys(): ProviderKeys {
  const keys = JSON.parse(readFileSync(3, "utf8")) as Record<string, string>;
  closeSync(3);
  const hidden = new Map(Object.entries(keys));
  process.env = new Proxy(process.env, {
    get: (target, name) => hidden.get(name as string) ?? target[name as string],
    has: (target, name) => hidden.has(name as string) || name in target,
    ownKeys: (target) => Reflect.ownKeys(target).filter((name) => !PRIVATE_VARIABLE.test(String(name))),
  });
  const queries = Object.entries(keys).flatMap(([name, value]) =>
    name.startsWith(QUERY_PREFIX) ? [JSON.parse(value) as ProviderKeys["queries"][number]] : [],
  );
  return { secrets: Object.values(keys).filter((key) => key.length >= MIN_KEY_CHARS), queries };
}

/** The same value with each key replaced, at any depth; the value itself when it contains none. */
export function redactKeys<T>(value: T, keys: readonly string[]): T {
  let text = JSON.stringify(value);
  const found = keys.map((key) => JSON.stringify(key).slice(1, -1)).filter((key) => text.includes(key));
  for (const key of found) text = text.replaceAll(key, "[secret]");
  return found.length === 0 ? value : (JSON.parse(text) as T);
}
