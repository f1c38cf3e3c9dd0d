/** Every scope that can be granted. A name that is not listed grants nothing and is never echoed. */
export const OPERATOR_SCOPES = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.pairing",
  "operator.questions",
  "operator.talk",
  "operator.talk.secrets",
] as const;

const KNOWN: ReadonlySet<string> = new Set(OPERATOR_SCOPES);

/** Scopes that another one includes. `admin` includes all. */
const INCLUDED: ReadonlyMap<string, readonly string[]> = new Map([["operator.write", ["operator.read", "operator.talk"]]]);

/** True when a holder of `held` may do what `needed` asks for. */
export function satisfies(held: Iterable<string>, needed: string): boolean {
  if (!KNOWN.has(needed)) return false;
  for (const scope of held) {
    if (scope === needed || scope === "operator.admin" || INCLUDED.get(scope)?.includes(needed)) return true;
  }
  return false;
}

/** True when `held` satisfies every one of `wanted`; unknown names are satisfied by nobody. */
export function covers(held: Iterable<string>, wanted: Iterable<string>): boolean {
  const list = [...held];
  for (const scope of wanted) if (!satisfies(list, scope)) return false;
  return true;
}

/** What is asked for, cut to what `granted` allows; each once, in the order asked. The one place where scopes are decided. */
export function intersectScopes(requested: Iterable<string>, granted: Iterable<string>): string[] {
  const list = [...granted];
  return [...new Set(requested)].filter((scope) => satisfies(list, scope));
}

export const isScope = (name: string): boolean => KNOWN.has(name);
