import { isDeepStrictEqual } from "node:util";
import { isObject as isPlainObject } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { CONFIG, type Config } from "./schema.ts";
import type { Effect } from "../core/config-schema.ts";
import { changeEffectAt } from "./schema/walk.ts";

/** One changed key and what it takes to make it work. */
export type ConfigChange = {
  readonly path: string;
  readonly effect: Effect;
};

/** One configured connection of a channel, with the keys that it takes from its channel. */
type ConfiguredAccount = { readonly channel: string; readonly account: string; readonly enabled: boolean; readonly config: unknown };

/** What has to be done to the running accounts. Accounts that are in none of the lists are the same as before. */
export type AccountDiff<A extends ConfiguredAccount> = {
  readonly added: readonly A[];
  readonly removed: readonly A[];
  /** Need a new connection. */
  readonly restarted: readonly A[];
  /** Differ only in keys that apply at once: the connection stays. */
  readonly updated: readonly A[];
};

/** The keys in which two configurations differ, the deepest ones that differ, in the order of the schema. */
export function diffConfig(old: Config, next: Config): readonly ConfigChange[] {
  return changedPaths(old, next).map((path) => ({ path: formatPath(path), effect: changeEffectAt(CONFIG, path) }));
}

/**
 * Which accounts to start, stop, restart or update. The effect of each changed key is that of the schema. Credentials that an account
 * takes from the environment count as its keys.
 */
export function diffAccounts<A extends ConfiguredAccount>(old: readonly A[], next: readonly A[]): AccountDiff<A> {
  const before = new Map(old.map((each) => [accountKey(each), each]));
  const after = new Map(next.map((each) => [accountKey(each), each]));
  const changes = {
    added: next.filter((each) => !before.has(accountKey(each))),
    removed: old.filter((each) => !after.has(accountKey(each))),
    restarted: [] as A[],
    updated: [] as A[],
  };
  for (const [key, account] of after) {
    const previous = before.get(key);
    if (!previous) continue;
    const paths = changedPaths(previous.config, account.config);
    const needsRestart =
      previous.enabled !== account.enabled ||
      paths.some((path) => changeEffectAt(CONFIG, ["channels", account.channel, ...path]) !== "applied");
    if (needsRestart) changes.restarted.push(account);
    else if (paths.length > 0) changes.updated.push(account);
  }
  return changes;
}

const accountKey = ({ channel, account }: ConfiguredAccount): string => JSON.stringify([channel, account]);

/** The strongest effect among changes: what has to be done as a whole. */
export function strongestEffect(changes: readonly ConfigChange[]): ConfigChange["effect"] | null {
  for (const effect of ["restart-gateway", "restart-channel", "applied"] as const) {
    if (changes.some((change) => change.effect === effect)) return effect;
  }
  return null;
}

/** The paths of the deepest values that differ. */
function changedPaths(old: unknown, next: unknown, path: KeyPath = []): KeyPath[] {
  if (isSameValue(old, next)) return [];
  if (!isObject(old) || !isObject(next)) return [path];
  return [...new Set([...Object.keys(old), ...Object.keys(next)])].flatMap((key) => changedPaths(old[key], next[key], [...path, key]));
}

const isObject = (value: unknown): value is Record<string, unknown> => isPlainObject(value) && !(value instanceof Secret);

/** Whether two values mean the same. Secrets are compared by their text, lists as a whole. */
export function isSameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => isSameValue(item, b[index]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSameValue(a[key], b[key]));
  }
  return isDeepStrictEqual(a, b);
}
