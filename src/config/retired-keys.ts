import { isObject } from "../core/json.ts";
import { formatPath, type KeyPath } from "./key-path.ts";

/** A key with its older name. `*` is any one step. The new name is beside the old one, or below that place; `isWhole`: it is a path of its own, and the older name is not read. */
type RetiredKey = { readonly path: readonly string[]; readonly to: readonly string[]; readonly isWhole?: true };

/** Older names that are still read, and what they are called now. */
const RETIRED_KEYS: readonly RetiredKey[] = [
  { path: ["mcp", "servers", "*", "workingDirectory"], to: ["cwd"] },
  { path: ["tools", "web", "search", "apiKey"], to: ["brave", "apiKey"] },
  { path: ["agents", "defaults", "memorySearch"], to: ["memory", "search"], isWhole: true },
  { path: ["channels", "discord", "guilds", "*", "channels", "*", "allow"], to: ["enabled"] },
  { path: ["channels", "discord", "accounts", "*", "guilds", "*", "channels", "*", "allow"], to: ["enabled"] },
];

/** Addresses that people set as `gateway.bind`, and the word for each. */
const BIND_WORDS: Readonly<Record<string, string>> = {
  "0.0.0.0": "lan",
  "::": "lan",
  "*": "lan",
  "127.0.0.1": "loopback",
  "::1": "loopback",
  localhost: "loopback",
};

/** An older form in a configuration, and the present one. */
export type RetiredForm = {
  readonly path: KeyPath;
  /** What the key is called now; the same path where only the value has another form. */
  readonly to: KeyPath;
  /** The value in its present form; undefined: as it is. */
  readonly value?: string;
  readonly message: string;
  /** It is not read under the older name. */
  readonly isIgnored?: true;
};

/** Finds what a configuration says in an older form. Where the present form is set as well, that one counts, and nothing is found. Pure. */
export function findRetired(config: unknown): RetiredForm[] {
  const found = RETIRED_KEYS.flatMap(({ path, to, isWhole }) =>
    matchesOf(config, path, []).flatMap((at): RetiredForm[] => {
      const next = isWhole ? [...to] : [...at.slice(0, -1), ...to];
      if (valueAt(config, next) !== undefined) return [];
      return [
        { path: at, to: next, message: `${formatPath(at)} is the older name of ${formatPath(next)}`, ...(isWhole && { isIgnored: true }) },
      ];
    }),
  );
  const bind = valueAt(config, ["gateway", "bind"]);
  const word = typeof bind === "string" && Object.hasOwn(BIND_WORDS, bind) ? BIND_WORDS[bind] : undefined;
  if (word === undefined) return found;
  const path = ["gateway", "bind"];
  return [...found, { path, to: path, value: word, message: `gateway.bind is an address (${String(bind)}); the word for it is ${word}` }];
}

function matchesOf(value: unknown, [step, ...rest]: readonly string[], at: KeyPath): KeyPath[] {
  if (step === undefined) return [at];
  if (!isObject(value)) return [];
  const names = step === "*" ? Object.keys(value) : Object.hasOwn(value, step) ? [step] : [];
  return names.flatMap((name) => matchesOf(value[name], rest, [...at, name]));
}

function valueAt(value: unknown, path: KeyPath): unknown {
  let current = value;
  for (const step of path) current = isObject(current) && Object.hasOwn(current, step) ? current[step] : undefined;
  return current;
}
